//! `pan123 serve` as a process, against the mock.

mod adding;
mod calls;
mod changing;
mod client;
mod ends;
mod metrics;
mod reach;
mod restarts;
pub(crate) mod support;
mod unconfirmed;
