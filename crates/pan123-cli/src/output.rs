//! Where results, notes and failures go.

use std::env;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::args::Options;
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
    pub(crate) fn new(options: &Options) -> Output {
        Output {
            is_json: options.json,
            is_quiet: options.quiet,
            lang: Lang::of_environment(),
        }
    }

    /// The one of a command line that is not read yet.
    fn before_options() -> Output {
        let is_json = env::args_os()
            .take_while(|argument| argument != "--")
            .any(|argument| argument == "--json");
        Output {
            is_json,
            is_quiet: false,
            lang: Lang::of_environment(),
        }
    }

    /// Returns whether to color what goes there: to a terminal, unless `NO_COLOR` is set.
    pub(crate) fn has_color(self, stream: &impl IsTerminal) -> bool {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb && !self.is_json
    }

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

    /// Prints a line between results, for people only.
    pub(crate) fn heading(self, text: &str) -> io::Result<()> {
        if self.is_json {
            return Ok(());
        }
        writeln!(io::stdout(), "{text}")
    }

    /// Tells people something on the way; not with `--quiet`, nor with `--json`.
    pub(crate) fn note(self, text: &str) {
        if !self.is_quiet && !self.is_json {
            // There is nowhere left to report a failure to.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Takes what there is, and reports why the others are missing. Returns the exit of the worst.
    pub(crate) fn successes<T>(self, results: Vec<Result<T, Failure>>) -> (Vec<T>, Exit) {
        let mut exit = Exit::Success;
        let mut successes = Vec::with_capacity(results.len());
        for result in results {
            match result {
                Ok(success) => successes.push(success),
                Err(failure) => exit = exit.max(self.failure(&failure)),
            }
        }
        (successes, exit)
    }

    /// Tells why the command, or one thing that it does, ends early.
    pub(crate) fn failure(self, failure: &Failure) -> Exit {
        let Failure { exit, message } = failure;
        if message.is_empty() {
            return *exit;
        }
        if self.is_json {
            let object = json!({ "type": "error", "exit": exit.code(), "message": message });
            let _ = self.result("", &object);
        } else {
            let error = self.lang.pick("error", "错误");
            let (bold, plain) = if self.has_color(&io::stderr()) {
                ("\x1b[1;31m", "\x1b[0m")
            } else {
                ("", "")
            };
            let _ = writeln!(io::stderr(), "{bold}{error}:{plain} {message}");
        }
        *exit
    }
}

/// Refuses a password that everybody on this machine can read.
pub(crate) fn password_on_command_line() -> Exit {
    let out = Output::before_options();
    out.failure(&Failure::usage(out.lang.pick(
        "a password is on the command line, where other users of this machine see it, and where the shell keeps it: change it, and leave it out of the URL. \
         It is read from PGPASSWORD, from PGPASSFILE or ~/.pgpass, or from a file that only you can read: --ledger-password-file FILE",
        "命令行中包含密码，本机其他用户可以看到，shell 历史中也会留下：请更换该密码，并从 URL 中去掉。\
         密码可以来自 PGPASSWORD、PGPASSFILE 或 ~/.pgpass，或只有你能读取的文件：--ledger-password-file 文件",
    )))
}

/// Says what is wrong with the command line, or prints the help that it asks for.
pub(crate) fn command_line_error(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // There is nowhere left to report a failure to.
        let _ = error.print();
        return Exit::Success;
    }
    let out = Output::before_options();
    if !out.is_json {
        let _ = error.print();
        return Exit::Usage;
    }
    let text = error.render().to_string();
    let message = text.trim().trim_start_matches("error: ");
    out.failure(&Failure::usage(message))
}
