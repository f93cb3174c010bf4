//! Bars on a terminal: one for each of a few downloads, and one for all.

use std::collections::HashMap;
use std::fmt;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pan123_async::proto::ledger::{Counts, ItemState};

use super::ItemLine;
use super::width::fit;
use crate::words::Lang;

/// So many downloads have a bar of their own at most.
const MAX_BARS: usize = 8;
/// The steps of a bar.
const STEPS: u64 = 1000;
/// The columns of a name.
const MIN_NAME: usize = 8;
const MAX_NAME: usize = 40;
/// The columns beside a name: the bar, the percentage and the status.
const BESIDE: usize = 46;

pub(super) struct Bars {
    lang: Lang,
    multi: MultiProgress,
    /// The bars of downloads by their keys, each with the name before it.
    shown: HashMap<String, (ProgressBar, String)>,
    /// The bar of all, once their number is known.
    total: Option<ProgressBar>,
    max_shown: usize,
    name_columns: usize,
}

impl Bars {
    pub(super) fn new(lang: Lang) -> Bars {
        let (rows, columns) = size();
        Bars {
            lang,
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            shown: HashMap::new(),
            total: None,
            // The total and the line of the cursor stay in sight.
            max_shown: usize::from(rows).saturating_sub(3).clamp(1, MAX_BARS),
            name_columns: name_columns(columns),
        }
    }

    pub(super) fn item(&mut self, line: &ItemLine<'_>) {
        if line.is_end() {
            if let Some((bar, _)) = self.shown.remove(&*line.id()) {
                self.multi.remove(&bar);
            }
            return;
        }
        let lang = self.lang;
        let Some(bar) = self.bar(line) else {
            return;
        };
        if let Some(percent) = line.percent {
            bar.set_position(steps(percent));
        }
        if let Some(status) = line.progress_text(lang) {
            bar.set_message(status);
        }
        bar.tick();
    }

    /// Returns the bar of a download, if there is room for one.
    fn bar(&mut self, line: &ItemLine<'_>) -> Option<&ProgressBar> {
        let id = line.id();
        if !self.shown.contains_key(&*id) {
            if self.shown.len() >= self.max_shown {
                return None;
            }
            let bar = ProgressBar::new(STEPS).with_style(style("{prefix} [{bar:18}] {wide_msg}"));
            let bar = self.multi.insert(0, bar);
            let name = line.shown_name();
            bar.set_prefix(fit(&name, self.name_columns));
            self.shown.insert(id.to_string(), (bar, name));
        }
        self.shown.get(&*id).map(|(bar, _)| bar)
    }

    /// Fits the names to a terminal that has another width now.
    fn adapt(&mut self) {
        let name_columns = name_columns(size().1);
        if std::mem::replace(&mut self.name_columns, name_columns) == name_columns {
            return;
        }
        for (bar, name) in self.shown.values() {
            bar.set_prefix(fit(name, name_columns));
        }
        if let Some(total) = &self.total {
            total.set_prefix(fit(total_name(self.lang), name_columns));
        }
    }

    pub(super) fn totals(&mut self, counts: &Counts) {
        self.adapt();
        let lang = self.lang;
        let total = self.total.get_or_insert_with(|| {
            let bar = ProgressBar::new(counts.total())
                .with_style(style("{prefix} [{bar:18}] {wide_msg}"));
            let bar = self.multi.add(bar);
            bar.set_prefix(fit(total_name(lang), self.name_columns));
            bar
        });
        let of = |state| counts.of(state);
        let ended = of(ItemState::Succeeded) + of(ItemState::Failed) + of(ItemState::Dropped);
        total.set_length(counts.total());
        total.set_position(ended);
        let mut parts = vec![format!("{ended}/{}", counts.total())];
        for (state, english, chinese) in [
            (ItemState::Running, "running", "下载中"),
            (ItemState::Failed, "failed", "失败"),
            (ItemState::Unconfirmed, "unconfirmed", "未确认"),
        ] {
            if of(state) > 0 {
                parts.push(format!("{} {}", of(state), lang.pick(english, chinese)));
            }
        }
        total.set_message(parts.join(", "));
    }

    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.multi.suspend(print)
    }

    pub(super) fn end(self) {
        let bars = self.shown.values().map(|(bar, _)| bar);
        for bar in bars.chain(&self.total) {
            bar.finish_and_clear();
        }
        // A terminal that is gone shows nothing anyway.
        let _ = self.multi.clear();
    }
}

/// Returns the rows and the columns of the terminal.
fn size() -> (u16, u16) {
    Term::stderr().size_checked().unwrap_or((24, 80))
}

fn name_columns(columns: u16) -> usize {
    let columns = usize::from(columns);
    columns.saturating_sub(BESIDE).clamp(MIN_NAME, MAX_NAME)
}

fn total_name(lang: Lang) -> &'static str {
    lang.pick("total", "总计")
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to the number of steps"
)]
fn steps(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) * 10.0) as u64
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars")
            .field("shown", &self.shown.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_bar_and_status_fit_on_a_line() {
        let beside = " [] ".len() + 18 + "100.0% retrying".len();
        for columns in 54..300 {
            let name = name_columns(columns);
            assert!((MIN_NAME..=MAX_NAME).contains(&name), "{name} of {columns}");
            assert!(name + beside <= usize::from(columns), "{name} of {columns}");
        }
        assert_eq!(
            (name_columns(0), name_columns(u16::MAX)),
            (MIN_NAME, MAX_NAME)
        );
    }
}
