//! Shared parts of the tests that use several crates at once.
//!
//! - [`clock`]: a clock that jumps when every running call waits, so that no test over a socket sleeps.
//! - [`scenario`], [`run`]: what a client does, as data, and how a driver runs it.
//! - [`batch_run`]: what a batch does, as data, and what it tells.
//! - [`table`]: the scenarios.
//! - [`service_access`]: the service as others than the client under test use it.
//! - [`drivers`]: the two adapters over loopback, a third driver in memory, and the services that they run against.
//! - [`observed`], [`compare`]: what a run did, and where drivers differ.
//! - [`transports`], [`fixture`]: transports in memory that a test controls, and clients that use them.
//! - [`logs`]: captures all logs.
//! - [`watchdog`]: ends a test that hangs.

pub mod batch_run;
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
