//! What people and programs see of downloads on their way.

mod bars;
mod change;
mod lines;
mod width;

use std::io::{self, IsTerminal, Write, stderr, stdout};

use pan123_async::proto::batch::BatchEvent;
use pan123_async::proto::ledger::{Counts, Item, ItemState};
use serde::Serialize;
use serde_json::json;

use crate::failure::text_of_fault;
use crate::output::Output;
use crate::words::Lang;
use bars::Bars;
pub(crate) use change::{ItemLine, word};
use lines::Lines;

/// Shows downloads: bars on a terminal, plain lines elsewhere, JSON for programs.
#[derive(Debug)]
pub(crate) struct Display {
    pub(crate) out: Output,
    view: View,
}

#[derive(Debug)]
enum View {
    Bars(Bars),
    Lines(Lines),
    /// Nothing but results: as JSON, or quiet.
    Results,
}

impl Display {
    /// For downloads that are followed to their ends.
    pub(crate) fn following(out: Output) -> Display {
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let view = if out.is_json || out.is_quiet {
            View::Results
        } else if stderr().is_terminal() && !is_dumb {
            View::Bars(Bars::new(out.lang))
        } else {
            View::Lines(Lines::default())
        };
        Display { out, view }
    }

    /// For downloads that are only created.
    pub(crate) fn creating(out: Output) -> Display {
        let view = if out.is_json || out.is_quiet {
            View::Results
        } else {
            View::Lines(Lines::default())
        };
        Display { out, view }
    }

    /// Shows an event of a batch.
    ///
    /// # Errors
    ///
    /// If nobody reads the output any more, or it cannot be written.
    pub(crate) fn event(&mut self, event: &BatchEvent) -> io::Result<()> {
        match event {
            BatchEvent::Item { key, change, .. } => self.item(&ItemLine::of_change(key, change)),
            other => self.general(other),
        }
    }

    /// Shows what happened to an item.
    ///
    /// # Errors
    ///
    /// As for [`event`](Display::event).
    pub(crate) fn item(&mut self, line: &ItemLine<'_>) -> io::Result<()> {
        let is_news = self.view.takes(line);
        if self.out.is_json {
            return self.out.result("", line);
        }
        if !is_news {
            return Ok(());
        }
        let text = line.text(self.out.lang);
        if line.is_result() {
            self.result(&text, line)
        } else {
            self.note(&text);
            Ok(())
        }
    }

    /// Shows the state of an item as the ledger has it.
    ///
    /// # Errors
    ///
    /// As for [`event`](Display::event).
    pub(crate) fn state(&mut self, item: &Item) -> io::Result<()> {
        self.item(&match item.state {
            ItemState::Running => ItemLine::of_created(item),
            _ => ItemLine::of_item(item),
        })
    }

    /// Shows the totals of a batch.
    pub(crate) fn totals(&mut self, counts: &Counts) {
        if let View::Bars(bars) = &mut self.view {
            bars.totals(counts);
        }
    }

    /// Prints a result, which the bars stay below.
    ///
    /// # Errors
    ///
    /// As for [`event`](Display::event).
    pub(crate) fn result(&mut self, text: &str, object: &impl Serialize) -> io::Result<()> {
        let out = self.out;
        match &self.view {
            View::Bars(bars) => bars.suspend(|| out.result(text, object)),
            _ => out.result(text, object),
        }
    }

    /// Tells people something on the way.
    pub(crate) fn note(&self, text: &str) {
        match &self.view {
            View::Bars(bars) => bars.suspend(|| {
                // There is nowhere left to report a failure to.
                let _ = writeln!(stderr(), "{text}");
            }),
            _ => self.out.note(text),
        }
    }

    /// Removes the bars.
    pub(crate) fn end(&mut self) {
        if let View::Bars(bars) = std::mem::replace(&mut self.view, View::Results) {
            bars.end();
        }
    }

    /// Shows what concerns no item of its own.
    fn general(&mut self, event: &BatchEvent) -> io::Result<()> {
        let Some((object, text)) = general(event, self.out.lang) else {
            return Ok(());
        };
        if self.out.is_json {
            return self.out.result("", &object);
        }
        self.note(&text);
        Ok(())
    }
}

impl View {
    /// Shows what happened to an item. Returns whether it is worth a line, too.
    fn takes(&mut self, line: &ItemLine<'_>) -> bool {
        match self {
            View::Bars(bars) => {
                bars.item(line);
                // A file or a pipe gets all results, whatever the bars show.
                let is_piped = line.is_result() && !stdout().is_terminal();
                is_piped || !line.is_on_the_way()
            }
            View::Lines(lines) => lines.is_worth_a_line(line),
            View::Results => line.is_result(),
        }
    }
}

fn general(event: &BatchEvent, lang: Lang) -> Option<(serde_json::Value, String)> {
    Some(match event {
        BatchEvent::Paused { error, pause, .. } => {
            let (message, seconds) = (error.to_string(), pause.as_secs());
            let text = lang.pick(
                format!("nothing is sent for {seconds} s: {message}"),
                format!("{seconds} 秒内暂停发送：{message}"),
            );
            let object = json!({"type": "paused", "message": message, "seconds": seconds});
            (object, text)
        }
        BatchEvent::WindowFull { running, .. } => {
            let text = lang.pick(
                format!(
                    "the account runs as many downloads as it may ({running} of these); the rest waits"
                ),
                format!("同时下载的任务已达上限（其中本批 {running} 个），其余排队等待"),
            );
            (json!({"type": "window_full", "running": running}), text)
        }
        BatchEvent::LedgerFailed(fault) => {
            let message = text_of_fault(fault);
            let text = lang.pick(
                format!("nothing more is sent until the ledger works again: {message}"),
                format!("台账恢复之前不再发送：{message}"),
            );
            (json!({"type": "ledger_failed", "message": message}), text)
        }
        BatchEvent::LedgerRecovered => {
            let text = lang.pick("the ledger works again", "台账已恢复").to_owned();
            (json!({"type": "ledger_recovered"}), text)
        }
        _ => return None,
    })
}
