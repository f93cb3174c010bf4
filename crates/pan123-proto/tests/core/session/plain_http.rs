//! Where credentials may be sent without TLS: to this machine, however its name is spelled, and nowhere else by default.

use pan123_proto::{BuildError, Session, SessionBuilder, UrlFault};

fn builder(base: &str) -> SessionBuilder {
    Session::builder()
        .credentials("id", "secret")
        .base_url(base)
}

fn fault(base: &str) -> Option<UrlFault> {
    match builder(base).build() {
        Ok(_) => None,
        Err(BuildError::Url { fault, .. }) => Some(fault),
        Err(other) => panic!("{base}: {other}"),
    }
}

#[test]
fn tls_and_loopback_are_accepted() {
    const BASES: &str = "https://open-api.123pan.com HTTPS://evil.example https://127.0.0.1.evil.example/prefix \
        http://localhost http://localhost:8080/prefix HTTP://LocalHost:80 http://127.0.0.1 \
        http://127.0.0.1:65535/ http://127.255.255.254:1 http://[::1] http://[::1]:8080/x \
        http://[0:0:0:0:0:0:0:1]:8080";
    for base in BASES.split_whitespace() {
        assert_eq!(fault(base), None, "{base}");
    }
}

#[test]
fn plain_http_to_other_hosts_is_refused() {
    const BASES: &str = "http://open-api.123pan.com HTTP://OPEN-API.123PAN.COM http://localhost.evil.example \
        http://localhost.evil.example:80/localhost http://localhost-evil.example \
        http://evil.localhost http://localhost. http://localhost.:8080 http://127.0.0.1.evil.example \
        http://127.0.0.1. http://127.1 http://0x7f.1 http://0x7f000001 http://0x7f.0.0.1 \
        http://0177.0.0.1 http://2130706433 http://127.0.0.01 http://127.0.0.256 http://128.0.0.1 \
        http://126.255.255.255 http://0.0.0.0 http://10.0.0.1 http://[::] http://[::2] \
        http://[::ffff:127.0.0.1] http://[::ffff:7f00:1] http://[::127.0.0.1] http://[fe80::1] \
        http://evil.example/localhost \
        http://evil.example/@localhost http://evil.example:80/127.0.0.1 http://localhos";
    for base in BASES.split_whitespace() {
        assert_eq!(fault(base), Some(UrlFault::PlainHttp), "{base}");
    }
}

#[test]
fn ambiguous_base_url_is_refused() {
    for base in [
        "http://localhost@evil.example",
        "http://localhost:80@evil.example",
        "http://127.0.0.1:80@evil.example:80",
        "http://evil.example@localhost",
        "https://user:password@host",
        "http://evil.example\\@localhost",
        "http://localhost\\.evil.example",
        "http://localhost#.evil.example",
        "http://localhost?.evil.example",
        "http://localhost .evil.example",
        "http://[::1",
        "http://[::1].evil.example",
        "http://[::1].evil.example:80",
        "http://[::1%25lo]",
        "http://[127.0.0.1]",
    ] {
        assert!(fault(base).is_some(), "{base}");
    }
}

#[test]
fn plain_http_error_says_what_is_allowed() {
    let error = builder("http://pan.example").build().unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("the base URL is plain `http://`"),
        "{text}"
    );
    for allowed in [
        "`https://`",
        "`localhost`",
        "`127.0.0.1`",
        "`[::1]`",
        "`allow_credentials_over_plain_http(true)`",
    ] {
        assert!(text.contains(allowed), "{allowed}: {text}");
    }
}

#[test]
fn plain_http_can_be_allowed_explicitly() {
    let allowed = |allowed| {
        let builder = builder("http://10.0.0.1").allow_credentials_over_plain_http(allowed);
        builder.build().is_ok()
    };
    assert!(allowed(true) && !allowed(false));
    let token = Session::builder()
        .access_token("t")
        .base_url("http://10.0.0.1");
    token.build().unwrap_err();
}
