//! The command as a process, against the mock.

mod account;
mod general;
mod schema;
mod support;
