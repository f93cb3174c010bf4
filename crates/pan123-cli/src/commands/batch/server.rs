//! `pan123 batch confirm-server`.

use pan123_async::proto::ledger::{Ledger, LedgerFault};
use serde_json::json;

use super::LedgerArg;
use crate::app::App;
use crate::commands::files::confirm::Consent;
use crate::failure::{Exit, Failure, text_of_fault};

pub(super) async fn confirm(app: &App, arg: &LedgerArg, yes: bool) -> Result<Exit, Failure> {
    let lang = app.out.lang;
    let (client, named) = arg.existing(app)?;
    let account = client.session().ledger_account();
    if named.ledger.path().is_some() {
        return Err(Failure::usage(lang.pick(
            "this ledger is a file: only one on PostgreSQL has a server to confirm",
            "该台账是文件：只有 PostgreSQL 上的台账才需要确认服务器",
        )));
    }
    let told = |text: &str, is_changed: bool| {
        let object = json!({"type": "server_confirmed", "changed": is_changed});
        app.out.result(text, &object)
    };
    let moved = match named.ledger.open(&account) {
        Ok(_) => {
            let text = lang.pick(
                "the ledger is on the server that it was on: there is nothing to confirm",
                "台账所在的服务器没有变化，无需确认",
            );
            told(text, false)?;
            return Ok(Exit::Success);
        }
        Err(fault @ LedgerFault::Moved(_)) => text_of_fault(&fault),
        Err(fault) => return Err(fault.into()),
    };
    let consent = Consent::new(app, yes)?;
    app.out.note(&moved);
    let question = lang.pick(
        "Downloads that this server does not know of are sent again. Go on with it?",
        "该服务器上没有记录的下载会再次提交。确定继续使用它吗？",
    );
    consent.ask(app, question).await?;
    named.ledger.confirm_server(&account)?;
    told(
        lang.pick(
            "confirmed: every machine goes on with this server",
            "已确认：所有机器都将继续使用该服务器",
        ),
        true,
    )?;
    Ok(Exit::Success)
}
