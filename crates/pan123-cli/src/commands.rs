//! The commands.

use std::io;

use clap::CommandFactory;

use crate::app::App;
use crate::args::{Args, Command};
use crate::failure::{Exit, Failure};

/// Carries out a command.
pub(crate) fn run(_app: &App, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Mock { .. } => Ok(Exit::Success),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "pan123", &mut script);
            io::Write::write_all(&mut io::stdout(), &script)?;
            Ok(Exit::Success)
        }
        Command::Man => {
            clap_mangen::Man::new(Args::command()).render(&mut io::stdout())?;
            Ok(Exit::Success)
        }
    }
}
