//! The processes that the tests start. The first argument says what one is; `mock` is the program `pan123-mock`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it serves tests, and is read by its output"
)]

mod batch;
mod client;
mod flood;
mod machine;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (kind, arguments) = arguments.split_first().expect("a first argument");
    match kind.as_str() {
        "batch" => batch::run(arguments),
        "client" => client::run(arguments),
        "flood" => flood::run(),
        "machine" => machine::run(arguments),
        "mock" => {
            return pan123_mock::program::main_as("mock", arguments.iter().map(OsString::from));
        }
        _ => panic!("{kind} is none of these"),
    }
    ExitCode::SUCCESS
}
