//! `pan123 logout`.

use serde_json::json;

use crate::account::{self, Credentials};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders;

/// Removes the credentials of the last login and its token. The ledgers stay: they hold no secret, but the ids of downloads.
pub(crate) fn run(app: &App) -> Result<Exit, Failure> {
    let lang = app.out.lang;
    // Damaged credentials are removed, too.
    if let Ok(Some(credentials)) = Credentials::load(lang) {
        folders::remove(&credentials.token_file()?)?;
    }
    let removed = folders::remove(&account::credentials_file()?)?;
    let text = if removed {
        lang.pick("logged out", "已退出登录")
    } else {
        lang.pick("there was no login", "没有登录信息")
    };
    app.out
        .result(text, &json!({ "type": "logout", "removed": removed }))?;
    Ok(Exit::Success)
}
