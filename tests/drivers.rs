//! The drivers of the core: the adapters over sockets and in memory.

mod adapters;
mod stress;
