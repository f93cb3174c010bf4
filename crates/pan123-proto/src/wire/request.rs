//! The head of a request: where the service is, which headers every request carries, and the header of a token.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::uri::{self, Authority, PathAndQuery, Scheme};
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
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    /// Where the path begins.
    path: usize,
    uri: Uri,
}

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
        let text = url.trim_end_matches('/').to_owned();
        let path = text.len() - uri.path().trim_end_matches('/').len();
        Ok(BaseUrl { text, path, uri })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the path without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        &self.text[self.path..]
    }

    /// Returns the URI with this path, which starts with the one of the base URL, and query; none if it is not a valid URI.
    fn with(&self, path_and_query: String) -> Option<Uri> {
        /// Of a URI, in bytes.
        const MAX_LENGTH: usize = 65_534;
        if self.path + path_and_query.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = uri::Parts::default();
        parts.scheme = self.uri.scheme().cloned();
        parts.authority = self.uri.authority().cloned();
        parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Whether requests to it are not encrypted.
    pub(crate) fn is_plain_http(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTP)
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

/// Whether this can be the path of an endpoint. Without its slash it would continue the host's name, and the token would go there.
pub(crate) const fn is_path(path: &str) -> bool {
    let path = path.as_bytes();
    let mut at = 0;
    while at < path.len() {
        if matches!(path[at], b'?' | b'#') {
            return false;
        }
        at += 1;
    }
    matches!(path, [b'/', ..])
}

pub(crate) fn invalid_path(path: &str) -> BuildError {
    BuildError::Setting {
        what: "the path of an endpoint",
        given: format!("{path:?}"),
        allowed: "it must start with `/` and have no query, as it stands in a URL",
    }
}

/// A request without its headers.
pub(crate) struct EncodedRequest {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
}

impl EncodedRequest {
    /// Returns none if the path and the query are not valid in a URI.
    pub(crate) fn new(
        method: Method,
        base: &BaseUrl,
        path_and_query: String,
        body: Bytes,
    ) -> Option<EncodedRequest> {
        let uri = base.with(path_and_query)?;
        Some(EncodedRequest { method, uri, body })
    }

    /// Returns the complete request. A token, if there is one, is marked as sensitive.
    pub(crate) fn with_headers(
        &self,
        headers: &CommonHeaders,
        token: Option<&HeaderValue>,
    ) -> Request<Bytes> {
        let mut headers = headers.with_token(token);
        // HTTP clients do not agree on how to announce an empty body where one is expected.
        let expects_body = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if expects_body && self.body.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// Leaves out query and body, which may hold secrets.
impl fmt::Debug for EncodedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedRequest")
            .field("method", &self.method)
            .field("path", &self.uri.path())
            .finish_non_exhaustive()
    }
}

/// The headers of every request.
#[derive(Debug)]
pub(crate) struct CommonHeaders(HeaderMap);

impl CommonHeaders {
    pub(crate) fn new(user_agent: HeaderValue) -> CommonHeaders {
        const PLATFORM: HeaderName = HeaderName::from_static("platform");
        let mut headers = HeaderMap::new();
        headers.insert(PLATFORM, HeaderValue::from_static("open_platform"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, user_agent);
        // Room for the token in each copy.
        headers.insert(AUTHORIZATION, HeaderValue::from_static(""));
        CommonHeaders(headers)
    }

    fn with_token(&self, token: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = self.0.clone();
        match token {
            Some(token) => headers.insert(AUTHORIZATION, token.clone()),
            None => headers.remove(AUTHORIZATION),
        };
        headers
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_is_that_of_the_whole_text() {
        let long = |length: usize| format!("/?{}", "x".repeat(length - 2));
        for base in ["https://h", "HTTP://127.0.0.1:80/", "https://H:1/a/b//"] {
            let base = BaseUrl::parse(base, PlainHttp::Anywhere).unwrap();
            let room = 65_534 - base.as_str().len();
            for rest in ["/c", "/c?d=%20&e", "/c d", "/\u{7f}"]
                .map(str::to_owned)
                .into_iter()
                .chain([long(room), long(room + 1)])
            {
                let whole = format!("{}{rest}", base.as_str()).parse::<Uri>().ok();
                let uri = base.with(format!("{}{rest}", base.path()));
                assert_eq!(uri.is_some(), whole.is_some(), "{base:?} {rest:.20}");
                let text = |uri: Option<Uri>| uri.map(|uri| uri.to_string());
                assert_eq!(text(uri), text(whole));
            }
        }
    }

    #[test]
    fn path_starts_with_a_slash_and_has_no_query() {
        for path in ["/", "/api/v1/x"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["", "api", ".example.com/", "/x?", "/x#y", "?/x"] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn headers_are_the_same_for_each_request_but_for_token_and_empty_body() {
        let common = CommonHeaders::new(HeaderValue::from_static("agent"));
        let request = |method, body: &'static str| EncodedRequest {
            method,
            uri: Uri::default(),
            body: body.into(),
        };
        let token = HeaderValue::from_static("Bearer token");
        let names = |request: EncodedRequest, token: Option<&HeaderValue>| {
            let request = request.with_headers(&common, token);
            let headers = request.headers().iter();
            let headers =
                headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            headers.collect::<Vec<_>>().join(", ")
        };
        let always = "platform: open_platform, content-type: application/json, user-agent: agent";
        assert_eq!(names(request(Method::GET, ""), None), always);
        assert_eq!(
            names(request(Method::POST, "{}"), Some(&token)),
            format!("{always}, authorization: Bearer token")
        );
        assert_eq!(
            names(request(Method::POST, ""), None),
            format!("{always}, content-length: 0")
        );
    }
}
