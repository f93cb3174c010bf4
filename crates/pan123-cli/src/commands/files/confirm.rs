//! Asks before something is done.

use std::io::{self, IsTerminal, Write};

use crate::app::App;
use crate::failure::{Exit, Failure};

/// The user's consent, to be asked for unless it was given by `--yes`.
#[derive(Debug)]
pub(crate) struct Consent {
    is_given: bool,
}

impl Consent {
    /// Without `--yes` there must be somebody to ask: nothing is sent otherwise.
    pub(crate) fn new(app: &App, yes: bool) -> Result<Consent, Failure> {
        if !yes && (app.out.is_json || !io::stdin().is_terminal()) {
            return Err(Failure::usage(app.out.lang.pick(
                "there is nobody to ask: add --yes, if you mean it",
                "无法询问确认：确定要执行时请加 --yes",
            )));
        }
        Ok(Consent { is_given: yes })
    }

    /// Asks, unless consent is given already.
    pub(crate) async fn ask(&self, app: &App, question: &str) -> Result<(), Failure> {
        if self.is_given {
            return Ok(());
        }
        let prompt = format!("{question} [y/N] ");
        let asked = tokio::task::spawn_blocking(move || {
            write!(io::stderr(), "{prompt}")?;
            let mut answer = String::new();
            io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = async { Ok(asked.await.map_err(io::Error::other)??) };
        let answer = app.until_stopped(answer).await?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" | "是" => Ok(()),
            _ => Err(Failure::new(
                Exit::Failed,
                app.out.lang.pick("nothing was changed", "没有做任何更改"),
            )),
        }
    }
}
