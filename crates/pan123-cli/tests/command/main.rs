//! The command as a process, against the mock.

mod account;
mod batches;
mod demo;
mod downloads;
mod files;
mod general;
mod killed;
mod oauth;
#[cfg(feature = "postgres")]
#[path = "../postgres/main.rs"]
mod postgres;
#[cfg(target_os = "linux")]
mod prompts;
#[cfg(unix)]
mod pseudo_terminal;
mod schema;
#[path = "../serve/main.rs"]
mod serve;
mod support;
#[cfg(unix)]
mod terminal;
mod trash;
