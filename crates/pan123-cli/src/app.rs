//! What every command has.

use crate::args::Options;
use crate::output::Output;
use crate::words::Lang;

/// The settings that every command has.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) out: Output,
}

impl App {
    pub(crate) fn new(options: &Options) -> App {
        App {
            out: Output {
                is_json: options.json,
                is_quiet: options.quiet,
                lang: Lang::of_environment(),
            },
        }
    }
}
