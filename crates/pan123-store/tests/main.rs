//! The token stores.

mod file;
mod memory;
