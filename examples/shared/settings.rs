//! Settings from the environment.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use pan123_async::proto::offline::{CallbackKey, CallbackSigner};
use pan123_async::{Client, ClientBuilder};
use pan123_store::FileStore;
use tokio::net::TcpListener;

/// The error for a run that needs credentials and has none.
pub const NO_CREDENTIALS: &str = "no credentials are set: set PAN123_CLIENT_ID and PAN123_CLIENT_SECRET, or \
     PAN123_ACCESS_TOKEN; without credentials and without a URL, a demonstration runs";

/// Returns the settings of a client: its credentials from `PAN123_CLIENT_ID` and `PAN123_CLIENT_SECRET`, or its token from
/// `PAN123_ACCESS_TOKEN`; its server from `PAN123_BASE_URL`, and its token file from `PAN123_TOKEN_FILE`, if they are set. Returns
/// `None` if there are no credentials and no server.
///
/// # Errors
///
/// If credentials are missing, incomplete or set twice.
pub fn client() -> Result<Option<ClientBuilder>, Box<dyn Error>> {
    let id = variable("PAN123_CLIENT_ID")?;
    let secret = variable("PAN123_CLIENT_SECRET")?;
    let token = variable("PAN123_ACCESS_TOKEN")?;
    let base_url = variable("PAN123_BASE_URL")?;
    let builder = Client::builder();
    let builder = match (id, secret, token) {
        (None, None, None) if base_url.is_none() => return Ok(None),
        (None, None, None) => return Err(NO_CREDENTIALS.into()),
        (Some(id), Some(secret), None) => builder.credentials(id, secret),
        (None, None, Some(token)) => builder.access_token(token),
        (_, _, Some(_)) => {
            return Err(
                "set either PAN123_ACCESS_TOKEN or PAN123_CLIENT_ID and PAN123_CLIENT_SECRET, not both".into(),
            );
        }
        (_, _, None) => {
            return Err(
                "only one of PAN123_CLIENT_ID and PAN123_CLIENT_SECRET is set: set both".into(),
            );
        }
    };
    let mut builder = builder;
    if let Some(url) = base_url {
        builder = builder.base_url(url);
    }
    if let Some(file) = variable("PAN123_TOKEN_FILE")? {
        builder = builder.token_store(FileStore::new(file));
    }
    Ok(Some(builder))
}

/// Listens for callbacks on `PAN123_CALLBACK_LISTEN`, by default `127.0.0.1:8787`.
///
/// # Errors
///
/// If that is not an address, or the address is in use.
pub async fn callback_listener() -> Result<TcpListener, Box<dyn Error>> {
    let address = variable("PAN123_CALLBACK_LISTEN")?;
    let address: SocketAddr = address
        .as_deref()
        .unwrap_or("127.0.0.1:8787")
        .parse()
        .map_err(|_| "PAN123_CALLBACK_LISTEN must look like 127.0.0.1:8787")?;
    let bound = TcpListener::bind(address).await;
    Ok(bound.map_err(|error| format!("cannot listen for callbacks on {address}: {error}"))?)
}

/// Returns a signer whose key is random and lives as long as the process.
///
/// # Errors
///
/// If the system cannot provide random bytes.
pub fn temporary_signer() -> Result<CallbackSigner, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let key = CallbackKey::new("temporary", secret)?;
    Ok(CallbackSigner::new([key])?)
}

/// Returns an environment variable, or `None` if it is missing or empty.
///
/// # Errors
///
/// If it is not valid Unicode.
pub fn variable(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is not valid Unicode").into()),
    }
}
