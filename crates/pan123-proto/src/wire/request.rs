//! The head of a request: where the service is, which headers every request carries, and the header of a token.

use core::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::http_url::check_http_url;
use crate::error::{BuildError, UrlFault};

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
        const WHAT: &str = "base URL";
        check_http_url(WHAT, url)?;
        let invalid = |fault| BuildError::Url { what: WHAT, fault };
        let uri: Uri = url.parse().map_err(|_| invalid(UrlFault::NotABaseUrl))?;
        // A user and a password would be sent beside the token, and HTTP clients do not agree on how.
        let user = uri
            .authority()
            .is_none_or(|host| host.as_str().contains('@'));
        if user || uri.query().is_some() || url.contains('#') {
            return Err(invalid(UrlFault::NotABaseUrl));
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

/// Encodes a request, complete but for the token. `query` starts with `?` or is empty.
pub(crate) fn encode(
    base: &BaseUrl,
    user_agent: &HeaderValue,
    method: Method,
    path: &str,
    query: &str,
    body: Bytes,
) -> Result<Request<Bytes>, BuildError> {
    let invalid_path = || BuildError::Setting {
        what: "the path of an endpoint",
        given: format!("{path:?}"),
        allowed: "it must start with `/` and have no query, as it stands in a URL",
    };
    // Without the slash the path would continue the host's name, and the token would go there.
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(invalid_path());
    }
    // HTTP clients do not agree on how to announce an empty body where one is expected.
    let announces_empty_body =
        body.is_empty() && [Method::POST, Method::PUT, Method::PATCH].contains(&method);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}{query}", base.as_str()));
    if announces_empty_body {
        request = request.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    request
        .header("platform", HeaderValue::from_static("open_platform"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(USER_AGENT, user_agent)
        .body(body)
        .map_err(|_| invalid_path())
}

/// Returns the header value that carries a token, marked as sensitive; none if a header cannot hold the token.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    visible.then_some(value)
}

pub(crate) fn authorize(request: &mut Request<Bytes>, bearer: HeaderValue) {
    request.headers_mut().insert(AUTHORIZATION, bearer);
}
