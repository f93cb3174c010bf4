//! `pan123 batch`: lists of downloads, and their ledgers.

mod file;
mod intake;
mod retry;
mod server;
mod settle;
mod show;

use std::path::{Path, PathBuf};

use pan123_async::Client;

use crate::app::App;
use crate::display::Display;
use crate::failure::{Exit, Failure};
use crate::follow::{self, Ended, FollowArgs, Follower};
use crate::ledgers::{Choice, Named, ServerArgs};
use show::Totals;

/// The options of `batch`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The list, or `-` for standard input: one URL a line, `URL<TAB>name<TAB>folder`, an input file of aria2, or JSON lines
    #[arg(value_name = "FILE|-", required = true)]
    list: Option<PathBuf>,
    /// The ledger that keeps what was sent, by its name or as a path, or the URL of one on PostgreSQL, which several machines share:
    /// postgres://USER@HOST:PORT/DATABASE [default: PAN123_LEDGER, or one for each list]
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    /// The folder of the drive for downloads without one: a path, which is created if it is missing, or an id
    #[arg(long, value_name = "PATH|ID")]
    to: Option<String>,
    /// Leave out bad lines, instead of sending nothing
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// The options of commands that work on a whole ledger.
#[derive(Clone, Copy, Debug, clap::Args)]
struct RunArgs {
    /// Send again what failed, and follow again what was given up
    #[arg(long)]
    retry_failed: bool,
    #[command(flatten)]
    follow: FollowArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how far a ledger is: its totals, what runs, what failed and why, and what is unconfirmed
    Show {
        #[command(flatten)]
        ledger: LedgerArg,
    },
    /// Go on where a batch has stopped
    Resume {
        #[command(flatten)]
        ledger: LedgerArg,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Say what has become of an unconfirmed download
    Settle(settle::Args),
    /// Write a ledger as JSON lines, which hold the URLs in full
    Export {
        #[command(flatten)]
        ledger: LedgerArg,
        /// A new file, which only you can read; by default standard output
        #[arg(value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Read an export into a ledger; use the ledger that it is from no more
    Import {
        /// The ledger, by its name or as a path, or the URL of one on PostgreSQL
        #[arg(value_name = "LEDGER")]
        ledger: String,
        /// The export, or `-` for standard input
        #[arg(value_name = "FILE|-")]
        from: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Let a ledger on PostgreSQL be used on the server on which it is now, after a failover or a restored backup
    ConfirmServer {
        #[command(flatten)]
        ledger: LedgerArg,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct LedgerArg {
    /// The ledger, by the name that `pan123 batch` has printed, as a path, or the URL of one on PostgreSQL [default: PAN123_LEDGER, or
    /// downloads]
    #[arg(value_name = "LEDGER")]
    ledger: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl LedgerArg {
    fn choice(&self, app: &App) -> Result<Choice, Failure> {
        Choice::new(app, self.ledger.as_deref(), &self.server)
    }

    /// Returns the ledger with its client, and refuses one that does not exist.
    fn existing(&self, app: &App) -> Result<(Client, Named), Failure> {
        let choice = self.choice(app)?;
        let client = app.client_on(&choice)?;
        let named = choice.find_or_default(app, &client)?.existing(app)?;
        Ok((client, named))
    }
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    match args.command {
        None => send(app, args.list).await,
        Some(Command::Show { ledger }) => show::run(app, &ledger),
        Some(Command::Resume { ledger, run }) => resume(app, &ledger, run).await,
        Some(Command::Settle(args)) => settle::run(app, args).await,
        Some(Command::Export { ledger, to }) => file::export(app, &ledger, to.as_deref()),
        Some(Command::Import {
            ledger,
            from,
            server,
        }) => file::import(app, &ledger, &server, &from),
        Some(Command::ConfirmServer { ledger, yes }) => server::confirm(app, &ledger, yes).await,
    }
}

async fn send(app: &App, args: ListArgs) -> Result<Exit, Failure> {
    let choice = Choice::new(app, args.ledger.as_deref(), &args.server)?;
    let client = app.client_on(&choice)?;
    let list = args.list.as_deref().unwrap_or(Path::new("-"));
    let mut list = intake::List::open(app, list).await?;
    let settings = intake::Settings::new(app, args.to.as_deref(), args.skip_bad)?;
    let checked = list.check(app, &settings)?;
    let of_list = || Named::of_list(app, &client, list.place());
    let named = choice.find(app, &client, of_list)?;
    let ids = app
        .until_stopped(intake::folder_ids(&client, checked.folders))
        .await?;
    let mut ledger = named.open(&client)?;
    let added = list.add(app, &settings, &ids, &mut *ledger)?;
    let (total, name) = (checked.downloads, &named.name);
    let known = total.saturating_sub(added);
    app.out.note(&app.out.lang.pick(
        format!("{total} downloads, {added} of them new, {known} known; ledger {name}"),
        format!("共 {total} 项，新增 {added} 项，已有 {known} 项；台账 {name}"),
    ));
    follow_all(app, &client, &named, args.run).await
}

async fn resume(app: &App, ledger: &LedgerArg, args: RunArgs) -> Result<Exit, Failure> {
    let (client, named) = ledger.existing(app)?;
    follow_all(app, &client, &named, args).await
}

/// Sends and follows all that a ledger holds.
async fn follow_all(
    app: &App,
    client: &Client,
    named: &Named,
    args: RunArgs,
) -> Result<Exit, Failure> {
    let mut ledger = named.open(client)?;
    if args.retry_failed {
        let count = retry::retry_failed(&mut *ledger)?;
        app.out.note(&app.out.lang.pick(
            format!("{count} taken up again that had failed"),
            format!("重新处理 {count} 个失败项"),
        ));
    }
    let mut display = Display::following(app.out);
    let batch = follow::batch(client, named, args.follow)?;
    let follower = Follower::new(app, &mut display, &mut *ledger);
    let Ended { report, early } = follower.follow(batch).await?;
    let fault = report.fault.map(Failure::from);
    let totals = Totals::new(named, &report.counts);
    let exit = totals.exit(&mut *ledger)?;
    let failure = early.or(fault).map(|failure| failure.at_least(exit));
    let exit = failure.as_ref().map_or(exit, |failure| failure.exit);
    totals.print(app.out, Some(exit))?;
    failure.map_or(Ok(exit), Err)
}
