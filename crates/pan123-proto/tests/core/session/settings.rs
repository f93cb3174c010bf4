//! The settings of a session: what is an error, and what it says.

use std::time::Duration;

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
        (credentials("", "secret"), CredentialsFault::Empty),
        (credentials("id", ""), CredentialsFault::Empty),
        (Session::builder().access_token(""), CredentialsFault::Empty),
        (
            oauth("id", "secret").access_token("token"),
            CredentialsFault::Conflicting,
        ),
        (
            oauth("id", "secret").credentials("id", "secret"),
            CredentialsFault::Conflicting,
        ),
        (oauth("", "secret"), CredentialsFault::Empty),
        (oauth("id", ""), CredentialsFault::Empty),
        (
            Session::builder().oauth(OAuth::new("id", "secret").refresh_token("")),
            CredentialsFault::Empty,
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
        (
            Session::builder().access_token(""),
            "the one given is empty",
        ),
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
fn header_values_are_checked_and_redacted() {
    let error = refused(builder().user_agent("a\nb"));
    assert!(error.contains("user agent"), "{error}");
    let error = refused(Session::builder().access_token("se\ncret"));
    assert!(
        error.contains("access token") && !error.contains("cret"),
        "{error}"
    );
}
