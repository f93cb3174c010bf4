//! `POST /api/v1/oauth2/access_token`: issues the tokens with which a third-party app acts for its users.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (第三方挂载应用接入, 授权须知). A session with
//! [`OAuth`](crate::OAuth) fetches them: see [`Session::authorize`](crate::Session::authorize). A caller that sends these
//! requests itself must store the response: a refresh token works once, and using it revokes the access token that came with it
//! at once.

use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use crate::endpoint::{Auth, Body, Endpoint, Idempotency, Query, RateClass, ResponseFormat};
use crate::error::BuildError;
use crate::wire::credential::check_credential;
use crate::wire::json::{self, Field, Unreadable};
use crate::wire::lenient::{not_empty, number, text};

const PATH: &str = "/api/v1/oauth2/access_token";
/// The service allows 100 requests a minute, and blocks an IP address that sends more.
const RATE: RateClass = RateClass::new("oauth2/access_token", Duration::from_millis(600));

/// An app that is registered with the service.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
}

impl App {
    pub(crate) fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> App {
        App {
            client_id: client_id.into(),
            client_secret: SecretString::from(client_secret.into()),
        }
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        check_credential("client id", &self.client_id)?;
        check_credential("client secret", self.client_secret.expose_secret())
    }

    fn push(&self, query: &mut Query, grant_type: &str) {
        query.push("client_id", &self.client_id);
        query.push("client_secret", self.client_secret.expose_secret());
        query.push("grant_type", grant_type);
    }
}

/// Exchanges the code that the user's browser came back with for the first token pair.
#[derive(Clone, Debug)]
pub struct AuthorizationCodeGrant {
    pub(crate) app: App,
    pub(crate) code: SecretString,
    pub(crate) redirect_uri: String,
}

impl AuthorizationCodeGrant {
    /// Creates the request from the code and the redirect URI that it was issued for.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        code: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> AuthorizationCodeGrant {
        AuthorizationCodeGrant {
            app: App::new(client_id, client_secret),
            code: SecretString::from(code.into()),
            redirect_uri: redirect_uri.into(),
        }
    }
}

/// A code works once, so a repeated request yields at most one token pair.
impl Endpoint for AuthorizationCodeGrant {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = PATH;
    const RATE: RateClass = RATE;
    const AUTH: Auth = Auth::None;
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    const RESPONSE_FORMAT: ResponseFormat = ResponseFormat::Flat;
    const SECRET_FIELDS: &'static [&'static str] = &["client_secret", "code"];
    type Response = TokenPair;

    fn query(&self, query: &mut Query) {
        self.app.push(query, "authorization_code");
        query.push("code", self.code.expose_secret());
        query.push("redirect_uri", &self.redirect_uri);
    }

    fn body(&self) -> Result<Body, BuildError> {
        self.app.check()?;
        check_credential("authorization code", self.code.expose_secret())?;
        Ok(Body::Empty)
    }
}

/// Exchanges the refresh token of a pair for a new pair. The old pair is then revoked.
#[derive(Clone, Debug)]
pub struct RefreshTokenGrant {
    pub(crate) app: App,
    pub(crate) refresh_token: SecretString,
}

impl RefreshTokenGrant {
    /// Creates the request from a refresh token that has not been used yet.
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        refresh_token: impl Into<String>,
    ) -> RefreshTokenGrant {
        RefreshTokenGrant {
            app: App::new(client_id, client_secret),
            refresh_token: SecretString::from(refresh_token.into()),
        }
    }
}

/// A refresh token works once, so a repeated request yields at most one token pair.
impl Endpoint for RefreshTokenGrant {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = PATH;
    const RATE: RateClass = RATE;
    const AUTH: Auth = Auth::None;
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    const RESPONSE_FORMAT: ResponseFormat = ResponseFormat::Flat;
    const SECRET_FIELDS: &'static [&'static str] = &["client_secret", "refresh_token"];
    type Response = TokenPair;

    fn query(&self, query: &mut Query) {
        self.app.push(query, "refresh_token");
        query.push("refresh_token", self.refresh_token.expose_secret());
    }

    fn body(&self) -> Result<Body, BuildError> {
        self.app.check()?;
        check_credential("refresh token", self.refresh_token.expose_secret())?;
        Ok(Body::Empty)
    }
}

/// An access token, and the refresh token for the next pair.
#[derive(Clone, Debug)]
pub struct TokenPair {
    access_token: SecretString,
    refresh_token: SecretString,
    expires_in: Option<Duration>,
    scope: String,
    token_type: String,
}

impl TokenPair {
    /// Returns the access token, which is a secret.
    pub fn expose_access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    /// Returns the refresh token, which is a secret: it works once, within 90 days.
    pub fn expose_refresh_token(&self) -> &str {
        self.refresh_token.expose_secret()
    }

    /// Returns the lifetime of the access token, counted from the response; `None` if it could not be read.
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// Returns the granted scope, such as `user:base,file:all:read,file:all:write`; empty if the service names none.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Returns the token type, `Bearer`; empty if the service names none.
    pub fn token_type(&self) -> &str {
        &self.token_type
    }
}

/// Both tokens are required. An unreadable field beside them must not lose a pair that cannot be issued again.
impl<'de> Deserialize<'de> for TokenPair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [access, refresh, expires_in, scope, token_type] = json.fields([
                &["access_token"],
                &["refresh_token"],
                &["expires_in"],
                &["scope"],
                &["token_type"],
            ])?;
            let token = |field: Field<'_>| {
                let token = field.essential(not_empty)?;
                Ok(SecretString::from(token.into_owned()))
            };
            let shown = |field: Field<'_>| field.optional(text).unwrap_or_default().into_owned();
            let seconds = expires_in.optional(number);
            Ok::<_, Unreadable>(TokenPair {
                access_token: token(access)?,
                refresh_token: token(refresh)?,
                expires_in: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
                scope: shown(scope),
                token_type: shown(token_type),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tokens_are_required_and_the_rest_is_optional() {
        for (expires_in, expected) in [
            ("7200", Some(7200)),
            (r#""7200""#, Some(7200)),
            ("7200.0", Some(7200)),
            ("0", Some(0)),
            ("null", None),
            ("-1", None),
            (r#""soon""#, None),
            (r#""1e400""#, None),
            (r#""NaN""#, None),
        ] {
            let json = format!(
                r#"{{"access_token":"a","refresh_token":"r","expires_in":{expires_in},"scope":null,"more":[]}}"#
            );
            let pair: TokenPair = serde_json::from_str(&json).unwrap();
            assert_eq!(
                pair.expires_in(),
                expected.map(Duration::from_secs),
                "{expires_in}"
            );
            assert_eq!(
                (pair.expose_access_token(), pair.expose_refresh_token()),
                ("a", "r")
            );
            assert_eq!((pair.scope(), pair.token_type()), ("", ""));
        }
        for json in [
            r#"{"access_token":"a"}"#,
            r#"{"refresh_token":"r"}"#,
            r#"{"access_token":"","refresh_token":"r"}"#,
            r#"{"access_token":"a","refresh_token":""}"#,
            r#"{"access_token":"a","refresh_token":null}"#,
        ] {
            serde_json::from_str::<TokenPair>(json).unwrap_err();
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let json = r#"{"access_token":"canary","refresh_token":"canary"}"#;
        let pair: TokenPair = serde_json::from_str(json).unwrap();
        let exchange =
            AuthorizationCodeGrant::new("id", "canary", "canary", "https://app.example/cb");
        let refresh = RefreshTokenGrant::new("id", "canary", "canary");
        let shown = format!("{pair:?} {exchange:?} {refresh:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
