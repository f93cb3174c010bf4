//! The account: its credentials, where they come from, and its client.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use pan123_async::proto::Account;
use pan123_async::{Client, ClientBuilder, OAuth};
use pan123_store::{FileStore, TokenStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::folders;
use crate::ledgers::Server;
use crate::words::{Lang, hex};

/// A text that no output shows.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Whose credentials they are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A developer's, for the developer's own account.
    Developer,
    /// An app's, for an account whose user has authorized the app.
    Oauth,
}

/// Credentials, as the file of a login holds them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Credentials {
    pub(crate) kind: Kind,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    /// The base URL of the service; none for the real one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base_url: Option<String>,
}

impl Credentials {
    /// Reads those of the last login.
    pub(crate) fn load(lang: Lang) -> Result<Option<Credentials>, Failure> {
        let path = credentials_file()?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(folders::failed("read", &path, &error)),
        };
        folders::check_private(&path, lang)?;
        // The error of the parser would quote the file.
        serde_json::from_slice(&text).map(Some).map_err(|_| {
            let path = path.display();
            Failure::credentials(lang.pick(
                format!("{path} is damaged: run `pan123 login` again"),
                format!("{path} 已损坏：请重新运行 `pan123 login`"),
            ))
        })
    }

    /// Stores them for the commands to come.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::from)?;
        text.push(b'\n');
        folders::write_private(&credentials_file()?, &text)
    }

    /// Returns the file in which processes share the token.
    pub(crate) fn token_file(&self) -> Result<PathBuf, Failure> {
        let service = self.base_url.as_deref().unwrap_or_default();
        let digest = short_digest(&[service, &self.client_id]);
        let name = match self.kind {
            Kind::Developer => format!("token-{digest}.json"),
            Kind::Oauth => format!("oauth-{digest}.json"),
        };
        Ok(folders::config()?.join(name))
    }

    /// Returns a client that keeps its token in this store.
    pub(crate) fn client(&self, store: impl TokenStore) -> Result<Client, Failure> {
        Ok(self.builder().token_store(store).build()?)
    }

    fn builder(&self) -> ClientBuilder {
        let builder = match &self.base_url {
            Some(url) => Client::builder().base_url(url),
            None => Client::builder(),
        };
        let (id, secret) = (&self.client_id, self.client_secret.expose());
        match self.kind {
            Kind::Developer => builder.credentials(id, secret),
            Kind::Oauth => builder.oauth(OAuth::new(id, secret)),
        }
    }
}

/// Where the account of a command comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// `PAN123_ACCESS_TOKEN`.
    AccessToken(Secret),
    /// `PAN123_CLIENT_ID` and `PAN123_CLIENT_SECRET`.
    Environment(Credentials),
    /// The last login.
    Login(Credentials),
}

impl Source {
    /// Looks into the environment, then for a login.
    pub(crate) fn find(lang: Lang, base_url: Option<String>) -> Result<Source, Failure> {
        if let Some(token) = variable("PAN123_ACCESS_TOKEN") {
            return Ok(Source::AccessToken(Secret(token)));
        }
        if let Some(credentials) = credentials_of_environment(lang, base_url.clone())? {
            return Ok(Source::Environment(credentials));
        }
        let Some(mut credentials) = Credentials::load(lang)? else {
            return Err(Failure::credentials(lang.pick(
                "there are no credentials: run `pan123 login`, or set PAN123_CLIENT_ID and PAN123_CLIENT_SECRET",
                "没有凭据：请运行 `pan123 login`，或设置 PAN123_CLIENT_ID 和 PAN123_CLIENT_SECRET",
            )));
        };
        credentials.base_url = base_url.or(credentials.base_url);
        Ok(Source::Login(credentials))
    }
}

/// Returns `PAN123_CLIENT_ID` and `PAN123_CLIENT_SECRET`, if they are set.
pub(crate) fn credentials_of_environment(
    lang: Lang,
    base_url: Option<String>,
) -> Result<Option<Credentials>, Failure> {
    let missing = |name: &str, other: &str| {
        Failure::credentials(lang.pick(
            format!("{other} is set, but {name} is not: set both"),
            format!("已设置 {other}，但没有设置 {name}：请同时设置两者"),
        ))
    };
    let (id, secret) = ("PAN123_CLIENT_ID", "PAN123_CLIENT_SECRET");
    match (variable(id), variable(secret)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(secret, id)),
        (None, Some(_)) => Err(missing(id, secret)),
        (Some(client_id), Some(client_secret)) => Ok(Some(Credentials {
            kind: Kind::Developer,
            client_id,
            client_secret: Secret(client_secret),
            base_url,
        })),
    }
}

/// Returns the base URL of the environment, `PAN123_BASE_URL`.
pub(crate) fn base_url_of_environment() -> Option<String> {
    variable("PAN123_BASE_URL")
}

/// Returns a variable that is set. What is not UTF-8 in it does not count as unset: it is refused where the value is used.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// Returns a client of this account, whose processes share one token: those of this machine, or those of all that use the server.
pub(crate) fn client(
    source: &Source,
    base_url: Option<String>,
    server: Option<&Server>,
) -> Result<Client, Failure> {
    let share = |builder| match server {
        Some(server) => server.share_pace(builder),
        None => builder,
    };
    match source {
        Source::AccessToken(token) => {
            let builder = Client::builder().access_token(token.expose());
            let builder = match base_url {
                Some(url) => builder.base_url(url),
                None => builder,
            };
            Ok(share(builder).build()?)
        }
        Source::Environment(credentials) | Source::Login(credentials) => {
            let builder = credentials.builder();
            let builder = if let Some(server) = server {
                server.share_token(builder)
            } else {
                let file = credentials.token_file()?;
                folders::create_private(&folders::config()?)?;
                builder.token_store(FileStore::new(file))
            };
            Ok(share(builder).build()?)
        }
    }
}

/// Returns the file of the default ledger of an account.
pub(crate) fn ledger(account: &Account) -> Result<PathBuf, Failure> {
    let folder = folders::state()?;
    folders::create_private(&folder)?;
    Ok(folder.join(format!("ledger-{}.db", digest_of(account))))
}

/// Returns the folder for ids of tasks that the server of an account's ledger does not take.
#[cfg(feature = "postgres")]
pub(crate) fn spill(account: &Account) -> Result<PathBuf, Failure> {
    Ok(folders::state()?.join(format!("spill-{}", digest_of(account))))
}

fn digest_of(account: &Account) -> String {
    let user = account.user().unwrap_or_default();
    short_digest(&[account.service(), account.client_id(), user])
}

/// Returns the file that `pan123 login` writes.
pub(crate) fn credentials_file() -> Result<PathBuf, Failure> {
    Ok(folders::config()?.join("credentials.json"))
}

/// Returns the files of all tokens that are kept, of any account.
pub(crate) fn token_files() -> Result<Vec<PathBuf>, Failure> {
    let folder = folders::config()?;
    let files = match fs::read_dir(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(folders::failed("read", &folder, &error)),
    };
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    let is_token = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_ours = name.starts_with("token-") || name.starts_with("oauth-");
        // The lock files beside them are empty, and may be in use.
        is_ours && path.extension().is_some_and(|it| it == "json")
    };
    Ok(paths.filter(is_token).collect())
}

/// Returns 16 hexadecimal digits that stand for these texts in a file name.
fn short_digest(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
        digest.update([0]);
    }
    hex(&digest.finalize()[..8])
}
