//! Sends one request over reqwest as it is: follows no redirect, repeats nothing, treats no status as a failure.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONNECTION;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use pan123_proto::{BuildError, Transmit, TransportError};
use reqwest::Url;

use crate::drive::BoxFuture;

/// Sends a request and returns its response.
///
/// An implementation follows no redirect, sends nothing twice, returns every HTTP status as a response, and keeps to the timeout
/// and to the body limit. It returns [`TransportError::never_left`] only if not one byte was sent.
///
/// ```
/// use pan123_async::proto::bytes::Bytes;
/// use pan123_async::proto::http::Response;
/// use pan123_async::proto::{Transmit, TransportError};
/// use pan123_async::context::{BoxFuture, Transport};
/// use pan123_async::Client;
///
/// /// Returns the same response to every request.
/// struct Canned(&'static str);
///
/// impl Transport for Canned {
///     fn send(&self, _: Transmit) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
///         Box::pin(async { Ok(Response::new(Bytes::from_static(self.0.as_bytes()))) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), pan123_async::Error> {
/// let user = Canned(r#"{"code": 0, "data": {"uid": 7, "nickname": "alice"}}"#);
/// let client = Client::builder().access_token("token").transport(user).build()?;
/// assert_eq!(client.user_info().await?.nickname, "alice");
/// # Ok(())
/// # }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Sends the request and reads the whole response.
    fn send(
        &self,
        transmit: Transmit,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>>;
}

type Answer = Result<reqwest::Response, reqwest::Error>;

/// The transport over reqwest.
///
/// # Panics
///
/// [`send`](Transport::send) panics if its future is polled outside a tokio runtime with its IO and time drivers enabled.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    /// The client's timeout, if it is known: only a request with another one carries it along.
    usual_timeout: Option<Duration>,
    /// For requests that need a connection of their own.
    fresh: Option<Arc<FreshConnections>>,
    /// Of the first request, and as a rule of all others.
    origin: Arc<OnceLock<Origin>>,
    /// Whether a failure to connect means that nothing was sent: with redirects it may be about a later hop.
    one_hop: bool,
}

impl ReqwestTransport {
    /// Builds a reqwest client, with redirects and retries off and with this connect timeout.
    ///
    /// # Errors
    ///
    /// [`BuildError::Client`] if reqwest cannot build the client, for example because no CA certificates are installed.
    ///
    /// # Panics
    ///
    /// With the feature `rustls-no-provider` and without `rustls`, if the program has not installed a crypto provider.
    pub fn from_builder(
        builder: reqwest::ClientBuilder,
        connect_timeout: Duration,
    ) -> Result<ReqwestTransport, BuildError> {
        builder
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .build()
            .map(|client| ReqwestTransport {
                client,
                usual_timeout: None,
                fresh: None,
                origin: Arc::default(),
                one_hop: true,
            })
            .map_err(|error| BuildError::Client(Arc::new(error)))
    }

    /// Builds a client like [`from_builder`](ReqwestTransport::from_builder), for requests of which most have this timeout.
    pub(crate) fn with_usual_timeout(
        builder: reqwest::ClientBuilder,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<ReqwestTransport, BuildError> {
        let built = ReqwestTransport::from_builder(builder.timeout(timeout), connect_timeout)?;
        Ok(ReqwestTransport {
            usual_timeout: Some(timeout),
            ..built
        })
    }

    /// Uses a reqwest client that was built elsewhere. Its redirects and retries should be off: a response from another URL is an
    /// error, and a failure to connect counts as "may have arrived", since it may be about a later hop.
    ///
    /// A request that needs a connection of its own ([`Transmit::fresh_connection`]) may take one that is kept, but closes it, so that
    /// no other request gets a response to it.
    pub fn from_client(client: reqwest::Client) -> ReqwestTransport {
        ReqwestTransport {
            client,
            usual_timeout: None,
            fresh: None,
            origin: Arc::default(),
            one_hop: false,
        }
    }

    /// Sends requests that need a connection of their own over a second client, which keeps none.
    pub(crate) fn with_fresh_connections(
        mut self,
        build: impl Fn() -> Result<ReqwestTransport, BuildError> + Send + Sync + 'static,
    ) -> ReqwestTransport {
        self.fresh = Some(Arc::new(FreshConnections {
            build: Box::new(build),
            built: OnceLock::new(),
        }));
        self
    }

    async fn exchange(&self, transmit: Transmit) -> Result<http::Response<Bytes>, TransportError> {
        let body_limit = transmit.body_limit;
        let (asked, answer) = self.start(transmit)?;
        let mut answer = answer.await.map_err(|error| self.failed(error))?;
        if asked.is_some_and(|asked| *answer.url() != asked) {
            return Err(TransportError::redirected());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(error))? {
            if chunk.len() > body_limit - body.len() {
                return Err(TransportError::body_too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Sends the request. Returns its URL, too, if the response may come from another one.
    fn start(
        &self,
        transmit: Transmit,
    ) -> Result<(Option<Url>, impl Future<Output = Answer> + use<>), TransportError> {
        let (parts, body) = transmit.request.into_parts();
        let url = self.url(&parts.uri)?;
        let asked = (!self.one_hop).then(|| url.clone());
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.into());
        let mut sender = self;
        if transmit.fresh_connection {
            let close = HeaderValue::from_static("close");
            request.headers_mut().insert(CONNECTION, close);
            if let Some(fresh) = &self.fresh {
                sender = fresh.transport()?;
            }
        }
        if sender.usual_timeout != Some(transmit.timeout) {
            *request.timeout_mut() = Some(transmit.timeout);
        }
        Ok((asked, sender.client.execute(request)))
    }

    /// Parses the URL of a request; of the origin that is known already only the path and the query.
    fn url(&self, uri: &Uri) -> Result<Url, TransportError> {
        if self.origin.get().is_none()
            && let Some(origin) = Origin::of(uri)
        {
            let _ = self.origin.set(origin);
        }
        match self.origin.get().filter(|origin| origin.is_of(uri)) {
            Some(origin) => Ok(origin.with_path_of(uri)),
            None => Url::parse(&uri.to_string()).map_err(TransportError::never_left),
        }
    }

    /// Only a failure to connect means that nothing was sent.
    fn failed(&self, error: reqwest::Error) -> TransportError {
        let error = error.without_url();
        if error.is_connect() && self.one_hop {
            TransportError::not_connected(error)
        } else if error.is_timeout() {
            TransportError::timed_out()
        } else {
            TransportError::interrupted(error)
        }
    }
}

/// Scheme, host and port, parsed once.
struct Origin {
    scheme: Scheme,
    authority: Authority,
    url: Url,
}

impl Origin {
    fn of(uri: &Uri) -> Option<Origin> {
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        let url = Url::parse(&format!("{scheme}://{authority}/")).ok()?;
        Some(Origin {
            scheme,
            authority,
            url,
        })
    }

    fn is_of(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&self.scheme) && uri.authority() == Some(&self.authority)
    }

    fn with_path_of(&self, uri: &Uri) -> Url {
        let mut url = self.url.clone();
        url.set_path(uri.path());
        url.set_query(uri.query());
        url
    }
}

/// A transport that keeps no connection, built when the first request needs one.
struct FreshConnections {
    build: Box<dyn Fn() -> Result<ReqwestTransport, BuildError> + Send + Sync>,
    built: OnceLock<ReqwestTransport>,
}

impl FreshConnections {
    fn transport(&self) -> Result<&ReqwestTransport, TransportError> {
        if let Some(transport) = self.built.get() {
            return Ok(transport);
        }
        let built = (self.build)().map_err(TransportError::never_left)?;
        Ok(self.built.get_or_init(|| built))
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        transmit: Transmit,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(transmit))
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}
