//! `POST /api/v1/oauth2/access_token`: the tokens of an app. What it says is in the query, and the answer has no envelope.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Judged, UNAUTHORIZED};
use crate::service::Service;
use crate::service::answer::Answer;
use crate::service::args::Args;
use crate::service::oauth::{ACCESS_LIFETIME, TokenPair};

const KEYS: [&str; 6] = [
    "client_id",
    "client_secret",
    "grant_type",
    "code",
    "refresh_token",
    "redirect_uri",
];

const SCOPE: &str = "user:base,file:all:read,file:all:write";

/// How [`path::OAUTH_TOKEN`](super::path::OAUTH_TOKEN) refuses: how the real service does it is known to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum OauthRefusal {
    /// HTTP 400 with `error` and `error_description`, as in RFC 6749.
    #[default]
    Rfc6749,
    /// HTTP 200 and the envelope, with code 401.
    Envelope,
}

impl Service {
    pub(super) fn oauth_token(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let given = self.asked_pair(now, request);
        let told = given.map(|pair| Answer::flat(StatusCode::OK, &Told::of(&pair)));
        told.map_err(|refused| refused.answer(self.options.oauth_refusal))
    }

    fn asked_pair(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> Result<TokenPair, Refused> {
        let args = self.query(request, &KEYS)?;
        let id = required(&args, "client_id")?;
        let secret = required(&args, "client_secret")?;
        let grant_type = required(&args, "grant_type")?;
        let options = &self.options;
        if id != options.client_id || secret != options.client_secret {
            return Err(Refused::new(
                "invalid_client",
                "client_id or client_secret is wrong",
            ));
        }
        let seed = options.seed;
        let given = match grant_type.as_str() {
            "authorization_code" => {
                let code = required(&args, "code")?;
                let redirect_uri = required(&args, "redirect_uri")?;
                self.oauth.exchange(seed, now, &code, &redirect_uri)
            }
            "refresh_token" => {
                let token = required(&args, "refresh_token")?;
                self.oauth.refresh(seed, now, &token)
            }
            _ => {
                return Err(Refused::new(
                    "unsupported_grant_type",
                    "grant_type is authorization_code or refresh_token",
                ));
            }
        };
        given.map_err(|why| Refused::new("invalid_grant", why))
    }
}

fn required(args: &Args, key: &str) -> Result<String, Refused> {
    let missing = || Refused::new("invalid_request", format!("{key} is missing"));
    args.string(key)?.ok_or_else(missing)
}

/// With the fields in the order of the documentation.
#[derive(Serialize)]
struct Told<'a> {
    access_token: &'a str,
    expires_in: u64,
    refresh_token: &'a str,
    scope: &'static str,
    token_type: &'static str,
}

impl<'a> Told<'a> {
    fn of(pair: &'a TokenPair) -> Self {
        Self {
            access_token: &pair.access_token,
            expires_in: ACCESS_LIFETIME.as_secs(),
            refresh_token: &pair.refresh_token,
            scope: SCOPE,
            token_type: "Bearer",
        }
    }
}

/// In the words of RFC 6749.
#[derive(Serialize)]
struct Refused {
    error: &'static str,
    error_description: String,
}

impl Refused {
    fn new(error: &'static str, why: impl Into<String>) -> Self {
        Self {
            error,
            error_description: why.into(),
        }
    }

    fn answer(&self, shape: OauthRefusal) -> Answer {
        match shape {
            OauthRefusal::Rfc6749 => Answer::flat(StatusCode::BAD_REQUEST, self),
            OauthRefusal::Envelope => Answer::refused(
                UNAUTHORIZED,
                format!("{}: {}", self.error, self.error_description),
            ),
        }
    }
}

/// What was found while the arguments were taken.
impl From<Answer> for Refused {
    fn from(answer: Answer) -> Self {
        let why = match answer {
            Answer::Envelope { message, .. } => message,
            Answer::Flat { .. } | Answer::NoRoute => String::new(),
        };
        Self::new("invalid_request", why)
    }
}
