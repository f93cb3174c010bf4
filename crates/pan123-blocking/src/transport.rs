//! Sends one request over ureq as it is: follows no redirect, repeats nothing, treats no status as a failure.

#[cfg(feature = "precise-connect-errors")]
mod connect;
#[cfg(feature = "precise-connect-errors")]
mod interrupt;

use std::fmt;
use std::process;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONNECTION, CONTENT_LENGTH};
use pan123_proto::{Transmit, TransportError};
use ureq::config::Config;
use ureq::{Agent, AsSendBody, Body, Timeout};

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
/// at once. A name lookup and a TCP connect cannot be interrupted and end after the connect timeout. Without the feature, or with an
/// agent that was built elsewhere, a stopped call waits for its request, up to the request timeout.
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
    agent: Agent,
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
        let connect_timeout = connect_timeout.min(usual_timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
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
            agent: agent_with(config.build()),
            connect_timeout,
            usual_timeout: Some(usual_timeout),
            is_ours: true,
            direct: false,
            process: process::id(),
            of_child: OnceLock::new(),
        }
    }

    /// Builds an agent from this configuration, with this timeout to look a name up and to connect.
    pub fn from_config(config: Config, connect_timeout: Duration) -> UreqTransport {
        UreqTransport {
            agent: agent_with(config),
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
        let fresh = transmit.fresh_connection || self.is_in_child();
        if fresh {
            let close = HeaderValue::from_static("close");
            parts.headers.insert(CONNECTION, close);
        }
        // ureq sends a `Content-Length` with an empty body, even on a GET; without a body it sends none.
        if body.is_empty() && !parts.headers.contains_key(CONTENT_LENGTH) {
            self.run(
                http::Request::from_parts(parts, ()),
                transmit.timeout,
                fresh,
            )
        } else {
            self.run(
                http::Request::from_parts(parts, &body[..]),
                transmit.timeout,
                fresh,
            )
        }
    }

    fn run(
        &self,
        request: http::Request<impl AsSendBody>,
        timeout: Duration,
        fresh: bool,
    ) -> Result<http::Response<Body>, ureq::Error> {
        if self.usual_timeout == Some(timeout) && !self.direct && !fresh {
            return self.agent.run(request);
        }
        let agent = self.agent();
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
        // No kept connection is young enough.
        let request = if fresh {
            request.max_idle_age(Duration::ZERO)
        } else {
            request
        };
        agent.run(request.build())
    }

    fn is_in_child(&self) -> bool {
        self.process != process::id()
    }

    fn agent(&self) -> &Agent {
        if self.is_in_child() && self.is_ours {
            let agent = || agent_with(self.agent.config().clone());
            self.of_child.get_or_init(agent)
        } else {
            &self.agent
        }
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
        let is_complete = match &answer {
            // A body without a length may have been cut off.
            Ok(response) => response.headers().contains_key(CONTENT_LENGTH),
            Err(error) => !error.may_have_arrived(),
        };
        if interruptible.has_fired() && !is_complete {
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
        let limit = u64::try_from(transmit.body_limit).unwrap_or(u64::MAX);
        let (parts, mut body) = self.exchange(transmit).map_err(failed)?.into_parts();
        let body = body.with_config().limit(limit).read_to_vec();
        let body = body.map_err(failed)?;
        Ok(http::Response::from_parts(parts, body.into()))
    }
}

impl fmt::Debug for UreqTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UreqTransport")
    }
}

/// Builds an agent whose failures to connect are marked where they can be.
fn agent_with(config: Config) -> Agent {
    #[cfg(feature = "precise-connect-errors")]
    return connect::Marked::agent(config);
    #[cfg(not(feature = "precise-connect-errors"))]
    Agent::new_with_config(config)
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
