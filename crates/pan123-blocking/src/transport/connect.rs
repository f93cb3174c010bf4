//! ureq's own resolver and connector, with their failures marked: ureq reports a name that was not found, a refused
//! connection or a broken TLS handshake as the same plain IO errors as an answer that was lost. Their connections can be interrupted.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::Uri;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, NextTimeout, ShutdownHandle, Transport,
};

use super::addresses::{Addresses, Found, NotFound};
use super::interrupt::{Connection, use_socket};

/// How long addresses are remembered. The lifetime that a name server gives is not known here; services that move an address use
/// 30 s or more, and an idle connection to the old one lives nearly as long.
const LIFETIME: Duration = Duration::from_secs(30);

/// The most addresses that ureq takes.
const MAX_ADDRESSES: usize = 16;

/// A failure before there was a connection: nothing was sent.
#[derive(Debug)]
pub(super) struct NotConnected(ureq::Error);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NotConnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

fn mark(error: ureq::Error) -> ureq::Error {
    ureq::Error::Other(Box::new(NotConnected(error)))
}

/// Builds agents that share the addresses of names.
pub(super) struct Agents(Arc<Addresses>);

impl Agents {
    pub(super) fn new() -> Agents {
        Agents::looking_up(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    /// Looks names up with this function.
    pub(super) fn looking_up(
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Agents {
        Agents(Arc::new(Addresses::new(LIFETIME, look_up)))
    }

    pub(super) fn build(&self, config: Config) -> Agent {
        let connector = Marked::new(Some(Arc::clone(&self.0)));
        let resolver = RememberingResolver(Arc::clone(&self.0));
        Agent::with_parts(config, connector, resolver)
    }

    /// Builds an agent for a forked child, which has none of the threads and must not wait for a lock of its parent.
    pub(super) fn build_for_child(config: Config) -> Agent {
        let resolver = MarkedResolver(DefaultResolver::default());
        Agent::with_parts(config, Marked::new(None), resolver)
    }
}

/// ureq's connector, with its failures marked.
#[derive(Debug)]
struct Marked {
    connector: DefaultConnector,
    /// What is forgotten when a connection fails.
    addresses: Option<Arc<Addresses>>,
}

impl Marked {
    fn new(addresses: Option<Arc<Addresses>>) -> Marked {
        Marked {
            connector: DefaultConnector::new(),
            addresses,
        }
    }
}

impl Connector for Marked {
    type Out = Connection<Box<dyn Transport>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let socket = Arc::<OnceLock<Weak<dyn ShutdownHandle>>>::default();
        let (opened, register) = (Arc::clone(&socket), Arc::clone(&details.register_shutdown));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::new(move |handle| {
                use_socket(Some(opened.get_or_init(|| handle.clone())));
                register(handle)
            }),
        };
        let connected = self.connector.connect(&details, chained);
        if let (Err(_), Some(addresses)) = (&connected, &self.addresses) {
            addresses.forget();
        }
        let transport = connected.map_err(mark)?;
        Ok(transport.map(|transport| Connection::new(transport, socket.get().cloned())))
    }
}

/// ureq's resolver, which starts a thread for each request, with its failures marked.
#[derive(Debug)]
struct MarkedResolver(DefaultResolver);

impl Resolver for MarkedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(mark)
    }
}

/// Remembers addresses: ureq asks for them for each request, even if it has a connection.
#[derive(Debug)]
struct RememberingResolver(Arc<Addresses>);

impl Resolver for RememberingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(mark(ureq::Error::BadUri(uri.to_string())));
        };
        let host = authority.host();
        // ureq has checked the scheme: others are SOCKS.
        let port = authority.port_u16().unwrap_or(match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        });
        if let Some(ip) = literal(host) {
            return wanted(config, &[SocketAddr::new(ip, port)]);
        }
        let found = match self.0.known(host, port) {
            Some(found) => found,
            None => self.look_up(host, port, timeout).map_err(mark)?,
        };
        wanted(config, &found)
    }
}

impl RememberingResolver {
    fn look_up(&self, host: &str, port: u16, timeout: NextTimeout) -> Result<Found, ureq::Error> {
        let waits = Arc::new(Waits {
            addresses: Arc::clone(&self.0),
            stopped: AtomicBool::new(false),
        });
        let stop: Weak<dyn ShutdownHandle> = Arc::<Waits>::downgrade(&waits);
        use_socket(Some(&stop));
        let after = (!timeout.after.is_not_happening()).then_some(*timeout.after);
        let found = self.0.look_up(host, port, after, &waits.stopped);
        use_socket(None);
        found.map_err(|error| match error {
            NotFound::TimedOut => ureq::Error::Timeout(timeout.reason),
            NotFound::Stopped => io::Error::from(io::ErrorKind::Interrupted).into(),
            NotFound::Failed(error) => error.into(),
        })
    }
}

/// Returns the address if the host is one.
fn literal(host: &str) -> Option<IpAddr> {
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// Returns the addresses of the family that is wanted.
fn wanted(config: &Config, found: &[SocketAddr]) -> Result<ResolvedSocketAddrs, ureq::Error> {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let mut addresses = ResolvedSocketAddrs::from_fn(|_| nowhere);
    let family = config.ip_family();
    for address in family
        .keep_wanted(found.iter().copied())
        .take(MAX_ADDRESSES)
    {
        addresses.push(address);
    }
    if addresses.is_empty() {
        return Err(mark(ureq::Error::HostNotFound));
    }
    Ok(addresses)
}

/// Ends the wait for a lookup when the call is stopped.
struct Waits {
    addresses: Arc<Addresses>,
    stopped: AtomicBool,
}

impl ShutdownHandle for Waits {
    fn shutdown(&self) {
        self.stopped.store(true, Ordering::Release);
        self.addresses.wake();
    }
}
