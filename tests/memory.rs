//! The heap, measured in processes where nothing else happens.

#![allow(clippy::print_stdout, reason = "the figures are what one looks for")]

mod ledger;
mod response;
mod watch;

use std::env;
use std::process::Command;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// Runs an ignored test of this program in a process of its own.
#[track_caller]
fn assert_passes_alone(test: &str) {
    let program = env::current_exe().expect("this program");
    let mut alone = Command::new(program);
    alone.args([test, "--exact", "--ignored", "--nocapture"]);
    let output = alone.output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    println!("{printed}");
    let has_passed = output.status.success() && printed.contains("1 passed");
    assert!(has_passed, "{test}: {printed}{failed}");
}
