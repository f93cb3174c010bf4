//! `pan123 batch settle`.

use std::time::SystemTime;

use pan123_async::proto::ledger::{
    ChangeError, ItemKey, ItemState, ListItems, OpenLedger, Refusal, Verdict,
};
use pan123_async::{FileId, TaskId};
use serde_json::json;

use crate::app::App;
use crate::display::word;
use crate::drive::{Drive, Found};
use crate::failure::{Exit, Failure};
use crate::keys::{name_in, short_key};
use crate::ledgers::{Choice, ServerArgs, for_each};
use crate::place::Place;
use crate::words::{Lang, shown};

/// The options of `batch settle`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The ledger, by the name that `pan123 batch` has printed, as a path, or the URL of one on PostgreSQL
    #[arg(value_name = "LEDGER")]
    ledger: String,
    /// The key of the download, or its digits in brackets
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    verdict: VerdictArgs,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct VerdictArgs {
    /// It was created as this task, which is followed from now on
    #[arg(long, value_name = "TASK")]
    was: Option<TaskId>,
    /// It has become this file, by its path or its id
    #[arg(long, value_name = "PATH|ID")]
    found: Option<Place>,
    /// It was not created: send it again
    #[arg(long)]
    send_again: bool,
    /// Give it up
    #[arg(long)]
    drop: bool,
}

pub(super) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let lang = app.out.lang;
    let choice = Choice::new(app, Some(&args.ledger), &args.server)?;
    let client = app.client_on(&choice)?;
    let named = choice.find_or_default(app, &client)?.existing(app)?;
    let mut ledger = named.open(&client)?;
    let verdict = verdict(app, &args.verdict).await?;
    let key = find(&mut *ledger, &args.key, lang)?;
    match ledger.settle(SystemTime::now(), key.clone(), verdict) {
        Ok(()) => {}
        Err(ChangeError::Refused(refusal)) => return Err(refused(refusal, lang)),
        Err(error) => return Err(Failure::new(Exit::Failed, error.to_string())),
    }
    let name = name_in(key.as_str());
    let object = json!({"type": "settled", "key": key.as_str(), "name": name});
    let text = lang.pick(
        format!("settled {}", shown(name)),
        format!("已处理 {}", shown(name)),
    );
    app.out.result(&text, &object)?;
    if matches!(verdict, Verdict::Was(_) | Verdict::SendAgain) {
        let name = &named.name;
        app.out.note(&lang.pick(
            format!("to go on: pan123 batch resume {name}"),
            format!("继续：pan123 batch resume {name}"),
        ));
    }
    Ok(Exit::Success)
}

async fn verdict(app: &App, args: &VerdictArgs) -> Result<Verdict, Failure> {
    if let Some(task) = args.was {
        return Ok(Verdict::Was(task));
    }
    if let Some(file) = &args.found {
        let file = app.until_stopped(file_id(app, file)).await?;
        return Ok(Verdict::Found(file));
    }
    Ok(if args.send_again {
        Verdict::SendAgain
    } else {
        Verdict::Drop
    })
}

/// Returns the id of the file at a place.
async fn file_id(app: &App, place: &Place) -> Result<FileId, Failure> {
    let file = match Drive::of(app)?.get(place).await? {
        Found::Entry(entry) => entry.file(),
        Found::Root => None,
    };
    file.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            app.out.lang.pick(
                format!("{place} is not a file"),
                format!("{place} 不是文件"),
            ),
        )
    })
}

/// Finds the key that is given in full, or by its digits.
fn find(ledger: &mut dyn OpenLedger, given: &str, lang: Lang) -> Result<ItemKey, Failure> {
    let all = ListItems::first(500).with_hidden();
    let mut found = None;
    // One that was settled already may be settled so again.
    for list in [all.state(ItemState::Unconfirmed), all] {
        for_each(ledger, list, |item| {
            if item.key.as_str() == given || short_key(item.key.as_str()) == given {
                found = Some(item.key.clone());
            }
            Ok(())
        })?;
        if found.is_some() {
            break;
        }
    }
    found.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            lang.pick(
                "no download has this key: `pan123 batch show` lists what is unconfirmed",
                "没有编号为此的项：`pan123 batch show` 会列出未确认的项",
            ),
        )
    })
}

fn refused(refusal: Refusal, lang: Lang) -> Failure {
    let text = match refusal {
        Refusal::TooEarly(millis) => {
            let seconds = millis.div_ceil(1000);
            lang.pick(
                format!("its request may still be on its way: try again in {seconds} s"),
                format!("它的请求可能仍在途中：请在 {seconds} 秒后重试"),
            )
        }
        Refusal::State(state) => lang.pick(
            format!("it is {state} and not unconfirmed, so there is nothing to settle"),
            format!("它不是未确认状态（{}），无需处理", word(state.name(), lang)),
        ),
        other => other.to_string(),
    };
    Failure::new(Exit::Failed, text)
}
