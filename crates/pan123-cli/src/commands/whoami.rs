//! `pan123 whoami`.

use pan123_async::proto::user::UserInfo;
use serde::Serialize;

use crate::account::Source;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders;
use crate::ledgers::{Choice, ServerArgs};
use crate::words::{Lang, shown, size};

/// The account in use, as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "account")]
struct Account {
    uid: u64,
    nickname: String,
    space_used: Option<u64>,
    space_permanent: Option<u64>,
    space_temp: Option<u64>,
    vip: Option<bool>,
    credentials: &'static str,
    base_url: String,
    config: String,
    ledger: String,
}

pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let source = app.source()?;
    let choice = Choice::new(app, None, &ServerArgs::default())?;
    let client = app.client_on(&choice)?;
    let UserInfo {
        uid,
        nickname,
        space_used,
        space_permanent,
        space_temp,
        vip,
        ..
    } = client.user_info().await?;
    let account = Account {
        uid,
        nickname,
        space_used,
        space_permanent,
        space_temp,
        vip,
        credentials: name_of(&source),
        base_url: client.session().ledger_account().service().to_owned(),
        config: folders::config()?.to_string_lossy().into_owned(),
        ledger: choice.find_or_default(app, &client)?.ledger.place(),
    };
    app.out.result(&account.text(app.out.lang), &account)?;
    Ok(Exit::Success)
}

/// Where the credentials come from.
fn name_of(source: &Source) -> &'static str {
    match source {
        Source::AccessToken(_) => "access_token",
        Source::Environment(_) => "environment",
        Source::Login(_) => "login",
    }
}

impl Account {
    fn text(&self, lang: Lang) -> String {
        let mut lines = vec![format!("{} ({})", shown(&self.nickname), self.uid)];
        if let Some(used) = self.space_used {
            let temp = self.space_temp.unwrap_or(0);
            let total = self.space_permanent.unwrap_or(0).saturating_add(temp);
            lines.push(lang.pick(
                format!("space: {} of {} used", size(used), size(total)),
                format!("空间：已用 {}，共 {}", size(used), size(total)),
            ));
        }
        let separator = lang.pick(": ", "：");
        let rows = [
            (lang.pick("credentials", "凭据"), self.credentials),
            (lang.pick("service", "服务"), &self.base_url),
            (lang.pick("configuration", "配置"), &self.config),
            (lang.pick("ledger", "台账"), &self.ledger),
        ];
        lines.extend(rows.map(|(name, value)| format!("{name}{separator}{value}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_names_of_the_service_may_be_anything() {
        let account = Account {
            uid: 1,
            nickname: "a\u{1b}[2J".to_owned(),
            space_used: Some(u64::MAX),
            space_permanent: Some(u64::MAX),
            space_temp: Some(u64::MAX),
            vip: None,
            credentials: "login",
            base_url: String::new(),
            config: String::new(),
            ledger: String::new(),
        };
        let text = account.text(Lang::English);
        assert!(text.starts_with("a\\u{1b}[2J (1)\nspace: 18.4 EB of 18.4 EB used\n"));
    }
}
