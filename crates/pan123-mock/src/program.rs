//! The program `pan123-mock`: the service on a port, for clients in any language. `pan123-mock --help` lists its options, and `GET
//! /__admin/` the admin routes.

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

/// Runs the program.
pub fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to report a failure to.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &CommandLine) -> Result<(), String> {
    let settings = args.settings()?;
    let listener = args.listener()?;
    let log =
        Log::new(args.log_format()).map_err(|error| format!("cannot start a thread: {error}"))?;
    // One thread is enough for 20,000 requests per second.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let result = runtime.block_on(serve::serve(listener, settings, log));
    result.map_err(|error| error.to_string())
}
