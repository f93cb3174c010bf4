//! Ledgers: the rules, and the ledger in memory.

mod lines;
#[cfg(feature = "conformance")]
mod suite;
