//! Where results, notes and failures go.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::words::Lang;

/// Results go to standard output, as text or as one JSON object a line; notes and failures go to standard error, but as JSON all go to
/// standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
    pub(crate) is_quiet: bool,
    pub(crate) lang: Lang,
}

impl Output {
    /// Prints a result: `text` for people, or `object` with `--json`.
    ///
    /// # Errors
    ///
    /// If nobody reads the output any more, or it cannot be written.
    pub(crate) fn result(self, text: &str, object: &impl Serialize) -> io::Result<()> {
        let line = if self.is_json {
            serde_json::to_string(object)?
        } else {
            text.to_owned()
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Tells people something on the way; not with `--quiet`, nor with `--json`.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet && !self.is_json {
            // There is nowhere left to report a failure to.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Tells why the command ends early.
    pub(crate) fn failure(self, failure: &Failure) -> Exit {
        let Failure { exit, message } = failure;
        if self.is_json {
            let object = json!({ "type": "error", "exit": exit.code(), "message": message });
            let _ = self.result("", &object);
        } else {
            let error = self.lang.pick("error", "错误");
            let _ = writeln!(io::stderr(), "{error}: {message}");
        }
        *exit
    }
}
