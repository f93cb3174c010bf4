//! What is to be done, from the arguments and the environment.

use std::env;
use std::error::Error;
use std::net::SocketAddr;

use http::Uri;
use pan123_async::{Client, ClientBuilder, DirId, Download};

use crate::callback::Listen;

pub(crate) const USAGE: &str = "usage: offline_download [URL [FILE_NAME]]";

/// One download.
pub(crate) struct Job {
    pub(crate) client: Client,
    pub(crate) download: Download,
    /// Where its callback comes in, if it has one.
    pub(crate) listen: Option<Listen>,
}

pub(crate) enum Plan {
    Help,
    /// Play both sides.
    Demo,
    Real(Box<Job>),
}

impl Plan {
    pub(crate) async fn read() -> Result<Plan, Box<dyn Error>> {
        let mut arguments = env::args().skip(1);
        let (url, name) = (arguments.next(), arguments.next());
        if matches!(url.as_deref(), Some("-h" | "--help")) {
            return Ok(Plan::Help);
        }
        if url.as_ref().is_some_and(|url| url.starts_with('-')) || arguments.next().is_some() {
            return Err(USAGE.into());
        }
        match (credentials()?, url) {
            (None, None) if variable("PAN123_BASE_URL")?.is_none() => Ok(Plan::Demo),
            (None, _) => Err(
                "set PAN123_CLIENT_ID and PAN123_CLIENT_SECRET, or PAN123_ACCESS_TOKEN; \
                 without any of them and without a URL a demonstration runs"
                    .into(),
            ),
            (Some(_), None) => {
                Err(format!("credentials are set, but no URL is given; {USAGE}").into())
            }
            (Some(builder), Some(url)) => {
                let job = Job::new(builder, Download::new(url)?, name).await?;
                Ok(Plan::Real(Box::new(job)))
            }
        }
    }
}

impl Job {
    async fn new(
        mut builder: ClientBuilder,
        mut download: Download,
        name: Option<String>,
    ) -> Result<Job, Box<dyn Error>> {
        if let Some(url) = variable("PAN123_BASE_URL")? {
            builder = builder.base_url(url);
        }
        if let Some(name) = name {
            download = download.file_name(name)?;
        }
        if let Some(dir) = variable("PAN123_DIR_ID")? {
            download = download.save_to(dir.parse::<DirId>()?);
        }
        let client = builder.build()?;
        let mut listen = None;
        if let Some(url) = variable("PAN123_CALLBACK_URL")? {
            let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
            let url = format!("{}/{}{query}", path.trim_end_matches('/'), unguessable()?);
            download = download.callback(&url)?;
            let address = variable("PAN123_CALLBACK_LISTEN")?;
            let address: SocketAddr = address
                .as_deref()
                .unwrap_or("127.0.0.1:8787")
                .parse()
                .map_err(|_| "PAN123_CALLBACK_LISTEN must look like 127.0.0.1:8787")?;
            let path = url.parse::<Uri>()?.path().to_owned();
            listen =
                Some(Listen::on(address, &path).await.map_err(|error| {
                    format!("no callback can be received on {address}: {error}")
                })?);
        }
        Ok(Job {
            client,
            download,
            listen,
        })
    }
}

fn credentials() -> Result<Option<ClientBuilder>, Box<dyn Error>> {
    let id = variable("PAN123_CLIENT_ID")?;
    let secret = variable("PAN123_CLIENT_SECRET")?;
    let token = variable("PAN123_ACCESS_TOKEN")?;
    let builder = Client::builder();
    match (id, secret, token) {
        (None, None, None) => Ok(None),
        (Some(id), Some(secret), None) => Ok(Some(builder.credentials(id, secret))),
        (None, None, Some(token)) => Ok(Some(builder.access_token(token))),
        (_, _, Some(_)) => {
            Err("set PAN123_ACCESS_TOKEN or the client id with its secret, not both".into())
        }
        (_, _, None) => {
            Err("PAN123_CLIENT_ID and PAN123_CLIENT_SECRET go together: one is missing".into())
        }
    }
}

/// A variable of the environment; an empty one counts as none.
fn variable(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("{name} is no readable text").into()),
    }
}

/// A part of a callback URL that nobody else can know: the service signs nothing.
pub(crate) fn unguessable() -> Result<String, getrandom::Error> {
    let bytes = [getrandom::u64()?, getrandom::u64()?];
    Ok(format!("{:016x}{:016x}", bytes[0], bytes[1]))
}
