//! The settings of a session: what is an error, and what it says.

use std::time::Duration;

use pan123_proto::access_token::IssueToken;
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant};
use pan123_proto::{BuildError, CredentialsFault, OAuth, Session, SessionBuilder};

const MOST: Duration = Duration::from_secs(30 * 24 * 3600);
const NANO: Duration = Duration::from_nanos(1);

fn builder() -> SessionBuilder {
    Session::builder().access_token("token")
}

fn refused(builder: SessionBuilder) -> String {
    builder.build().expect_err("a bad setting").to_string()
}

#[test]
fn exactly_one_kind_of_credentials_is_required() {
    let credentials = |id, secret| Session::builder().credentials(id, secret);
    let oauth = |id, secret| {
        Session::builder()
            .oauth(OAuth::new(id, secret))
            .persist_token(true)
    };
    for (builder, expected) in [
        (Session::builder(), CredentialsFault::Missing),
        (
            credentials("id", "secret").access_token("token"),
            CredentialsFault::Conflicting,
        ),
        (
            oauth("id", "secret").access_token("token"),
            CredentialsFault::Conflicting,
        ),
        (
            oauth("id", "secret").credentials("id", "secret"),
            CredentialsFault::Conflicting,
        ),
    ] {
        match builder.build().expect_err("no way to prove it") {
            BuildError::Credentials(fault) => assert_eq!(fault, expected),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn credentials_errors_say_what_is_expected() {
    for (builder, end) in [
        (Session::builder(), "an app: none of them was given"),
        (builder().credentials("id", "secret"), "only one is allowed"),
    ] {
        let error = refused(builder);
        let ways = "a client id with its secret, an access token, or the OAuth settings of";
        assert!(error.contains(ways) && error.ends_with(end), "{error}");
    }
}

#[test]
fn oauth_needs_a_store_and_a_user_name_is_not_empty() {
    let oauth = || OAuth::new("id", "secret");
    let error = refused(Session::builder().oauth(oauth()));
    for part in [
        "works once, so",
        "`token_store`",
        "`FileStore`",
        "`MemoryStore`",
        "`persist_token(true)`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let builder = Session::builder().persist_token(true);
    let error = refused(builder.oauth(oauth().user("")));
    assert!(
        error.contains("the user of an OAuth app is empty"),
        "{error}"
    );
    let builder = Session::builder().persist_token(true);
    builder
        .oauth(oauth().user("alice"))
        .build()
        .expect("good settings");
}

#[test]
fn timeouts_are_bounded() {
    type Set = fn(SessionBuilder, Duration) -> SessionBuilder;
    let settings: [(Set, Duration, &str); 3] = [
        (
            SessionBuilder::connect_timeout,
            NANO,
            "it must be more than zero and at most 30 days",
        ),
        (
            SessionBuilder::request_timeout,
            NANO,
            "it must be more than zero and at most 30 days",
        ),
        (
            SessionBuilder::call_timeout,
            Duration::from_secs(1),
            "it must be at least 1 s and at most 30 days",
        ),
    ];
    for (set, least, allowed) in settings {
        for good in [least, MOST] {
            set(builder(), good).build().expect("a good setting");
        }
        let short = least.saturating_sub(NANO);
        for bad in [Duration::ZERO, short, MOST + NANO, Duration::MAX] {
            let error = refused(set(builder(), bad));
            assert!(error.contains(&format!("{bad:?}")), "{error}");
            assert!(error.ends_with(allowed), "{error}");
        }
    }
}

#[test]
fn timeouts_are_readable_and_connecting_has_less() {
    let session = builder()
        .connect_timeout(Duration::from_secs(8))
        .request_timeout(Duration::from_secs(7))
        .build()
        .expect("good settings");
    assert_eq!(session.request_timeout(), Duration::from_secs(7));
    assert_eq!(session.connect_timeout(), Duration::from_millis(6300));
}

#[test]
fn credentials_that_cannot_be_meant_are_refused_by_name() {
    let credentials = |id, secret| Session::builder().credentials(id, secret);
    let oauth = |app: OAuth| Session::builder().oauth(app).persist_token(true);
    let refresh = |token| oauth(OAuth::new("id", "secret").refresh_token(token));
    for (given, fault) in [
        ("", "is empty"),
        ("canary\n", "starts or ends with white space"),
        (
            "\u{feff}canary",
            "has the invisible character U+FEFF at position 0",
        ),
        ("\"canary\"", "starts or ends with a quotation mark"),
        ("Bearer canary", "starts with `Bearer`"),
        ("$CANARY", "is a variable that was not replaced"),
    ] {
        for (builder, what) in [
            (credentials(given, "secret"), "client id"),
            (credentials("id", given), "client secret"),
            (Session::builder().access_token(given), "access token"),
            (oauth(OAuth::new(given, "secret")), "client id"),
            (oauth(OAuth::new("id", given)), "client secret"),
            (refresh(given), "refresh token"),
        ] {
            let error = refused(builder);
            assert!(error.starts_with(&format!("the {what} {fault}")), "{error}");
            assert!(!error.to_lowercase().contains("canary"), "{error}");
        }
        let session = oauth(OAuth::new("id", "secret")).build().unwrap();
        let error = session
            .authorize(given, "https://a/")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(&format!("the authorization code {fault}")),
            "{error}"
        );
        let session = builder().build().unwrap();
        for (error, what) in [
            (
                session.call(&IssueToken::new("id", given)).err(),
                "client secret",
            ),
            (
                session
                    .call(&RefreshTokenGrant::new("id", "secret", given))
                    .err(),
                "refresh token",
            ),
            (
                session
                    .call(&AuthorizationCodeGrant::new(
                        "id",
                        "secret",
                        given,
                        "https://a/",
                    ))
                    .err(),
                "authorization code",
            ),
        ] {
            let error = error.unwrap().to_string();
            assert!(error.starts_with(&format!("the {what} {fault}")), "{error}");
        }
    }
}

#[test]
fn base_url_has_a_wording_of_its_own() {
    let shape = "it must look like `https://host`, `https://host:port` or `https://host/prefix`, without user, query or fragment";
    for (url, cause) in [
        ("", "is empty"),
        (" ", "is empty"),
        ("https://", "has no host"),
        (
            "open-api.123pan.com",
            "must start with `http://` or `https://`",
        ),
        ("magnet:?xt=1", "has the scheme `magnet:`"),
        ("ftp://a", "has the scheme `ftp:`"),
        (
            "localhost:8080",
            "is a host with a port, and `https://` is missing",
        ),
        ("C:\\pan", "is a path of a Windows computer"),
        ("https://a/?x", "has a user, a query or a fragment"),
        ("https://a/#x", "has a user, a query or a fragment"),
        ("https://u:p@a", "has a user, a query or a fragment"),
        (
            "https://a\u{200b}/",
            "has the invisible character U+200B at position 9",
        ),
        ("http://https://a", "has a scheme twice"),
        ("https://a https://b", "is followed by a second one"),
        ("https://a:abc", "has a port that is not a number"),
        ("https://[::1", "has brackets in its host"),
        ("https://a b", "has white space in its host at position 9"),
        (
            "https://a\u{3000}b",
            "has white space in its host at position 9",
        ),
        ("https://a,b", "has `,` (U+002C) in its host at position 9"),
        (
            "https://a%41b",
            "has `%` (U+0025) in its host at position 9",
        ),
        (" https://a", "starts or ends with white space"),
    ] {
        let error = refused(builder().base_url(url));
        assert!(
            error.starts_with(&format!("the base URL {cause}")) && error.ends_with(shape),
            "{url}: {error}"
        );
        for word in ["download", "/path", "percent", "ed2k"] {
            assert!(!error.contains(word), "{url}: {error}");
        }
    }
    let odd = "write a host in ASCII (an international one as `xn--…`), and percent-encode what belongs into a prefix";
    for (url, cause) in [
        ("https://例子.测试", "has `例` (U+4F8B) at position 8"),
        ("https://a/网盘", "has `网` (U+7F51) at position 10"),
        ("https://a/b c", "has ` ` (U+0020) at position 11"),
        ("https://a/{b}", "has `{` (U+007B) at position 10"),
    ] {
        let error = refused(builder().base_url(url));
        assert_eq!(error, format!("the base URL {cause}: {odd}"));
    }
}

#[test]
fn base_url_does_not_contain_the_path_of_the_api() {
    for url in [
        "https://open-api.123pan.com/api/v1",
        "https://open-api.123pan.com/api/v2/",
        "https://open-api.123pan.com/api/v1/offline",
        "https://open-api.123pan.com/api/v1/offline/download",
        "https://proxy/pan/API/V1//",
        "https://proxy//api//v1",
        "https://proxy/api/v1/pan",
        "https://proxy/upload/v1",
    ] {
        let error = refused(builder().base_url(url));
        assert_eq!(
            error,
            "the base URL contains the path of the API, such as `/api/v1`, which every request adds itself: end it before that, as \
             in `https://host` or `https://host/prefix`",
            "{url}"
        );
    }
    for url in [
        "https://proxy/pan/",
        "https://proxy/api",
        "https://proxy/v1",
        "https://proxy/api/v10",
        "https://proxy/api/v1x",
        "https://proxy/myapi/v1",
        "https://proxy/api/pan/v1",
        "https://xn--fsqu00a.xn--0zwm56d:8443/pan%20123",
        "https://api/v1",
    ] {
        builder().base_url(url).build().unwrap();
    }
}

#[test]
fn header_values_are_checked_and_redacted() {
    let error = refused(builder().user_agent("a页\nb"));
    assert!(
        error.contains("user agent") && error.contains("position 2 "),
        "{error}"
    );
    for (token, position) in [("se cret", 2), ("secret页", 6), ("页secret", 0)] {
        let error = refused(Session::builder().access_token(token));
        let position = format!("position {position} ");
        assert!(
            error.contains("access token") && error.contains(&position),
            "{error}"
        );
        assert!(!error.contains("cret"), "{error}");
    }
}
