//! `pan123 whoami`.

use pan123_async::proto::user::UserInfo;
use serde_json::{Value, json};

use crate::account::Source;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders;
use crate::words::{Lang, size};

pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let source = app.source()?;
    let client = app.client()?;
    let user = client.user_info().await?;
    let ledger = App::ledger(&client)?;
    let account = client.session().ledger_account();
    let object = json!({
        "type": "account",
        "uid": user.uid,
        "nickname": user.nickname,
        "space_used": user.space_used,
        "space_permanent": user.space_permanent,
        "space_temp": user.space_temp,
        "vip": user.vip,
        "credentials": name_of(&source),
        "base_url": account.service(),
        "config": folders::config()?.to_string_lossy(),
        "ledger": ledger.path().to_string_lossy(),
    });
    app.out
        .result(&text(app.out.lang, &user, &object), &object)?;
    Ok(Exit::Success)
}

/// Where the credentials come from, for `--json`.
fn name_of(source: &Source) -> &'static str {
    match source {
        Source::AccessToken(_) => "access_token",
        Source::Environment(_) => "environment",
        Source::Login(_) => "login",
    }
}

fn text(lang: Lang, user: &UserInfo, object: &Value) -> String {
    let mut lines = vec![format!("{} ({})", user.nickname, user.uid)];
    if let Some(used) = user.space_used {
        let total = user.space_permanent.unwrap_or(0) + user.space_temp.unwrap_or(0);
        lines.push(lang.pick(
            format!("space: {} of {} used", size(used), size(total)),
            format!("空间：已用 {}，共 {}", size(used), size(total)),
        ));
    }
    let rows = [
        (lang.pick("credentials", "凭据"), &object["credentials"]),
        (lang.pick("service", "服务"), &object["base_url"]),
        (lang.pick("configuration", "配置"), &object["config"]),
        (lang.pick("ledger", "账本"), &object["ledger"]),
    ];
    for (name, value) in rows {
        let value = value.as_str().unwrap_or_default();
        lines.push(format!("{name}{}{value}", lang.pick(": ", "：")));
    }
    lines.join("\n")
}
