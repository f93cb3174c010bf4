//! Checks of URLs that are sent byte for byte as given, so without a parser that would rewrite them.

use std::fmt;

use crate::error::{BuildError, UrlFault};
use crate::text::Escaped;

/// Accepts `http://…` and `https://…` with a host, without control characters and without whitespace at either end.
pub(crate) fn check_http_url(what: &'static str, url: &str) -> Result<(), BuildError> {
    match fault(url) {
        Some(fault) => Err(BuildError::Url { what, fault }),
        None => Ok(()),
    }
}

fn fault(url: &str) -> Option<UrlFault> {
    if let Some(at) = url.chars().position(char::is_control) {
        return Some(UrlFault::Control(at));
    }
    if url.trim() != url {
        return Some(UrlFault::Whitespace);
    }
    let Some((scheme, rest)) = url.split_once(':') else {
        return Some(UrlFault::Scheme(None));
    };
    if !is_scheme(scheme) {
        return Some(UrlFault::Scheme(None));
    }
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Some(UrlFault::Scheme(Some(scheme)));
    }
    let Some(rest) = rest.strip_prefix("//") else {
        return Some(UrlFault::NoHost);
    };
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let no_host = host.is_empty() || host.starts_with(':');
    no_host.then_some(UrlFault::NoHost)
}

/// Whether this is a scheme by RFC 3986, and short enough to quote in an error.
fn is_scheme(text: &str) -> bool {
    text.len() <= 20
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Prints a URL without the parts that may be secret: user, password, query and fragment.
pub(crate) struct RedactedUrl<'a>(pub(crate) &'a str);

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        let (start, rest) = url.split_once(':').unwrap_or(("", url));
        let rest = rest.trim_start_matches('/');
        // The last `@`: a malformed URL may have its user and password anywhere before it.
        let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let user = if user.is_empty() { "" } else { "…@" };
        let shown = rest.find(['?', '#']).unwrap_or(rest.len());
        let tail = if shown < rest.len() { "?…" } else { "" };
        let rest = &rest[..shown];
        write!(f, "\"{}://{user}{}{tail}\"", Escaped(start), Escaped(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_urls_are_accepted() {
        for url in [
            "http://a",
            "https://example.com/video.mp4?sig=%E6%B5%8B&x=1#f",
            "HTTPS://例子.测试/视频 1.mp4",
            "https://user:pw@host:8443/",
            "http://[::1]:8080/x",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
    }

    #[test]
    fn error_names_another_scheme() {
        for (url, scheme) in [
            ("magnet:?xt=urn:btih:0", "magnet"),
            ("ed2k://|file|a|1|b|/", "ed2k"),
            ("ftp://host/file", "ftp"),
            ("thunder://QUFodHRw", "thunder"),
            ("FILE:///etc/passwd", "file"),
        ] {
            assert_eq!(
                fault(url),
                Some(UrlFault::Scheme(Some(scheme.into()))),
                "{url}"
            );
        }
        let error = check_http_url("download URL", "magnet:?xt=1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the download URL has the scheme `magnet:`, but the service accepts `http://` and `https://` only \
             (no magnet, ed2k, ftp or thunder links)"
        );
    }

    #[test]
    fn invalid_url_is_rejected_with_its_fault() {
        for (url, expected) in [
            ("", UrlFault::Scheme(None)),
            ("example.com/file", UrlFault::Scheme(None)),
            ("//example.com/file", UrlFault::Scheme(None)),
            ("http:example.com", UrlFault::NoHost),
            ("http://", UrlFault::NoHost),
            ("https:///path", UrlFault::NoHost),
            ("https://user@/path", UrlFault::NoHost),
            ("https://:80/path", UrlFault::NoHost),
            (" https://a/", UrlFault::Whitespace),
            ("https://a/ ", UrlFault::Whitespace),
            ("https://a/\n", UrlFault::Control(10)),
            ("https://a/\u{7f}", UrlFault::Control(10)),
            ("https://a/\u{85}b", UrlFault::Control(10)),
        ] {
            assert_eq!(fault(url), Some(expected), "{url:?}");
        }
    }

    #[test]
    fn secret_parts_are_not_printed() {
        let shown = |url| format!("{:?}", RedactedUrl(url));
        assert_eq!(shown("https://h/p?key=s3cret"), r#""https://h/p?…""#);
        assert_eq!(shown("https://u:s3cret@h:1/p@q#f"), r#""https://…@q?…""#);
        assert_eq!(shown("https://h"), r#""https://h""#);
        assert_eq!(shown("http://s3cret@h"), r#""http://…@h""#);
        for url in [
            "https:/u:s3cret@h",
            "https://u:s3cret?x@h",
            "https://u:s3/cret@h",
            "https://u:s3cret#@h",
            "https:u:s3cret@h",
        ] {
            let text = shown(url);
            assert!(!text.contains("s3") && text.contains("@h"), "{text}");
        }
    }
}
