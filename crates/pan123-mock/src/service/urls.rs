//! Checks of URLs.

use std::net::IpAddr;

use http::Uri;

/// Checks only the scheme: the service accepts sources with characters that a strict parser rejects.
pub(super) fn is_http(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let known = ["http", "https"];
    known.iter().any(|name| scheme.eq_ignore_ascii_case(name)) && !rest.is_empty()
}

/// Returns whether the host of this URL is certainly this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let Some(host) = uri.host() else {
        return false;
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal
        .parse::<IpAddr>()
        .map_or(host.eq_ignore_ascii_case("localhost"), |ip| {
            ip.to_canonical().is_loopback()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in [
            "http://127.0.0.1:8080/a",
            "http://127.9.9.9/",
            "http://[::1]:80/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://LOCALHOST/a",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "/127.0.0.1",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn only_http_and_https_are_accepted() {
        for url in ["http://a/b", "HTTPS://a", "https://例子/文件?x=(y)"] {
            assert!(is_http(url), "{url}");
        }
        for url in ["magnet:?xt=urn:btih:0", "ftp://a/b", "http://", "a/b", ""] {
            assert!(!is_http(url), "{url}");
        }
    }
}
