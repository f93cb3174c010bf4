//! The command as a process, against the mock.

mod account;
mod files;
mod general;
mod schema;
mod support;
mod trash;
