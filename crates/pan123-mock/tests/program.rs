//! The program as a user starts and controls it.

mod admin;
mod effects;
mod faults;
mod presets;
mod process;
mod startup;
