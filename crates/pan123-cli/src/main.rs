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
mod requests;
mod serve;
mod stop;
mod words;

use std::process::ExitCode;

use clap::FromArgMatches;

use app::App;
use args::{Args, Command};
use ledgers::url::holds_password;

fn main() -> ExitCode {
    let arguments = std::env::args_os();
    if arguments
        .into_iter()
        .any(|argument| holds_password(&argument.to_string_lossy()))
    {
        return output::password_on_command_line().into();
    }
    let parsed = help::command().try_get_matches();
    let args = match parsed.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => return output::command_line_error(&error).into(),
    };
    if let Command::Mock { arguments } = args.command {
        return pan123_mock::program::main_as("pan123 mock", arguments.into_iter());
    }
    let app = App::new(&args.options);
    let counted = matches!(args.command, Command::Serve(_)).then(|| app.requests.clone());
    if args.options.verbose || counted.is_some() {
        log::start(args.options.verbose, counted);
    }
    let exit = match commands::run(&app, args.command) {
        Ok(exit) => exit,
        Err(failure) => app.out.failure(&failure),
    };
    exit.into()
}
