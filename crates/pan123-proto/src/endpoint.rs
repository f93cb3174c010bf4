//! An endpoint of the service as a type: [`Endpoint`] and what it says of its requests.

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Ambiguous, BuildError};
use crate::wire::request::{BaseUrl, EncodedRequest, RESERVED, invalid_path, is_path};
pub use crate::wire::response::ResponseFormat;

/// An endpoint of the service: a request that knows its response.
///
/// What holds for every request to the endpoint is part of the type: its authentication, its rate class, and whether it may be
/// repeated. An endpoint that this crate lacks takes a few lines of your own:
///
/// ```
/// use pan123_proto::{Endpoint, FileId, Idempotency, Query, RateClass};
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
    /// The rate class, which requests to one or several endpoints share.
    const RATE: RateClass;
    /// How the request is authenticated.
    const AUTH: Auth = Auth::Bearer;
    /// Whether the request may be repeated when it is unknown whether it arrived. There is no default: think about it.
    const IDEMPOTENCY: Idempotency;
    /// Where the response holds its data.
    const RESPONSE_FORMAT: ResponseFormat = ResponseFormat::Envelope;
    /// Whether the response may hold a secret, such as a token or a signed URL. Errors then quote nothing of its content.
    const SECRET_RESPONSE: bool = matches!(Self::AUTH, Auth::None);
    /// The names of the parameters of the query, and of the fields of the body at any depth, that no error and no log may show in
    /// case a response echoes them. The session's own token and client secret are always redacted.
    ///
    /// An echo is recognized in either case, and through the escapes of URLs and JSON. A secret of 6 characters or more is removed
    /// as a whole, and any 16 or more characters of it in a row. Of an http(s) URL in the body, any 6 or more characters in a row
    /// are removed, but for its scheme, host and port. What is shorter cannot be told from other texts, and stays.
    const SECRET_FIELDS: &'static [&'static str] = &[];
    /// What to do when the outcome of the request is unknown: the end of the text of [`Ambiguous`].
    const AMBIGUOUS_ADVICE: &'static str = "check whether it took effect before sending it again";

    /// The key in `data` under which the response names what the request created, in all its spellings. If a response to a
    /// non-idempotent request cannot be decoded, the ids under it are the [candidates](Ambiguous::candidates).
    const CREATED_ID: &'static [&'static str] = &[];

    /// The type of the response's `data`, or of the whole body where there is no envelope. `serde::de::IgnoredAny` accepts any, `()`
    /// null only.
    type Response: DeserializeOwned + Send + 'static;

    /// Adds the parameters of the query.
    fn query(&self, query: &mut Query) {
        let _ = query;
    }

    /// Returns the id of what the request created, if it is of that sort. It is all that a log shows of a response.
    fn created_id(response: &Self::Response) -> Option<String> {
        let _ = response;
        None
    }

    /// Returns the body of the request.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the body cannot be encoded. Nothing is sent then.
    fn body(&self) -> Result<Body, BuildError> {
        Ok(Body::Empty)
    }
}

/// How a request is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Auth {
    /// By the session's access token.
    Bearer,
    /// Not at all, or by what the request itself contains. The response to such a request may be a token: if it is lost, the
    /// request is repeated once only.
    None,
}

/// Whether a request may be repeated when it may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Sending it twice has the effect of sending it once.
    Idempotent,
    /// Sending it twice may do the work twice. It is sent again only if it certainly never left or was rejected.
    NonIdempotent,
}

/// Requests that share one pace, with the default interval between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateClass {
    name: &'static str,
    interval: Duration,
}

impl RateClass {
    /// Creates a class that allows one request every `interval`; zero means no limit. Classes with the same name share a queue.
    pub const fn new(name: &'static str, interval: Duration) -> RateClass {
        RateClass { name, interval }
    }

    /// Returns the name, by which the pacing of a session can set another interval.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the interval between two requests, unless the session sets another.
    pub const fn interval(&self) -> Duration {
        self.interval
    }
}

/// The body of a request.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// No body.
    Empty,
    /// Encoded JSON.
    Json(Bytes),
}

impl Body {
    /// Encodes a value as JSON.
    ///
    /// # Errors
    ///
    /// [`BuildError::Body`] if the value has no JSON form.
    pub fn json(value: &impl Serialize) -> Result<Body, BuildError> {
        serde_json::to_vec(value)
            .map(|json| Body::Json(json.into()))
            .map_err(|error| BuildError::Body(Arc::new(error)))
    }
}

/// Shows the length only: a body may hold a secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Json(json) => write!(f, "Json([{} bytes])", json.len()),
        }
    }
}

/// The query of a request; parameters keep the order in which they are pushed.
#[derive(Clone, Default)]
pub struct Query {
    path_and_query: String,
    /// Where the query begins.
    start: usize,
}

/// Shows the length only: a query may hold a secret.
impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query([{} bytes])", self.as_str().len())
    }
}

impl Query {
    /// The query of a path below the base URL.
    fn of(base: &BaseUrl, path: &str) -> Query {
        /// Of most queries.
        const ROOM: usize = 64;
        let start = base.path().len() + path.len();
        let mut path_and_query = String::with_capacity(start + ROOM);
        path_and_query.push_str(base.path());
        path_and_query.push_str(path);
        Query {
            path_and_query,
            start,
        }
    }

    /// Returns the query with its `?`; empty without parameters.
    pub(crate) fn as_str(&self) -> &str {
        &self.path_and_query[self.start..]
    }

    /// Adds a parameter and percent-encodes it.
    pub fn push(&mut self, key: &str, value: impl Display) {
        let is_first = self.path_and_query.len() == self.start;
        let text = &mut self.path_and_query;
        text.push(if is_first { '?' } else { '&' });
        text.extend(utf8_percent_encode(key, RESERVED));
        text.push('=');
        let written = write!(PercentEncoded(text), "{value}");
        debug_assert!(written.is_ok(), "a value that cannot be shown");
    }
}

/// Percent-encodes what is written to it.
struct PercentEncoded<'a>(&'a mut String);

impl fmt::Write for PercentEncoded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(utf8_percent_encode(text, RESERVED));
        Ok(())
    }
}

/// What an endpoint says of all its requests, as a value.
#[derive(Debug)]
pub(crate) struct EndpointInfo {
    pub(crate) path: &'static str,
    pub(crate) rate: RateClass,
    pub(crate) auth: Auth,
    pub(crate) idempotency: Idempotency,
    pub(crate) response_format: ResponseFormat,
    pub(crate) secret_response: bool,
    pub(crate) secret_fields: &'static [&'static str],
    pub(crate) ambiguous_advice: &'static str,
    pub(crate) created_id: &'static [&'static str],
}

impl EndpointInfo {
    pub(crate) const fn of<E: Endpoint>() -> &'static EndpointInfo {
        const {
            &EndpointInfo {
                path: E::PATH,
                rate: E::RATE,
                auth: E::AUTH,
                idempotency: E::IDEMPOTENCY,
                response_format: E::RESPONSE_FORMAT,
                secret_response: E::SECRET_RESPONSE,
                secret_fields: E::SECRET_FIELDS,
                ambiguous_advice: E::AMBIGUOUS_ADVICE,
                created_id: E::CREATED_ID,
            }
        }
    }
}

/// Encodes a request, complete but for its headers.
pub(crate) fn encode<E: Endpoint>(
    endpoint: &E,
    base: &BaseUrl,
) -> Result<EncodedRequest, BuildError> {
    if !const { is_path(E::PATH) } {
        return Err(invalid_path(E::PATH));
    }
    let mut query = Query::of(base, E::PATH);
    endpoint.query(&mut query);
    let body = match endpoint.body()? {
        Body::Empty => Bytes::new(),
        Body::Json(json) => json,
    };
    EncodedRequest::new(E::METHOD, base, query.path_and_query, body)
        .ok_or_else(|| invalid_path(E::PATH))
}

/// A request that was sent.
#[derive(Clone)]
pub(crate) struct SentRequest {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) sent_at: SystemTime,
}

impl SentRequest {
    pub(crate) fn is_to<E: Endpoint>(&self) -> bool {
        is_to::<E>(&self.method, self.path)
    }
}

impl Ambiguous {
    /// Returns the request that may have been carried out, read back from what was sent; none if it was sent to another
    /// endpoint.
    ///
    /// ```
    /// use pan123_proto::{Error, offline::Download};
    ///
    /// fn maybe_created(error: &Error) -> Option<Download> {
    ///     match error {
    ///         Error::Ambiguous(ambiguous) => ambiguous.request(),
    ///         _ => None,
    ///     }
    /// }
    /// # assert!(maybe_created(&Error::Stopped).is_none());
    /// ```
    pub fn request<E: Endpoint + DeserializeOwned>(&self) -> Option<E> {
        read_back(&self.method, self.path, &self.body)
    }
}

/// Returns the request that was sent with this body; none if it was sent to another endpoint.
pub(crate) fn read_back<E: Endpoint + DeserializeOwned>(
    method: &Method,
    path: &str,
    body: &[u8],
) -> Option<E> {
    is_to::<E>(method, path)
        .then(|| serde_json::from_slice(body).ok())
        .flatten()
}

fn is_to<E: Endpoint>(method: &Method, path: &str) -> bool {
    path == E::PATH && *method == E::METHOD
}
