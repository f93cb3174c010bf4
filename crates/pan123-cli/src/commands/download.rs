//! `pan123 download`.

use pan123_async::Download;

use crate::app::App;
use crate::display::Display;
use crate::failure::{Exit, Failure};
use crate::folder_ids::FolderIds;
use crate::follow::{self, FollowArgs, Follower};
use crate::ledgers::{Choice, ServerArgs};
use crate::lists::{Folder, Reason, read_url};
use crate::orders::Orders;
use crate::words::Lang;

/// The options of `download`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The URLs to download: `http://`, `https://`, or a `thunder://` link that holds one
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// The name of the file in the drive; for one URL only
    #[arg(long)]
    name: Option<String>,
    /// The folder of the drive: a path, which is created if it is missing, or an id
    #[arg(long, value_name = "PATH|ID")]
    to: Option<String>,
    /// A URL that the service posts to when a download has ended
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// Wait until the downloads have ended
    #[arg(long, short)]
    wait: bool,
    /// Order once more what was ordered before and has ended
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let (downloads, folder) = read(app.out.lang, &args)?;
    let choice = Choice::new(app, None, &args.server)?;
    let client = app.client_on(&choice)?;
    let named = choice.find_or_default(app, &client)?;
    let mut ledger = named.open(&client)?;
    let dir = match &folder {
        Some(folder) => {
            let mut ids = FolderIds::new(&client);
            Some(app.until_stopped(ids.find(folder)).await?)
        }
        None => None,
    };
    let mut orders = Orders::new(args.wait);
    for download in downloads {
        let download = dir.into_iter().fold(download, Download::save_to);
        orders.place(&mut *ledger, download, folder.as_ref(), args.again)?;
    }
    let mut display = if args.wait {
        Display::following(app.out)
    } else {
        Display::creating(app.out)
    };
    orders.look(&mut *ledger, &mut display)?;
    let early = if orders.are_settled() {
        None
    } else {
        let batch = follow::batch(&client, &named, args.follow)?;
        let follower = Follower::new(app, &mut display, &mut *ledger).orders(&mut orders);
        let ended = follower.follow(batch).await?;
        let fault = ended.report.fault.map(Failure::from);
        ended.early.or(fault)
    };
    hint(app, &orders, early.is_some());
    match early {
        Some(failure) => Err(failure.at_least(orders.exit())),
        None => Ok(orders.exit()),
    }
}

/// Reads what is to be downloaded, before anything else is done.
fn read(lang: Lang, args: &Args) -> Result<(Vec<Download>, Option<Folder>), Failure> {
    let bad =
        |what: &str, reason: &Reason| Failure::usage(format!("{what}: {}", reason.text(lang)));
    if args.name.is_some() && args.urls.len() > 1 {
        return Err(Failure::usage(lang.pick(
            "--name is for one URL: give several of them as a list with names to `pan123 batch`",
            "--name 只能用于一个链接：多个链接请写成带文件名的列表，交给 `pan123 batch`",
        )));
    }
    let folder = args.to.as_deref().map(str::parse).transpose();
    let folder = folder.map_err(|reason| bad("--to", &reason))?;
    let mut downloads = Vec::new();
    for (at, url) in args.urls.iter().enumerate() {
        let which = lang.pick(format!("URL {}", at + 1), format!("第 {} 个链接", at + 1));
        let mut download = read_url(url).map_err(|reason| bad(&which, &reason))?;
        if let Some(name) = &args.name {
            let named = download.file_name(name);
            download = named.map_err(|error| bad("--name", &error.into()))?;
        }
        if let Some(url) = &args.callback_url {
            let called = download.callback(url);
            download = called.map_err(|error| bad("--callback-url", &error.into()))?;
        }
        downloads.push(download);
    }
    Ok((downloads, folder))
}

/// Says how to go on.
fn hint(app: &App, orders: &Orders, is_early: bool) {
    let (out, lang) = (app.out, app.out.lang);
    if orders.ended_before() > 0 {
        out.note(lang.pick(
            "ordered before; `--again` orders it once more",
            "此前已提交过；加 `--again` 可再次提交",
        ));
    }
    if orders.exit() == Exit::Unconfirmed {
        out.note(lang.pick(
            "`pan123 batch show` tells how to settle what is unconfirmed",
            "`pan123 batch show` 会说明如何处理未确认的项",
        ));
    }
    if is_early && orders.left() > 0 {
        let left = orders.left();
        out.note(&lang.pick(
            format!("{left} left: nothing is lost; the same command goes on, and so does `pan123 batch resume`"),
            format!("还剩 {left} 项：不会丢失；再次运行同一命令或 `pan123 batch resume` 即可继续"),
        ));
    }
}
