//! A ledger on a PostgreSQL server, which the commands of several machines share.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pan123_async::ClientBuilder;
use pan123_async::proto::Account;
use pan123_ledger::Postgres;
use pan123_store::{OpenTokenStore, TokenStore};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::password_file::{Login, find};
use super::url::ServerUrl;
use super::{ServerArgs, Store};
use crate::account::{self, Secret};
use crate::failure::Failure;
use crate::folders;
use crate::words::Lang;

/// The longest file of passwords that is read.
const MAX_FILE: u64 = 1 << 20;

/// A server, and how this machine uses it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Without the password.
    pub(crate) url: String,
    database: Postgres,
    spill: Option<PathBuf>,
}

impl Server {
    pub(super) fn new(url: ServerUrl, args: &ServerArgs, lang: Lang) -> Result<Server, Failure> {
        let config = url.text.parse::<Config>().ok();
        // One that is still in it would be shown.
        let config = config.filter(|config| config.get_password().is_none());
        let Some(config) = config else {
            return Err(Failure::usage(lang.pick(
                "the URL of the ledger is not understood: it is postgres://USER@HOST:PORT/DATABASE, with a query such as ?sslmode=require",
                "无法识别台账的 URL：格式为 postgres://用户@主机:端口/数据库，可带参数，例如 ?sslmode=require",
            )));
        };
        let password = match &args.ledger_password_file {
            Some(file) => Some(first_line(file, lang)?),
            None => match url.password.or_else(|| of_environment(&url.text)) {
                Some(password) => Some(password),
                None => of_password_file(&config, lang)?,
            },
        };
        let mut database = Postgres::new(&url.text)?;
        if let Some(password) = password {
            database = database.password(password.expose());
        }
        let root_cert = args.ledger_root_cert.clone();
        if let Some(file) = root_cert.or_else(root_cert_of_environment) {
            database = database.root_certificates(file)?;
        }
        Ok(Server {
            url: url.text,
            database,
            spill: args.spill.clone(),
        })
    }

    /// Lets a client keep to one pace with those of all machines.
    pub(crate) fn share_pace(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.shared_pace(self.database.pace())
    }

    /// Lets a client share its token with those of all machines.
    pub(crate) fn share_token(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.token_store(self.database.token_store())
    }

    /// Opens the tokens that the clients of all machines share.
    pub(crate) fn open_tokens(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        self.database.token_store().open(account)
    }

    /// Returns the ledger of an account. Nothing is sent yet.
    pub(super) fn ledger(&self, account: &Account) -> Result<Store, Failure> {
        let spill = match &self.spill {
            Some(folder) => folder.clone(),
            None => account::spill(account)?,
        };
        Ok(Store::Server {
            url: self.url.clone(),
            database: Box::new(self.database.clone()),
            ledger: Box::new(self.database.ledger(spill)),
        })
    }
}

fn root_cert_of_environment() -> Option<PathBuf> {
    let file = account::variable("PGSSLROOTCERT");
    // That is none of a file.
    file.filter(|file| file != "system").map(PathBuf::from)
}

/// Returns the password of `PAN123_LEDGER`, if that names the same server, or of `PGPASSWORD`.
fn of_environment(url: &str) -> Option<Secret> {
    let named = account::variable(super::VARIABLE).and_then(|named| ServerUrl::parse(&named));
    let password = named.filter(|named| named.text == url);
    let password = password.and_then(|named| named.password);
    password.or_else(|| account::variable("PGPASSWORD").map(Secret::new))
}

/// Returns the first line of a file that holds a password only.
fn first_line(file: &Path, lang: Lang) -> Result<Secret, Failure> {
    let text = read_private(file, lang)?.ok_or_else(|| {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        folders::failed("read", file, &missing)
    })?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        let file = file.display();
        return Err(Failure::usage(lang.pick(
            format!("{file} holds no password: its first line is empty"),
            format!("{file} 中没有密码：第一行是空的"),
        )));
    }
    Ok(Secret::new(password))
}

/// Looks into `PGPASSFILE`, or the file of that kind in the home directory.
fn of_password_file(config: &Config, lang: Lang) -> Result<Option<Secret>, Failure> {
    let named = account::variable("PGPASSFILE").map(PathBuf::from);
    let Some(file) = named.clone().or_else(default_password_file) else {
        return Ok(None);
    };
    let Some(text) = read_private(&file, lang)? else {
        return match named {
            Some(file) => Err(folders::failed(
                "read",
                &file,
                &io::ErrorKind::NotFound.into(),
            )),
            None => Ok(None),
        };
    };
    let own_name = || account::variable("USER").or_else(|| account::variable("USERNAME"));
    let user = config.get_user().map(str::to_owned).or_else(own_name);
    let user = user.unwrap_or_default();
    let ports = config.get_ports();
    let mut hosts = config.get_hosts().iter().enumerate();
    let password = hosts.find_map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).copied();
        let login = Login {
            host: &name_of(host),
            port: port.unwrap_or(5432),
            database: config.get_dbname().unwrap_or(&user),
            user: &user,
        };
        find(&text, login)
    });
    Ok(password.map(Secret::new))
}

/// Returns the name of a server in the file: that of a local socket is `localhost`.
fn name_of(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".to_owned(),
    }
}

fn default_password_file() -> Option<PathBuf> {
    if cfg!(windows) {
        let folder = env::var_os("APPDATA")?;
        return Some(Path::new(&folder).join("postgresql").join("pgpass.conf"));
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(Path::new(&home).join(".pgpass"))
}

/// Reads a file that others cannot read; none if there is none.
fn read_private(file: &Path, lang: Lang) -> Result<Option<String>, Failure> {
    let failed = |error: &io::Error| folders::failed("read", file, error);
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        let file = file.display();
        return Err(Failure::usage(lang.pick(
            format!("{file} is no file with a password"),
            format!("{file} 不是存放密码的文件"),
        )));
    }
    folders::check_private(file, lang)?;
    let text = fs::read(file).map_err(|error| failed(&error))?;
    // The error would not say more than this, and must not quote it.
    String::from_utf8(text).map(Some).map_err(|_| {
        let file = file.display();
        Failure::usage(lang.pick(
            format!("{file} is not UTF-8"),
            format!("{file} 不是 UTF-8 编码"),
        ))
    })
}
