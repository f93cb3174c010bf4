//! The head of a request: where the service is, which headers every request carries, and the header of a token.

use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::http_url::check_http_url;
use crate::error::{BASE_URL, BuildError, UrlFault};

/// All characters but the ones that RFC 3986 calls unreserved.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where the service is: the part of every URL before the path. It has neither user nor query, and so nothing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    pub(crate) const SERVICE: &'static str = "https://open-api.123pan.com";

    pub(crate) fn parse(url: &str, plain_http: PlainHttp) -> Result<BaseUrl, BuildError> {
        let invalid = |fault| BuildError::Url {
            what: BASE_URL,
            fault,
        };
        check_http_url(BASE_URL, url)?;
        // A path is sent as it is, and clients do not agree on how to write a host in ASCII.
        if let Some((at, character)) = url.chars().enumerate().find(|&(_, c)| is_odd(c)) {
            return Err(invalid(UrlFault::BaseCharacter(character, at)));
        }
        let uri: Uri = url.parse().map_err(|_| invalid(unparsable(url)))?;
        // A user and a password would be sent beside the token, and HTTP clients do not agree on how.
        let user = uri
            .authority()
            .is_none_or(|host| host.as_str().contains('@'));
        if user || uri.query().is_some() || url.contains('#') {
            return Err(invalid(UrlFault::NotABaseUrl));
        }
        if contains_api_path(uri.path()) {
            return Err(invalid(UrlFault::ApiPath));
        }
        if plain_http == PlainHttp::LoopbackOnly
            && uri.scheme() != Some(&Scheme::HTTPS)
            && !is_loopback(&uri)
        {
            return Err(invalid(UrlFault::PlainHttp));
        }
        Ok(BaseUrl(url.trim_end_matches('/').to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether requests to it are not encrypted.
    pub(crate) fn is_plain_http(&self) -> bool {
        let scheme = self.0.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.eq_ignore_ascii_case("http")
    }
}

/// Why a URL of plain characters is no URI: its host is escaped, or it is too long.
fn unparsable(url: &str) -> UrlFault {
    let percent = url.split('/').nth(2).and_then(|host| host.find('%'));
    let start = url.find("://").map_or(0, |at| at + "://".len());
    percent.map_or(UrlFault::NotABaseUrl, |at| {
        UrlFault::HostCharacter('%', start + at)
    })
}

/// Whether this is a character that a URI has only in its escaped form.
fn is_odd(character: char) -> bool {
    !character.is_ascii_graphic() || "\"<>\\^`{|}".contains(character)
}

/// Whether this contains `/api/v1`, `/upload/v2` and the like, which every path of an endpoint starts with.
fn contains_api_path(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    segments
        .windows(2)
        .any(|pair| matches!(pair, ["api" | "upload", "v1" | "v2"]))
}

/// Where credentials may be sent unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    LoopbackOnly,
    Anywhere,
}

/// Whether the host is this machine, spelled so that no HTTP client and no resolver takes it for another. The whole authority
/// is checked: `Uri::host` takes `[::1].example.com` for `[::1]`.
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

/// Checks the path of an endpoint. Without its slash it would continue the host's name, and the token would go there.
pub(crate) fn check_path(path: &str) -> Result<(), BuildError> {
    if path.starts_with('/') && !path.contains(['?', '#']) {
        return Ok(());
    }
    Err(invalid_path(path))
}

fn invalid_path(path: &str) -> BuildError {
    BuildError::Setting {
        what: "the path of an endpoint",
        given: format!("{path:?}"),
        allowed: "it must start with `/` and have no query, as it stands in a URL",
    }
}

/// Puts a request together, complete but for its headers.
pub(crate) fn without_headers(
    method: Method,
    path: &str,
    url: String,
    body: Bytes,
) -> Result<Request<Bytes>, BuildError> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(url).map_err(|_| invalid_path(path))?;
    Ok(request)
}

const PLATFORM: HeaderName = HeaderName::from_static("platform");
/// The most headers of a request.
const HEADERS: usize = 5;

/// Adds all headers. A token, if there is one, is marked as sensitive.
pub(crate) fn add_headers(
    request: &mut Request<Bytes>,
    user_agent: &HeaderValue,
    token: Option<&HeaderValue>,
) {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    // HTTP clients do not agree on how to announce an empty body where one is expected.
    let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
    if expects_body && request.body().is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    headers.insert(PLATFORM, HeaderValue::from_static("open_platform"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, user_agent.clone());
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, token.clone());
    }
    *request.headers_mut() = headers;
}

/// Returns the header value that carries an access token, marked as sensitive.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, BuildError> {
    let is_odd = |character: char| !character.is_ascii_graphic();
    let no_header = || no_header("access token", token, is_odd);
    if token.is_empty() || token.contains(is_odd) {
        return Err(no_header());
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| no_header())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The error for a text that a header cannot hold because of its first odd character.
pub(crate) fn no_header(
    what: &'static str,
    text: &str,
    is_odd: impl Fn(char) -> bool,
) -> BuildError {
    let position = text.chars().position(is_odd).unwrap_or(0);
    BuildError::Header { what, position }
}
