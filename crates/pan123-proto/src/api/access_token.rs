//! `POST /api/v1/access_token`: issues an access token for a client id and its secret.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取access_token). A session fetches its own
//! token. At most three live at once: each further one pushes out the oldest.

use std::time::{Duration, SystemTime};

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoint::{Auth, Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::wire::credential::check_credential;
use crate::wire::json::{self, Unreadable};
use crate::wire::lenient::{date, not_empty};

/// Requests an access token.
#[derive(Clone, Debug)]
pub struct IssueToken {
    client_id: String,
    client_secret: SecretString,
}

impl IssueToken {
    /// Creates the request from a developer's `clientID` and `clientSecret`.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> IssueToken {
        IssueToken {
            client_id: client_id.into(),
            client_secret: SecretString::from(client_secret.into()),
        }
    }

    /// Returns the `clientID`.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(crate) fn client_secret(&self) -> &SecretString {
        &self.client_secret
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        check_credential("client id", &self.client_id)?;
        check_credential("client secret", self.client_secret.expose_secret())
    }
}

impl Endpoint for IssueToken {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/access_token";
    const RATE: RateClass = RateClass::new("access_token", Duration::from_millis(125));
    const AUTH: Auth = Auth::None;
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    const SECRET_FIELDS: &'static [&'static str] = &["clientSecret"];
    type Response = IssuedToken;

    fn body(&self) -> Result<Body, BuildError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            #[serde(rename = "clientID")]
            client_id: &'a str,
            client_secret: &'a str,
        }
        self.check()?;
        Body::json(&Wire {
            client_id: &self.client_id,
            client_secret: self.client_secret.expose_secret(),
        })
    }
}

/// The response to an [`IssueToken`].
#[derive(Clone, Debug)]
pub struct IssuedToken {
    value: SecretString,
    expired_at: Option<SystemTime>,
}

impl IssuedToken {
    /// Returns the token, which is a secret.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// Returns when the token expires, by the service's clock; `None` if the date is missing or unreadable.
    pub fn expired_at(&self) -> Option<SystemTime> {
        self.expired_at
    }
}

impl<'de> Deserialize<'de> for IssuedToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [token, expired_at] = json.fields([&["accessToken"], &["expiredAt"]])?;
            let token = token.essential(not_empty)?;
            Ok::<_, Unreadable>(IssuedToken {
                value: SecretString::from(token.into_owned()),
                expired_at: expired_at.optional(date),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_without_a_readable_expiry_is_accepted() {
        for json in [
            r#"{"accessToken":"t"}"#,
            r#"{"accessToken":"t","expiredAt":null}"#,
            r#"{"accessToken":"t","expiredAt":1742716117}"#,
        ] {
            let token: IssuedToken = serde_json::from_str(json).unwrap();
            assert_eq!((token.expose(), token.expired_at()), ("t", None), "{json}");
        }
        serde_json::from_str::<IssuedToken>(r#"{"accessToken":""}"#).unwrap_err();
        serde_json::from_str::<IssuedToken>(r#"{"expiredAt":"2025-03-23 15:48:37"}"#).unwrap_err();
    }

    #[test]
    fn secrets_are_not_printed() {
        let request = IssueToken::new("id", "canary");
        let token: IssuedToken = serde_json::from_str(r#"{"accessToken":"canary"}"#).unwrap();
        let shown = format!("{request:?} {token:?} {:?}", request.body().unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
