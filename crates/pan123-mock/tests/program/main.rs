//! The program, as somebody starts it and leads it. All traffic stays on loopback; nothing sleeps to wait.

mod admin;
#[path = "../server/client.rs"]
mod client;
mod effects;
mod faults;
mod made;
#[path = "../server/peers.rs"]
mod peers;
mod process;
mod starts;

use std::time::Duration;

/// Long enough for a slow machine; a good run never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
