//! Ledgers: the rules, and the ledger in memory.

#[cfg(feature = "conformance")]
mod suite;
