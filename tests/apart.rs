//! Tests beside which no client may run in the same process: what is logged, the heap, and what clients do in processes of their own.

mod logs;
mod memory;
mod processes;
