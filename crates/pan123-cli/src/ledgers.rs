//! The ledgers of an account, by the names that people give and see.

#[cfg(feature = "postgres")]
mod password_file;
#[cfg_attr(not(feature = "postgres"), path = "ledgers/no_server.rs")]
mod server;
mod store;
pub(crate) mod url;

use std::fs;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::time::SystemTime;

use pan123_async::Client;
use pan123_async::proto::ledger::{
    Item, ItemId, ItemKey, Ledger, LedgerAnswer, LedgerFault, LedgerOp, ListItems, OpenLedger,
    Transaction,
};
use sha2::{Digest, Sha256};

use crate::account;
use crate::app::App;
use crate::failure::Failure;
use crate::words::hex;
pub(crate) use server::Server;
pub(crate) use store::Store;
use url::ServerUrl;

/// The name of the ledger of `pan123 download`.
pub(crate) const DEFAULT: &str = "downloads";
/// The name of that of lists that have no name.
const STDIN: &str = "stdin";

/// The variable that names the ledger of commands that name none.
const VARIABLE: &str = "PAN123_LEDGER";

/// The options of a ledger on a server.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Options of a ledger on PostgreSQL")]
pub(crate) struct ServerArgs {
    /// A file whose first line is the password; else PGPASSWORD, PGPASSFILE or ~/.pgpass has it
    #[arg(long, value_name = "FILE")]
    ledger_password_file: Option<PathBuf>,
    /// A PEM file of the certificates to trust, in place of those that browsers trust
    #[arg(long, value_name = "FILE")]
    ledger_root_cert: Option<PathBuf>,
    /// The folder of this machine for ids of tasks that the server does not take; on a local disk, and kept over restarts [default:
    /// beside the ledgers]
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,
}

/// Which ledger a command line names.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// None.
    Default,
    /// By the name or the path of its file.
    Local(String),
    Server(Box<Server>),
}

impl Choice {
    /// Reads what a command line names, or else the environment.
    pub(crate) fn new(
        app: &App,
        given: Option<&str>,
        args: &ServerArgs,
    ) -> Result<Choice, Failure> {
        let lang = app.out.lang;
        let variable = account::variable(VARIABLE);
        let given = given.map(str::to_owned).or(variable);
        let url = given.as_deref().and_then(ServerUrl::parse);
        if let Some(url) = url {
            return Ok(Choice::Server(Box::new(Server::new(url, args, lang)?)));
        }
        let ServerArgs {
            ledger_password_file,
            ledger_root_cert,
            spill,
        } = args;
        if ledger_password_file.is_some() || ledger_root_cert.is_some() || spill.is_some() {
            return Err(Failure::usage(lang.pick(
                "--ledger-password-file, --ledger-root-cert and --spill are for a ledger on PostgreSQL: name it by its URL, postgres://USER@HOST:PORT/DATABASE",
                "--ledger-password-file、--ledger-root-cert 和 --spill 用于 PostgreSQL 上的台账：请用 URL 指定，格式为 postgres://用户@主机:端口/数据库",
            )));
        }
        let Some(name) = given else {
            return Ok(Choice::Default);
        };
        // What stands in it may be a password.
        if name.contains("://") || url::is_settings(&name) {
            return Err(Failure::usage(lang.pick(
                "a ledger is a name, the path of a file, or the URL of a PostgreSQL server, postgres://USER@HOST:PORT/DATABASE",
                "台账可以是名称、文件路径，或 PostgreSQL 服务器的 URL：postgres://用户@主机:端口/数据库",
            )));
        }
        Ok(Choice::Local(name))
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        match self {
            Choice::Server(server) => Some(server),
            _ => None,
        }
    }

    /// Returns the ledger of the account; `default` if none is named.
    pub(crate) fn find(
        &self,
        app: &App,
        client: &Client,
        default: impl FnOnce() -> Result<Named, Failure>,
    ) -> Result<Named, Failure> {
        match self {
            Choice::Default => default(),
            Choice::Local(name) => Named::find(app, client, name),
            Choice::Server(server) => Named::on(server, client),
        }
    }

    /// Returns the ledger of the account; that of `pan123 download` if none is named.
    pub(crate) fn find_or_default(&self, app: &App, client: &Client) -> Result<Named, Failure> {
        self.find(app, client, || Named::find(app, client, DEFAULT))
    }
}

/// A ledger, and what a command line calls it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) ledger: Store,
    pub(crate) name: String,
}

impl Named {
    /// Returns a ledger by its name, or by the path of its file: with a `/`, or ending in `.db`.
    pub(crate) fn find(app: &App, client: &Client, name: &str) -> Result<Named, Failure> {
        if name.contains(['/', MAIN_SEPARATOR]) || has_extension(name) {
            return Ok(Named {
                ledger: Store::file(name),
                name: quoted(name),
            });
        }
        let default = App::ledger(client)?;
        if name == DEFAULT {
            return Ok(Named {
                ledger: Store::file(default),
                name: name.to_owned(),
            });
        }
        if name.is_empty() || plain(name) != name {
            return Err(Failure::usage(app.out.lang.pick(
                format!("`{}` is no name of a ledger; give one that `pan123 batch` has printed, or the path of a file", name.escape_debug()),
                format!("`{}` 不是台账名：请使用 `pan123 batch` 输出过的名字或文件路径", name.escape_debug()),
            )));
        }
        Ok(Named {
            ledger: Store::file(beside(&default, name)),
            name: name.to_owned(),
        })
    }

    fn on(server: &Server, client: &Client) -> Result<Named, Failure> {
        Ok(Named {
            ledger: server.ledger(&client.session().ledger_account())?,
            name: quoted(&server.url),
        })
    }

    /// Returns the ledger of a list, by the place of the list; none is standard input.
    pub(crate) fn of_list(
        app: &App,
        client: &Client,
        list: Option<&Path>,
    ) -> Result<Named, Failure> {
        let Some(list) = list else {
            return Named::find(app, client, STDIN);
        };
        let stem = list.file_stem().unwrap_or_default().to_string_lossy();
        let stem: String = plain(&stem).chars().take(40).collect();
        let digest = Sha256::digest(list.as_os_str().as_encoded_bytes());
        let digits = hex(&digest[..4]);
        Named::find(app, client, &format!("{stem}-{digits}"))
    }

    /// Refuses a ledger that does not exist, which opening would create.
    pub(crate) fn existing(self, app: &App) -> Result<Named, Failure> {
        let Some(path) = self.ledger.path().filter(|path| !path.exists()) else {
            return Ok(self);
        };
        let (name, lang) = (&self.name, app.out.lang);
        let others = others(path).join(", ");
        let others = match others.as_str() {
            "" => lang.pick("there is none", "目前没有台账").to_owned(),
            others => lang.pick(format!("there are: {others}"), format!("现有：{others}")),
        };
        Err(Failure::usage(lang.pick(
            format!("there is no ledger {name}; {others}"),
            format!("没有台账 {name}；{others}"),
        )))
    }

    pub(crate) fn open(&self, client: &Client) -> Result<Box<dyn OpenLedger>, Failure> {
        Ok(self.ledger.open(&client.session().ledger_account())?)
    }
}

/// Returns the names of the ledgers beside this one.
fn others(path: &Path) -> Vec<String> {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else {
        return Vec::new();
    };
    let stem = stem.to_string_lossy();
    // `ledger-<account>-<name>.db`
    let Some(account) = stem.get(
        ..stem
            .match_indices('-')
            .nth(1)
            .map_or(stem.len(), |(at, _)| at),
    ) else {
        return Vec::new();
    };
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| {
            let name = file.file_name();
            let name = name.to_str()?.strip_suffix(".db")?.strip_prefix(account)?;
            match name {
                "" => Some(DEFAULT.to_owned()),
                name => Some(name.strip_prefix('-')?.to_owned()),
            }
        })
        .collect();
    names.sort();
    names
}

fn has_extension(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "db")
}

/// Returns the file of another ledger of the account.
fn beside(default: &Path, name: &str) -> PathBuf {
    let stem = default.file_stem().unwrap_or_default().to_string_lossy();
    default.with_file_name(format!("{stem}-{name}.db"))
}

/// Returns a text with `_` for whatever a shell or a file name may not take.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-".contains(c);
    text.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

/// Quotes a text for a shell, if it needs that.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+:,@%=~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Asks a ledger one thing.
pub(crate) fn ask(ledger: &mut dyn OpenLedger, op: LedgerOp) -> Result<LedgerAnswer, LedgerFault> {
    let answers = ledger.run(Transaction::new(SystemTime::now(), vec![op]))?;
    let answer = answers.into_iter().next();
    Ok(answer.unwrap_or(LedgerAnswer::Unsupported))
}

/// Finds the item of a key. If it runs, its task is looked at next.
pub(crate) fn find(
    ledger: &mut dyn OpenLedger,
    key: ItemKey,
) -> Result<Option<(ItemId, Box<Item>)>, LedgerFault> {
    match ask(
        ledger,
        LedgerOp::Notice {
            key,
            file: None,
            reason: None,
        },
    )? {
        LedgerAnswer::Noticed(found) => Ok(found),
        _ => Ok(None),
    }
}

/// Reads an item again.
pub(crate) fn read(ledger: &mut dyn OpenLedger, id: ItemId) -> Result<Option<Item>, LedgerFault> {
    let before = ItemId(id.0.saturating_sub(1));
    let page = ledger.list(
        SystemTime::now(),
        ListItems::first(1).with_hidden().after(before),
    )?;
    let found = page.into_iter().next();
    Ok(found.and_then(|(other, item)| (other == id).then_some(item)))
}

/// Goes through the items of a ledger, page by page.
pub(crate) fn for_each(
    ledger: &mut dyn OpenLedger,
    mut list: ListItems,
    mut each: impl FnMut(&Item) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let page = ledger.list(SystemTime::now(), list)?;
        let Some((end, _)) = page.last() else {
            return Ok(());
        };
        list = list.after(*end);
        for (_, item) in &page {
            each(item)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_a_path_is_quoted() {
        assert_eq!(plain("my list/电影 (2).v1"), "my_list_电影__2_.v1");
        assert_eq!(quoted("/tmp/a.db"), "/tmp/a.db");
        assert_eq!(quoted("/tmp/it's a.db"), r"'/tmp/it'\''s a.db'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_ledgers_of_an_account_are_listed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "ledger-01.db",
            "ledger-01-list-3f.db",
            "ledger-01-list-3f.db-wal",
            "ledger-02.db",
            "ledger-012-x.db",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let of = |name| others(&folder.path().join(name));
        assert_eq!(of("ledger-01-missing.db"), ["downloads", "list-3f"]);
        assert_eq!(of("ledger-02.db"), ["downloads"]);
        assert_eq!(of("ledger-03-x.db"), Vec::<String>::new());
    }
}
