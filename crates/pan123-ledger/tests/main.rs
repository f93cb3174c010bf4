//! The ledgers in SQLite and in PostgreSQL.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod common;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
