//! The program as a user starts and controls it. All traffic stays on loopback; nothing sleeps to wait.

mod admin;
mod effects;
mod faults;
mod presets;
mod process;
mod startup;
#[path = "../support/mod.rs"]
mod support;
