//! `pan123 serve` as a process, against the mock.

mod adding;
mod calls;
mod changing;
mod client;
mod ends;
mod metrics;
mod reach;
mod restarts;
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "the tests on PostgreSQL use all of it")
)]
pub(crate) mod support;
mod unconfirmed;
