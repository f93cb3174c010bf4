//! Shows the progress: a bar on a terminal, plain lines elsewhere.

use std::cell::Cell;
use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use pan123_async::Progress;
use pan123_examples::eprintln;

/// The steps of the bar per percent.
const STEPS: f64 = 10.0;

pub(crate) struct Bar {
    /// `None` if stderr is not a terminal.
    bar: Option<ProgressBar>,
    last_line: Cell<Option<Progress>>,
}

impl Bar {
    pub(crate) fn new() -> Bar {
        Bar {
            bar: stderr().is_terminal().then(|| {
                let style = ProgressStyle::with_template("{bar:40} {percent}% {msg} {elapsed}");
                ProgressBar::new(1000)
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            }),
            last_line: Cell::new(None),
        }
    }

    pub(crate) fn show(&self, progress: Progress) {
        if let Some(bar) = &self.bar {
            if let Some(percent) = progress.percent {
                bar.set_position(position(percent));
            }
            bar.set_message(progress.status.to_string());
        } else if self.last_line.replace(Some(progress)) != Some(progress) {
            eprintln!("{progress}");
        }
    }

    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the bar"
)]
fn position(percent: f64) -> u64 {
    (percent.clamp(0.0, 100.0) * STEPS) as u64
}
