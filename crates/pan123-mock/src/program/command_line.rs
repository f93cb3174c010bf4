//! The command line.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use super::admin::AdminHosts;
use super::log::LogFormat;
use crate::effects::remove_abandoned;
use crate::service::Fetch;
use crate::{Builder, CLIENT_ID, CLIENT_SECRET, RateLimits};

/// A mock of the 123云盘 (123pan) Open Platform, for clients in any language.
///
/// Point a client at the base URL that is printed, with the client id and secret below. Inspect and control the mock under /__admin/.
#[derive(Debug, Parser)]
#[command(name = "pan123-mock", version)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the switches of a command line"
)]
pub(super) struct CommandLine {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8123")]
    listen: String,

    /// Accept connections from other machines: required to listen on anything but loopback. They have full access to /__admin/
    #[arg(long)]
    allow_remote_clients: bool,

    /// Also answer under /__admin/ to this host name, besides `localhost` and IP addresses; can be repeated
    #[arg(long, value_name = "NAME")]
    admin_host: Vec<String>,

    /// Close a connection on which nothing of a request arrives for this long, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    idle_timeout: Duration,

    /// Download the source URLs into this directory; without it, tasks follow their scripts and by default succeed at the third poll
    #[arg(long, value_name = "DIR")]
    fetch: Option<PathBuf>,

    /// Let downloads and callbacks leave this machine; without it they go to loopback addresses only
    #[arg(long)]
    allow_remote: bool,

    /// Time limit of a download, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    fetch_timeout: u64,

    /// Size limit of a source, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    fetch_limit: u64,

    /// Retries of a download after a transient failure, with status 3 meanwhile
    #[arg(long, value_name = "TIMES", default_value_t = 2)]
    fetch_retries: u32,

    /// Pause before a retry, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    fetch_pause: u64,

    /// Options of the service as JSON; `GET /__admin/options` shows all of them. Other flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Client id to accept [default: mock-client-id]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// Client secret to accept [default: mock-client-secret]
    #[arg(long, value_name = "SECRET")]
    client_secret: Option<String>,

    /// Reject what the documentation does not promise
    #[arg(long)]
    strict: bool,

    /// Rate limits of the endpoints: none, or those documented for a free or a paying account
    #[arg(long, value_parser = ["off", "free", "member"])]
    rate_limits: Option<String>,

    /// Downloads that may run at once, counted separately for the drive and the image bed
    #[arg(long, value_name = "DOWNLOADS")]
    running_limit: Option<usize>,

    /// Lifetime of a token, in seconds [default: 30 days]
    #[arg(long, value_name = "SECONDS")]
    token_lifetime: Option<u64>,

    /// Seed of tokens, trace ids and random faults [default: random]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Log each request as a line of JSON
    #[arg(long)]
    json: bool,

    /// Log no requests
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

/// How many requests are recorded by default.
const KEPT_REQUESTS: usize = 2000;

/// What the program was started with.
pub(super) struct Settings {
    builder: Builder,
    /// Whether the seed was given, so that each service has it.
    seeded: bool,
    pub(super) admin_hosts: AdminHosts,
    /// How long a connection may stay without a request, or with a part of one.
    pub(super) idle_timeout: Duration,
}

impl Settings {
    /// Returns the options of the next service. Unless a seed was given it issues other tokens than any before.
    pub(super) fn builder(&self) -> Builder {
        let builder = self.builder.clone();
        if self.seeded {
            builder
        } else {
            builder.seed(random_seed())
        }
    }
}

impl CommandLine {
    pub(super) fn settings(&self) -> Result<Settings, String> {
        let options = self.config()?;
        let seeded = self.seed.is_some() || options.get("seed").is_some();
        let builder = self.builder(options)?;
        Ok(Settings {
            builder,
            seeded,
            admin_hosts: AdminHosts::new(self.admin_host.clone()),
            idle_timeout: self.idle_timeout,
        })
    }

    fn builder(&self, options: Value) -> Result<Builder, String> {
        let mut builder = builder_from_json(options).map_err(|error| self.about_config(&error))?;
        if let Some((id, secret)) = self.credentials()? {
            builder = builder.credentials(id, secret);
        }
        if self.strict {
            builder = builder.strict(true);
        }
        if let Some(name) = &self.rate_limits {
            builder = builder.rate_limits(RateLimits::try_from(Value::from(name.as_str()))?);
        }
        if let Some(downloads) = self.running_limit {
            builder = builder.running_limit(downloads);
        }
        if let Some(seconds) = self.token_lifetime {
            builder = builder.token_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seed) = self.seed {
            builder = builder.seed(seed);
        }
        builder = builder
            .network_access(self.fetch_mode(), self.allow_remote)
            .fetch_limit(self.fetch_limit)
            .fetch_timeout(Duration::from_secs(self.fetch_timeout))
            .fetch_retries(self.fetch_retries, Duration::from_millis(self.fetch_pause));
        if let Some(directory) = &self.fetch {
            std::fs::create_dir_all(directory)
                .and_then(|()| remove_abandoned(directory))
                .map_err(|error| format!("--fetch {}: {error}", directory.display()))?;
            builder = builder.fetch_into(directory);
        }
        Ok(builder)
    }

    /// Reads the options of `--config`; null without it.
    fn config(&self) -> Result<Value, String> {
        let Some(file) = &self.config else {
            return Ok(Value::Null);
        };
        let text = std::fs::read(file).map_err(|error| self.about_config(&error))?;
        serde_json::from_slice(&text).map_err(|error| self.about_config(&error))
    }

    fn about_config(&self, error: &dyn ToString) -> String {
        let file = self.config.as_deref().unwrap_or(Path::new(""));
        format!("--config {}: {}", file.display(), error.to_string())
    }

    fn fetch_mode(&self) -> Fetch {
        match (&self.fetch, self.allow_remote) {
            (None, _) => Fetch::Nothing,
            (Some(_), false) => Fetch::LoopbackOnly,
            (Some(_), true) => Fetch::Everything,
        }
    }

    fn credentials(&self) -> Result<Option<(String, String)>, String> {
        match (&self.client_id, &self.client_secret, &self.config) {
            (None, None, _) => Ok(None),
            (Some(id), Some(secret), _) => Ok(Some((id.clone(), secret.clone()))),
            (_, _, Some(_)) => Err(
                "with --config, give both --client-id and --client-secret or neither".to_owned(),
            ),
            (id, secret, None) => Ok(Some((
                id.clone().unwrap_or_else(|| CLIENT_ID.to_owned()),
                secret.clone().unwrap_or_else(|| CLIENT_SECRET.to_owned()),
            ))),
        }
    }

    pub(super) fn listener(&self) -> Result<TcpListener, String> {
        let listen = &self.listen;
        let addresses: Vec<SocketAddr> = listen
            .to_socket_addrs()
            .map_err(|error| format!("--listen {listen}: {error}; expected ADDRESS:PORT"))?
            .collect();
        let outside = addresses.iter().find(|it| !it.ip().is_loopback());
        if let (Some(outside), false) = (outside, self.allow_remote_clients) {
            return Err(format!(
                "{outside} can be reached from other machines, and the mock does not authenticate its clients: \
                 listen on 127.0.0.1 or [::1], or add --allow-remote-clients"
            ));
        }
        TcpListener::bind(&addresses[..]).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => format!(
                "{listen} is in use by another program. Choose another port with --listen, or 0 for a free one"
            ),
            ErrorKind::PermissionDenied => {
                format!("no permission to listen on {listen}; choose a port above 1023")
            }
            _ => format!("cannot listen on {listen}: {error}"),
        })
    }

    pub(super) fn log_format(&self) -> LogFormat {
        match (self.quiet, self.json) {
            (true, _) => LogFormat::Nothing,
            (false, true) => LogFormat::Json,
            (false, false) => LogFormat::Text,
        }
    }
}

/// Reads a positive number of seconds, such as `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let given = text.parse().ok();
    given
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|given| !given.is_zero())
        .ok_or_else(|| "expected a positive number of seconds".to_owned())
}

fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Reads a builder from an object of options, or from null. Missing options have the defaults of the program.
pub(super) fn builder_from_json(options: Value) -> Result<Builder, String> {
    let mut all = json!({ "kept_requests": KEPT_REQUESTS, "seed": random_seed() });
    match (&mut all, options) {
        (_, Value::Null) => {}
        (Value::Object(all), Value::Object(options)) => all.extend(options),
        _ => return Err("options must be an object".to_owned()),
    }
    serde_json::from_value(all).map_err(|error| error.to_string())
}
