//! An endpoint of the service as a type, and how a value of it is lowered to an `http::Request`.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt::{self, Display};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BuildError, UrlFault};
use crate::scrub::Secrets;
use crate::url::check_http_url;

/// One endpoint of the service: a request that knows its answer.
///
/// What holds of the endpoint as such is part of the type: how it proves who asks, how fast it may be asked, whether it
/// may be asked twice. An endpoint that this crate does not have is a few lines of your own:
///
/// ```
/// use pan123_proto::{Endpoint, FileId, Query, RateClass, Idempotency};
/// use std::time::Duration;
///
/// struct GetDirectLink(FileId);
///
/// #[derive(serde::Deserialize)]
/// struct DirectLink { url: String }
///
/// impl Endpoint for GetDirectLink {
///     const METHOD: http::Method = http::Method::GET;
///     const PATH: &'static str = "/api/v1/direct-link/url";
///     const RATE: RateClass = RateClass::new("direct-link/url", Duration::from_millis(200));
///     const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
///     type Response = DirectLink;
///
///     fn query(&self, query: &mut Query) {
///         query.push("fileID", self.0);
///     }
/// }
/// # let session = pan123_proto::Session::builder().access_token("t").build()?;
/// let call = session.call(&GetDirectLink(FileId::new(14749954)?))?;
/// # drop(call);
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
pub trait Endpoint {
    /// The HTTP method.
    const METHOD: Method;
    /// The path below the base URL, with its leading slash.
    const PATH: &'static str;
    /// Which requests share a pace with this one.
    const RATE: RateClass;
    /// How the request proves who asks.
    const AUTH: Auth = Auth::Bearer;
    /// Whether the request may be sent again when nobody knows whether it arrived.
    const IDEMPOTENCY: Idempotency;
    /// Where in the answer its content stands.
    const RESPONSE_FORMAT: ResponseFormat = ResponseFormat::Envelope;
    /// Whether the answer may hold a secret, such as a token or a signed URL: nothing of its content is quoted in an error.
    const SECRET_RESPONSE: bool = matches!(Self::AUTH, Auth::None);

    /// What the answer holds: its `data`, or all of it where there is no envelope. `()` promises nothing.
    type Response: DeserializeOwned + Send + 'static;

    /// Adds the parameters of the query.
    fn query(&self, query: &mut Query) {
        let _ = query;
    }

    /// Adds what of the request must not be seen in an error or a log, should an answer echo it. The session's own token
    /// and client secret are known anyway.
    fn secrets(&self, secrets: &mut Secrets) {
        let _ = secrets;
    }

    /// The body of the request.
    ///
    /// # Errors
    ///
    /// What cannot be written fails here, before anything is sent.
    fn body(&self) -> Result<Body, BuildError> {
        Ok(Body::Empty)
    }
}

/// How a request proves who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// By the session's access token.
    Bearer,
    /// Not at all, or by what it says itself. The answer to such a request may be a token: if it is lost it is asked for once
    /// more only.
    None,
}

/// Whether a request may be sent again when it may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Asking twice does no more than asking once.
    Idempotent,
    /// Asking twice may do the work twice. It is sent again only if it certainly never left or was refused.
    NonIdempotent,
}

/// Where in an answer its content stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// In the `data` of the service's envelope.
    Envelope,
    /// The whole body is the content, under an HTTP status of success. An envelope with a `code` other than 0 is a refusal
    /// here too, and so is a body with an `error` or an `error_description`.
    Flat,
}

/// Requests that share one pace, with the time between two of them by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateClass {
    name: &'static str,
    interval: Duration,
}

impl RateClass {
    /// A class of this name, one request every `interval`; zero is no limit. Classes of the same name share one queue.
    pub const fn new(name: &'static str, interval: Duration) -> RateClass {
        RateClass { name, interval }
    }

    /// The name, by which a session's pacing can set another interval.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The time between two requests, unless the session says otherwise.
    pub const fn interval(&self) -> Duration {
        self.interval
    }
}

/// The body of a request.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// None.
    Empty,
    /// JSON, already written.
    Json(Bytes),
}

impl Body {
    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// [`BuildError::Body`] if the value cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> Result<Body, BuildError> {
        serde_json::to_vec(value)
            .map(|json| Body::Json(json.into()))
            .map_err(BuildError::Body)
    }
}

/// By its length: a body may hold a secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Json(json) => write!(f, "Json([{} bytes])", json.len()),
        }
    }
}

/// The parameters of a request's query, in the order they are pushed.
#[derive(Clone, Default)]
pub struct Query(String);

/// By its length: a query may hold a secret.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query([{} bytes])", self.0.len())
    }
}

/// All but the characters that RFC 3986 calls unreserved.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Query {
    /// With its `?`; empty without parameters.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds a parameter, percent-encoded.
    pub fn push(&mut self, key: &str, value: impl Display) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.extend(utf8_percent_encode(key, ENCODED));
        self.0.push('=');
        let value = value.to_string();
        self.0.extend(utf8_percent_encode(&value, ENCODED));
    }
}

/// Where the service is: the part of every URL before the path. It has no user and no query, and so nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    pub(crate) const SERVICE: &'static str = "https://open-api.123pan.com";

    pub(crate) fn parse(url: &str, plain_http: PlainHttp) -> Result<BaseUrl, BuildError> {
        const WHAT: &str = "base URL";
        check_http_url(WHAT, url)?;
        let refused = |fault| BuildError::Url { what: WHAT, fault };
        let uri: Uri = url.parse().map_err(|_| refused(UrlFault::NotABaseUrl))?;
        // A user and a password would go out beside the token, and HTTP clients do not agree on how.
        let user = uri
            .authority()
            .is_none_or(|host| host.as_str().contains('@'));
        if user || uri.query().is_some() || url.contains('#') {
            return Err(refused(UrlFault::NotABaseUrl));
        }
        if plain_http == PlainHttp::ToLoopback
            && uri.scheme() != Some(&Scheme::HTTPS)
            && !is_loopback(&uri)
        {
            return Err(refused(UrlFault::PlainHttp));
        }
        Ok(BaseUrl(url.trim_end_matches('/').to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent there is not encrypted.
    pub(crate) fn is_plain(&self) -> bool {
        let scheme = self.0.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.eq_ignore_ascii_case("http")
    }
}

/// Where credentials may go unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    ToLoopback,
    Anywhere,
}

/// Whether the host is this machine, spelled so that no HTTP client and no resolver takes it for another. The whole authority
/// is looked at: `Uri::host` takes `[::1].example.com` for `[::1]`.
fn is_loopback(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", Authority::as_str);
    let port = authority.rfind(':').filter(|at| {
        let port = &authority[at + 1..];
        port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let host = &authority[..port.unwrap_or(authority.len())];
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

/// A request as it goes out, but for the token.
pub(crate) fn lower<E: Endpoint>(
    endpoint: &E,
    base: &BaseUrl,
    user_agent: &HeaderValue,
) -> Result<Request<Bytes>, BuildError> {
    // Without its slash a path would go on with the name of the host, and the token go there.
    if !E::PATH.starts_with('/') || E::PATH.contains(['?', '#']) {
        return Err(bad_path(E::PATH));
    }
    let mut query = Query::default();
    endpoint.query(&mut query);
    let body = match endpoint.body()? {
        Body::Empty => Bytes::new(),
        Body::Json(json) => json,
    };
    let mut request =
        Request::builder()
            .method(E::METHOD)
            .uri(format!("{}{}{}", base.0, E::PATH, query.0));
    // HTTP clients do not agree on how to say that nothing follows where something is expected.
    if body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&E::METHOD) {
        request = request.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
        .header("platform", HeaderValue::from_static("open_platform"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, user_agent)
        .body(body)
        .map_err(|_| bad_path(E::PATH))
}

fn bad_path(path: &str) -> BuildError {
    BuildError::Setting {
        what: "the path of an endpoint",
        given: path.to_owned(),
        allowed: "it must begin with `/` and have no query, as it stands in a URL",
    }
}

/// The header that carries a token, marked so that nobody prints it.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    visible.then_some(value)
}

pub(crate) fn authorize(request: &mut Request<Bytes>, bearer: HeaderValue) {
    request.headers_mut().insert(AUTHORIZATION, bearer);
}
