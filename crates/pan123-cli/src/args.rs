//! The command line.

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::files::{cp, info, link, ls, mkdir, mv, rm, trash};
use crate::commands::{batch, download, login, man, tasks};
use crate::serve;

/// Offline downloads of the 123云盘 (123pan) Open Platform: the cloud fetches a URL into your drive.
#[derive(Debug, Parser)]
#[command(name = "pan123", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// Print one JSON object a line, errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Show each request on standard error, without secrets
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// The base URL of the service, for a mock of it; also PAN123_BASE_URL
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) base_url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store the credentials of an account, once the service has accepted them
    Login(login::Args),
    /// Remove the stored credentials and the token
    Logout,
    /// Show whose account is used, its space, and where the command keeps its files
    Whoami,
    /// Let the cloud download URLs into the drive
    Download(download::Args),
    /// Show where tasks stand
    Status(tasks::StatusArgs),
    /// Wait until tasks have ended
    Wait(tasks::WaitArgs),
    /// Let the cloud download all URLs of a list, each once; or look after the ledger of one
    Batch(batch::Args),
    /// List folders
    Ls(ls::Args),
    /// Show all that is known of files and folders
    Info(info::Args),
    /// Create folders
    Mkdir(mkdir::Args),
    /// Move or rename files and folders
    Mv(mv::Args),
    /// Copy files and folders within the drive
    Cp(cp::Args),
    /// Move files and folders to the trash
    Rm(rm::Args),
    /// List, restore, or permanently delete what is in the trash
    Trash {
        #[command(subcommand)]
        command: trash::Command,
    },
    /// Print URLs from which files can be fetched for a while, without credentials
    Link(link::Args),
    /// Serve aria2's RPC: browser extensions, web pages and scripts for aria2 send their downloads to the drive
    Serve(serve::Args),
    /// Show all of this at work in about ten seconds, without an account
    Demo,
    /// Run a mock of the service on a port, for programs in any language
    #[command(disable_help_flag = true)]
    Mock {
        /// Options of the mock: `pan123 mock --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    Man(man::Args),
}
