//! The drivers of the core: the adapters over sockets and in memory, and the examples that use them.

mod adapters;
mod examples;
mod stress;
