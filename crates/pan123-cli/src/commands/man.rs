//! `pan123 man`.

use std::io;
use std::path::PathBuf;

use crate::failure::{Exit, Failure};
use crate::folders;
use crate::help;
use clap::ValueHint;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write a page for each command into this folder, which must exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let command = help::command();
    match &args.dir {
        Some(folder) => clap_mangen::generate_to(command, folder)
            .map_err(|error| folders::failed("written", folder, &error))?,
        None => clap_mangen::Man::new(command).render(&mut io::stdout())?,
    }
    Ok(Exit::Success)
}
