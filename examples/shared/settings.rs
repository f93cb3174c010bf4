//! What is configured, from the environment.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use pan123_async::proto::offline::{CallbackKey, CallbackSigner};
use pan123_async::{Client, ClientBuilder};
use pan123_store::FileStore;
use tokio::net::TcpListener;

/// What is missing where something is to be done for real.
pub const NO_CREDENTIALS: &str = "set PAN123_CLIENT_ID and PAN123_CLIENT_SECRET, or PAN123_ACCESS_TOKEN; without any of \
     them and without a URL a demonstration runs";

/// A client by `PAN123_CLIENT_ID` and `PAN123_CLIENT_SECRET` or by `PAN123_ACCESS_TOKEN`, of the server `PAN123_BASE_URL` and
/// with the token kept in `PAN123_TOKEN_FILE` if those are set; none if nothing is set at all.
///
/// # Errors
///
/// If one goes without another, or with one too many.
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
                "set PAN123_ACCESS_TOKEN or the client id with its secret, not both".into(),
            );
        }
        (_, _, None) => {
            return Err(
                "PAN123_CLIENT_ID and PAN123_CLIENT_SECRET go together: one is missing".into(),
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

/// A listener for callbacks on `PAN123_CALLBACK_LISTEN`, by default `127.0.0.1:8787`.
///
/// # Errors
///
/// If that is no address, or not free.
pub async fn callback_listener() -> Result<TcpListener, Box<dyn Error>> {
    let address = variable("PAN123_CALLBACK_LISTEN")?;
    let address: SocketAddr = address
        .as_deref()
        .unwrap_or("127.0.0.1:8787")
        .parse()
        .map_err(|_| "PAN123_CALLBACK_LISTEN must look like 127.0.0.1:8787")?;
    let bound = TcpListener::bind(address).await;
    Ok(bound.map_err(|error| format!("no callback can be received on {address}: {error}"))?)
}

/// A signer with a key that lives as long as the process.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn passing_signer() -> Result<CallbackSigner, Box<dyn Error>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(CallbackSigner::new([CallbackKey::new("passing", secret)?])?)
}

/// A variable of the environment; an empty one counts as none.
///
/// # Errors
///
/// If it is no text.
pub fn variable(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is no readable text").into()),
    }
}
