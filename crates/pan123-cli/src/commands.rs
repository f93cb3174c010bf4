//! The commands.

pub(crate) mod batch;
mod demo;
pub(crate) mod download;
pub(crate) mod files;
pub(crate) mod login;
mod logout;
pub(crate) mod man;
pub(crate) mod tasks;
mod whoami;

use std::io;

use tokio::runtime::Runtime;

use crate::app::App;
use crate::args::Command;
use crate::failure::{Exit, Failure};
use crate::help;
use crate::serve;
use files::{cp, info, link, ls, mkdir, mv, rm, trash};

/// Carries out a command.
pub(crate) fn run(app: &App, command: Command) -> Result<Exit, Failure> {
    let runtime = Runtime::new()?;
    let result = runtime.block_on(async {
        app.stop.listen(app.out);
        carry_out(app, command).await
    });
    // A thread that still reads from the terminal must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn carry_out(app: &App, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Login(args) => app.until_stopped(login::run(app, args)).await,
        Command::Logout => logout::run(app),
        Command::Whoami => app.until_stopped(whoami::run(app)).await,
        Command::Download(args) => download::run(app, args).await,
        Command::Status(args) => tasks::status(app, args).await,
        Command::Wait(args) => tasks::wait(app, args).await,
        Command::Batch(args) => batch::run(app, args).await,
        Command::Ls(args) => app.until_stopped(ls::run(app, args)).await,
        Command::Info(args) => app.until_stopped(info::run(app, args)).await,
        Command::Link(args) => app.until_stopped(link::run(app, args)).await,
        Command::Mkdir(args) => mkdir::run(app, args).await,
        Command::Mv(args) => mv::run(app, args).await,
        Command::Cp(args) => cp::run(app, args).await,
        Command::Rm(args) => rm::run(app, args).await,
        Command::Trash { command } => trash::run(app, command).await,
        Command::Serve(args) => serve::run(app, args).await,
        Command::Demo => demo::run(app).await,
        Command::Mock { .. } => Ok(Exit::Success),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut help::command(), "pan123", &mut script);
            io::Write::write_all(&mut io::stdout(), &script)?;
            Ok(Exit::Success)
        }
        Command::Man(args) => man::run(&args),
    }
}
