//! `pan123 batch show`, and the totals of a ledger.

use pan123_async::proto::ledger::{Counts, Item, ItemState, ListItems, OpenLedger};
use serde_json::json;

use super::{LedgerArg, Named};
use crate::app::App;
use crate::display::ItemLine;
use crate::failure::{Exit, Failure};
use crate::ledgers::for_each;
use crate::output::Output;

/// The items of a ledger by state.
#[derive(Debug)]
pub(super) struct Totals<'a> {
    named: &'a Named,
    counts: &'a Counts,
}

impl<'a> Totals<'a> {
    pub(super) fn new(named: &'a Named, counts: &'a Counts) -> Totals<'a> {
        Totals { named, counts }
    }

    fn waiting(&self) -> u64 {
        let states = [
            ItemState::Queued,
            ItemState::Paused,
            ItemState::Claimed,
            ItemState::Intended,
        ];
        states.iter().map(|&state| self.counts.of(state)).sum()
    }

    /// Returns how a command ends that has nothing more to do.
    pub(super) fn exit(&self, ledger: &mut dyn OpenLedger) -> Result<Exit, Failure> {
        if self.counts.of(ItemState::Unconfirmed) > 0 {
            return Ok(Exit::Unconfirmed);
        }
        let mut exit = Exit::Success;
        if self.waiting() > 0 {
            exit = Exit::Failed;
        }
        for_each(
            ledger,
            ListItems::first(500).state(ItemState::Failed),
            |item| {
                exit = exit.max(exit_of_failed(item));
                Ok(())
            },
        )?;
        Ok(exit)
    }

    /// Prints the totals, and says how to go on. `exit` is how the command ends, if it was to do something about them.
    pub(super) fn print(&self, out: Output, exit: Option<Exit>) -> Result<(), Failure> {
        let of = |state| self.counts.of(state);
        let (succeeded, failed) = (of(ItemState::Succeeded), of(ItemState::Failed));
        let (unconfirmed, running) = (of(ItemState::Unconfirmed), of(ItemState::Running));
        let (waiting, dropped) = (self.waiting(), of(ItemState::Dropped));
        let mut object = json!({
            "type": "report",
            "name": self.named.name,
            "ledger": self.named.ledger.place(),
            "succeeded": succeeded,
            "failed": failed,
            "unconfirmed": unconfirmed,
            "running": running,
            "waiting": waiting,
            "dropped": dropped,
        });
        if let Some(exit) = exit {
            object["exit"] = exit.code().into();
        }
        let mut text = out.lang.pick(
            format!("{succeeded} succeeded, {failed} failed, {unconfirmed} unconfirmed, {running} running, {waiting} waiting"),
            format!("成功 {succeeded}，失败 {failed}，未确认 {unconfirmed}，下载中 {running}，等待 {waiting}"),
        );
        if dropped > 0 {
            text += &out.lang.pick(
                format!(", {dropped} given up"),
                format!("，已放弃 {dropped}"),
            );
        }
        out.result(&text, &object)?;
        self.hint(out, exit);
        Ok(())
    }

    /// Says how to go on.
    fn hint(&self, out: Output, exit: Option<Exit>) {
        let (name, lang) = (&self.named.name, out.lang);
        let of = |state| self.counts.of(state);
        if of(ItemState::Running) + self.waiting() > 0 {
            out.note(&lang.pick(
                format!("to go on: pan123 batch resume {name}"),
                format!("继续：pan123 batch resume {name}"),
            ));
        }
        if of(ItemState::Failed) > 0 {
            out.note(&lang.pick(
                format!("to send again what failed: pan123 batch resume {name} --retry-failed"),
                format!("重新发送失败的项：pan123 batch resume {name} --retry-failed"),
            ));
        }
        if exit.is_some() && of(ItemState::Failed) + of(ItemState::Unconfirmed) > 0 {
            out.note(&lang.pick(
                format!("what failed or is unconfirmed, and what to do: pan123 batch show {name}"),
                format!("查看失败和未确认的项及处理方法：pan123 batch show {name}"),
            ));
        }
    }
}

/// What an item that failed means for the exit code.
fn exit_of_failed(item: &Item) -> Exit {
    if item.is_given_up() {
        Exit::TimedOut
    } else {
        Exit::Failed
    }
}

pub(super) fn run(app: &App, ledger: &LedgerArg) -> Result<Exit, Failure> {
    let (client, named) = ledger.existing(app)?;
    let mut ledger = named.open(&client)?;
    let (out, lang) = (app.out, app.out.lang);
    for state in [
        ItemState::Running,
        ItemState::Paused,
        ItemState::Failed,
        ItemState::Unconfirmed,
    ] {
        for_each(&mut *ledger, ListItems::first(500).state(state), |item| {
            let line = ItemLine::of_item(item);
            Ok(out.result(&line.text(lang), &line)?)
        })?;
    }
    let counts = ledger.counts(std::time::SystemTime::now())?;
    Totals::new(&named, &counts).print(out, None)?;
    if counts.of(ItemState::Unconfirmed) > 0 {
        out.note(&ways(app, &named.name));
    }
    Ok(Exit::Success)
}

/// How to settle what is unconfirmed.
fn ways(app: &App, name: &str) -> String {
    app.out.lang.pick(
        format!(
            "An unconfirmed download may exist, and is never sent again by itself. Look into the drive, then say what has become of it by\n\
             the digits in brackets:\n  \
             pan123 batch settle {name} DIGITS --was TASK     it is this task, which is followed from now on\n  \
             pan123 batch settle {name} DIGITS --found FILE   it has become this file, by path or id\n  \
             pan123 batch settle {name} DIGITS --send-again   it does not exist: send it again\n  \
             pan123 batch settle {name} DIGITS --drop         give it up"
        ),
        format!(
            "未确认的下载可能已创建，不会自动重新发送。请先查看云盘，再用方括号中的编号说明结果：\n  \
             pan123 batch settle {name} 编号 --was 任务     它就是这个任务，之后继续跟踪\n  \
             pan123 batch settle {name} 编号 --found 文件   它已成为这个文件（路径或 ID）\n  \
             pan123 batch settle {name} 编号 --send-again   它不存在：重新发送\n  \
             pan123 batch settle {name} 编号 --drop         放弃"
        ),
    )
}
