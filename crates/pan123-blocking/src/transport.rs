//! Sends one request over ureq as it is: follows no redirect, repeats nothing, treats no status as a failure.

#[cfg(feature = "precise-connect-errors")]
mod addresses;
#[cfg(feature = "precise-connect-errors")]
mod connect;
#[cfg(feature = "precise-connect-errors")]
mod interrupt;
#[cfg(not(feature = "precise-connect-errors"))]
mod plain;

use std::fmt;
use std::io::{self, Read};
use std::process;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH};
use pan123_proto::{Transmit, TransportError};
use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;
use ureq::{Agent, AsSendBody, Body, Timeout};

#[cfg(feature = "precise-connect-errors")]
use self::connect::Agents;
#[cfg(not(feature = "precise-connect-errors"))]
use self::plain::Agents;

/// How many idle connections are kept, for as many threads that call at once. ureq closes those that were idle for 15 s.
const MAX_IDLE_CONNECTIONS: usize = 100;

/// For how much of a body memory is reserved before it comes.
const MAX_EXPECTED_BODY: usize = 64 * 1024;

/// Sends a request and returns its response.
///
/// An implementation follows no redirect, sends nothing twice, returns every HTTP status as a response, and keeps to the timeout
/// and to the body limit. It returns [`TransportError::never_left`] only if not one byte was sent.
///
/// ```
/// use pan123_blocking::proto::bytes::Bytes;
/// use pan123_blocking::proto::http::Response;
/// use pan123_blocking::proto::{Transmit, TransportError};
/// use pan123_blocking::context::Transport;
/// use pan123_blocking::Client;
///
/// /// Returns the same response to every request.
/// struct Canned(&'static str);
///
/// impl Transport for Canned {
///     fn send(&self, _: Transmit) -> Result<Response<Bytes>, TransportError> {
///         Ok(Response::new(Bytes::from_static(self.0.as_bytes())))
///     }
/// }
///
/// # fn main() -> Result<(), pan123_blocking::Error> {
/// let user = Canned(r#"{"code": 0, "data": {"uid": 7, "nickname": "alice"}}"#);
/// let client = Client::builder().access_token("token").transport(user).build()?;
/// assert_eq!(client.user_info()?.nickname, "alice");
/// # Ok(())
/// # }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Sends the request and reads the whole response.
    ///
    /// # Errors
    ///
    /// [`TransportError`], which tells how far the request got.
    fn send(&self, transmit: Transmit) -> Result<http::Response<Bytes>, TransportError>;
}

/// The transport over ureq.
///
/// Without the feature `precise-connect-errors` most failures to connect count as "may have arrived": a create that meets one is
/// not sent again and ends with [`Error::Ambiguous`](pan123_proto::Error::Ambiguous).
///
/// With that feature, a stop of a call shuts the socket of its request down, so that a blocked read or write or a TLS handshake ends
/// at once, and so does the wait for a name lookup. A TCP connect cannot be interrupted and ends after the connect timeout. Without the
/// feature, or with an agent that was built elsewhere, a stopped call waits for its request, up to the request timeout.
///
/// With that feature, the addresses of a name are remembered for 30 s, until a connection fails. Up to four names are looked up at a
/// time, on threads that are kept for 10 s. Without the feature, with an agent that was built elsewhere and in a forked child, ureq starts
/// a thread for each request to look its name up, even for one over a connection that was kept.
///
/// Up to 100 idle connections are kept, each for 15 s; a configuration of your own has ureq's figures: 3 to a host, 10 in all.
///
/// In a forked child process each request has a connection of its own, since parent and child share those that are kept. Fork while no
/// call runs: threads do not exist in the child, so that a token fetch in flight is waited for until its lease has passed.
///
/// At the level TRACE ureq logs every byte that it sends and reads, tokens and client secret included (target `ureq_proto`),
/// and where a redirect points (target `ureq`). Only the logger's filter keeps that out: `ureq=debug,ureq_proto=debug`.
///
/// # Panics
///
/// With the feature `rustls-no-provider` and without `rustls`, the first request over TLS panics if the program has not installed a
/// crypto provider.
#[derive(Clone)]
pub struct UreqTransport {
    /// Keeps its connections.
    agent: Agent,
    /// For requests with a connection of their own: on the way to one, ureq closes all that an agent keeps. It is the same agent if
    /// it was built elsewhere.
    single_use: Agent,
    connect_timeout: Duration,
    /// The timeout that the agent is configured with, if it is ours: a request with this timeout needs no settings of its own.
    usual_timeout: Option<Duration>,
    /// Whether the agent was built here, and can be built again.
    is_ours: bool,
    /// Whether a proxy must not be used.
    direct: bool,
    /// The process whose connections the agent keeps.
    process: u32,
    /// The agent of a forked child, which must not even look at the connections of its parent. It keeps none, so that the children of
    /// the child may use it, too.
    of_child: OnceLock<Agent>,
}

impl UreqTransport {
    /// Builds an agent with this timeout to look a name up and to connect, and with the timeout that most requests have.
    pub fn new(connect_timeout: Duration, usual_timeout: Duration) -> UreqTransport {
        UreqTransport::ours(connect_timeout, usual_timeout, Agent::config_builder())
    }

    /// The same, but sends through no proxy, whatever the environment says.
    pub(crate) fn without_proxy(
        connect_timeout: Duration,
        usual_timeout: Duration,
    ) -> UreqTransport {
        let config = Agent::config_builder().proxy(None);
        UreqTransport::ours(connect_timeout, usual_timeout, config)
    }

    fn ours(
        connect_timeout: Duration,
        usual_timeout: Duration,
        config: ConfigBuilder<AgentScope>,
    ) -> UreqTransport {
        let connect_timeout = connect_timeout.min(usual_timeout);
        let config = config
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(MAX_IDLE_CONNECTIONS)
            .max_idle_connections_per_host(MAX_IDLE_CONNECTIONS)
            .timeout_global(Some(usual_timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout));
        #[cfg(any(
            feature = "rustls",
            feature = "rustls-no-provider",
            feature = "native-tls"
        ))]
        let config = config.tls_config(tls());
        UreqTransport {
            usual_timeout: Some(usual_timeout),
            ..UreqTransport::from_config(config.build(), connect_timeout)
        }
    }

    /// Builds an agent from this configuration, with this timeout to look a name up and to connect. For a client that many threads
    /// share, raise its [`max_idle_connections_per_host`](ConfigBuilder::max_idle_connections_per_host) and
    /// [`max_idle_connections`](ConfigBuilder::max_idle_connections).
    pub fn from_config(config: Config, connect_timeout: Duration) -> UreqTransport {
        let agents = Agents::new();
        UreqTransport {
            agent: agents.build(config.clone()),
            single_use: agents.build(config),
            connect_timeout,
            usual_timeout: None,
            is_ours: true,
            direct: false,
            process: process::id(),
            of_child: OnceLock::new(),
        }
    }

    /// Uses an agent that was built elsewhere. Redirects and errors for statuses are switched off for each request. Most
    /// failures to connect count as "may have arrived", since the agent does not tell how far the request got.
    pub fn from_agent(agent: Agent) -> UreqTransport {
        let connect_timeout = agent.config().timeouts().connect;
        UreqTransport {
            single_use: agent.clone(),
            agent,
            connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(10)),
            usual_timeout: None,
            is_ours: false,
            direct: false,
            process: process::id(),
            of_child: OnceLock::new(),
        }
    }

    /// Sends through no proxy, whatever the configuration and the environment say.
    pub(crate) fn direct(mut self, direct: bool) -> UreqTransport {
        self.direct = direct;
        self
    }

    fn exchange(&self, transmit: Transmit) -> Result<http::Response<Body>, ureq::Error> {
        warn_of_wire_log();
        let (mut parts, body) = transmit.request.into_parts();
        // A forked child shares the kept connections of its parent, and each would read the responses to the other.
        let is_in_child = self.process != process::id();
        let fresh = transmit.fresh_connection || is_in_child;
        if fresh {
            let close = HeaderValue::from_static("close");
            parts.headers.insert(CONNECTION, close);
        }
        let agent = if is_in_child && self.is_ours {
            self.agent_of_child()
        } else if fresh {
            &self.single_use
        } else {
            &self.agent
        };
        // ureq sends a `Content-Length` with an empty body, even on a GET; without a body it sends none.
        if body.is_empty() && !parts.headers.contains_key(CONTENT_LENGTH) {
            let request = http::Request::from_parts(parts, ());
            self.run(agent, request, transmit.timeout, fresh)
        } else {
            let request = http::Request::from_parts(parts, &body[..]);
            self.run(agent, request, transmit.timeout, fresh)
        }
    }

    fn run(
        &self,
        agent: &Agent,
        request: http::Request<impl AsSendBody>,
        timeout: Duration,
        fresh: bool,
    ) -> Result<http::Response<Body>, ureq::Error> {
        if self.usual_timeout == Some(timeout) {
            return agent.run(request);
        }
        let connect_timeout = self.connect_timeout.min(timeout);
        // The user's agent may have other settings.
        let request = agent.configure_request(request);
        let request = request
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_resolve(Some(connect_timeout))
            .timeout_connect(Some(connect_timeout));
        let request = if self.direct {
            request.proxy(None)
        } else {
            request
        };
        // No connection that an agent built elsewhere keeps is young enough.
        let request = if fresh {
            request.max_idle_age(Duration::ZERO)
        } else {
            request
        };
        agent.run(request.build())
    }

    fn agent_of_child(&self) -> &Agent {
        let build = || Agents::build_for_child(self.agent.config().clone());
        self.of_child.get_or_init(build)
    }
}

impl Transport for UreqTransport {
    #[cfg(feature = "precise-connect-errors")]
    fn send(&self, mut transmit: Transmit) -> Result<http::Response<Bytes>, TransportError> {
        let interruptible = interrupt::Interruptible::until(transmit.cancelled.take());
        if interruptible.has_fired() {
            return Err(TransportError::never_left("stopped before it was sent"));
        }
        let answer = self.send_uninterrupted(transmit);
        if interruptible.has_fired() && !is_complete(&answer) {
            return Err(TransportError::abandoned());
        }
        answer
    }

    #[cfg(not(feature = "precise-connect-errors"))]
    fn send(&self, transmit: Transmit) -> Result<http::Response<Bytes>, TransportError> {
        self.send_uninterrupted(transmit)
    }
}

impl UreqTransport {
    fn send_uninterrupted(
        &self,
        transmit: Transmit,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let limit = transmit.body_limit;
        let (parts, body) = self.exchange(transmit).map_err(failed)?.into_parts();
        let body = read_body(body, limit).map_err(|error| failed(error.into()))?;
        Ok(http::Response::from_parts(parts, body.into()))
    }
}

/// Whether a stop can have cut nothing off.
#[cfg(feature = "precise-connect-errors")]
fn is_complete(answer: &Result<http::Response<Bytes>, TransportError>) -> bool {
    match answer {
        // A body without a length may have been cut off.
        Ok(response) => response.headers().contains_key(CONTENT_LENGTH),
        Err(error) => !error.may_have_arrived(),
    }
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UreqTransport")
    }
}

/// Reads a body in one piece if its length is known.
fn read_body(body: Body, limit: usize) -> io::Result<Vec<u8>> {
    let length = body
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    let expected = length.unwrap_or_default().min(limit).min(MAX_EXPECTED_BODY);
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(expected);
    let mut reader = body.into_with_config().limit(limit).reader();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The backend that the features ask for.
#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
fn tls() -> ureq::tls::TlsConfig {
    let config = ureq::tls::TlsConfig::builder();
    #[cfg(all(
        feature = "native-tls",
        not(any(feature = "rustls", feature = "rustls-no-provider"))
    ))]
    let config = config.provider(ureq::tls::TlsProvider::NativeTls);
    #[cfg(feature = "platform-verifier")]
    let config = config.root_certs(ureq::tls::RootCerts::PlatformVerifier);
    config.build()
}

/// Only the logger's filter can keep the bytes out of the log.
fn warn_of_wire_log() {
    if log::log_enabled!(target: "ureq_proto::util", log::Level::Trace) {
        log::warn!(
            target: "pan123",
            "at TRACE ureq logs every byte, tokens and client secret included: filter `ureq=debug,ureq_proto=debug`"
        );
    }
}

/// Only a failure before there was a connection means that nothing was sent.
fn failed(error: ureq::Error) -> TransportError {
    match error {
        #[cfg(feature = "precise-connect-errors")]
        ureq::Error::Other(source) if source.is::<connect::NotConnected>() => {
            TransportError::not_connected(source)
        }
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::TlsRequired
        | ureq::Error::RequireHttpsOnly(_) => TransportError::never_left(error),
        ureq::Error::Timeout(_) => TransportError::timed_out(),
        ureq::Error::BodyExceedsLimit(_) => TransportError::body_too_large(),
        error => TransportError::interrupted(error),
    }
}
