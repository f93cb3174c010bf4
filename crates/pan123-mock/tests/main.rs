//! The mock, as a library and as a program. All traffic stays on loopback; nothing sleeps to wait.

mod mock;
#[cfg(feature = "program")]
mod program;
mod support;
