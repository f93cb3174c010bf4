//! `pan123`: offline downloads of the 123云盘 (123pan) Open Platform from the command line.

mod account;
mod app;
mod args;
mod commands;
mod display;
mod drive;
mod failure;
mod folder_ids;
mod folders;
mod follow;
mod help;
mod keys;
mod ledgers;
mod lists;
mod log;
mod orders;
mod output;
mod place;
mod serve;
mod stop;
mod words;

use std::process::ExitCode;

use clap::FromArgMatches;

use app::App;
use args::{Args, Command};

fn main() -> ExitCode {
    let parsed = help::command().try_get_matches();
    let args = match parsed.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return output::command_line_error(&error).into(),
    };
    if let Command::Mock { arguments } = args.command {
        return pan123_mock::program::main_as("pan123 mock", arguments.into_iter());
    }
    if args.options.verbose {
        log::show_requests();
    }
    let app = App::new(&args.options);
    let exit = match commands::run(&app, args.command) {
        Ok(exit) => exit,
        Err(failure) => app.out.failure(&failure),
    };
    exit.into()
}
