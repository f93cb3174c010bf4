//! What the tests that look at several crates at once share.
//!
//! - [`clock`]: a clock that jumps when everybody waits, so that no test over a socket sleeps.
//! - [`scenario`], [`run`]: what a client is to do, as data, and how one driver does it.
//! - [`table`]: the scenarios.
//! - [`service`]: how others than the client come to the service.
//! - [`drivers`]: the drivers, the two adapters over loopback and a third in memory, and the services that they are run against.
//! - [`observed`], [`compare`]: what came of it, and in what the drivers differ.
//! - [`transports`]: transports in memory that a test holds in its hand.
//! - [`logs`]: all that is logged.
//! - [`watchdog`]: what ends a test that hangs.

pub mod block_on;
pub mod clock;
pub mod compare;
pub mod drive_calls;
pub mod drivers;
pub mod failing_store;
pub mod fixture;
pub mod logs;
pub mod observed;
pub mod run;
pub mod scenario;
pub mod service_access;
pub mod table;
pub mod transports;
pub mod watchdog;
