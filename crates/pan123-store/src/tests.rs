//! The stores as others use them.

mod file;
mod memory;
