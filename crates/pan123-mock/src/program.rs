//! The program `pan123-mock`: the service on a port, for clients in any language. `pan123-mock --help` says how it is started, and
//! `GET /__admin/` of a running one how it is led.

mod admin;
mod command_line;
mod connection;
mod log;
mod serve;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use command_line::CommandLine;
use log::Log;

/// Runs the program to its end.
pub fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &CommandLine) -> Result<(), String> {
    let builder = args.builder()?;
    let listener = args.listener()?;
    let log = Log::new(args.log_format()).map_err(|error| format!("no thread: {error}"))?;
    // One core is enough: a mock that is asked 20,000 times a second has other worries.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    let served = runtime.block_on(serve::serve(listener, builder, log));
    served.map_err(|error| error.to_string())
}
