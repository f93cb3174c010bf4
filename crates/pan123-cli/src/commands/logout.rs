//! `pan123 logout`.

use serde_json::json;

use crate::account;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders;

/// Removes the credentials of the last login, and all tokens. The ledgers stay: they hold no credentials, but the ids of downloads.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let lang = app.out.lang;
    let removed = folders::remove(&account::credentials_file()?)?;
    for token in account::token_files()? {
        folders::remove(&token)?;
    }
    let text = if removed {
        lang.pick("logged out", "已退出登录")
    } else {
        lang.pick("there was no login", "没有登录信息")
    };
    app.out
        .result(text, &json!({ "type": "logout", "removed": removed }))?;
    Ok(Exit::Success)
}
