//! The program `pan123-mock`: the service on a port, for clients in any language. `pan123-mock --help` lists its options, and `GET
//! /__admin/` the admin routes.

mod admin;
mod command_line;
mod connection;
mod log;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use command_line::CommandLine;
use log::Log;

/// Runs the program.
pub fn main() -> ExitCode {
    main_as("pan123-mock", std::env::args_os().skip(1))
}

/// Runs the program under this name, as a part of another one.
pub fn main_as(name: &'static str, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = CommandLine::command().bin_name(name);
    let matches = command.get_matches_from(iter::once(name.into()).chain(arguments));
    let args = match CommandLine::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match run(&args) {
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
