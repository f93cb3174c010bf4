//! `POST /api/v1/oauth2/access_token`: token pairs of apps. The parameters are in the query, and the response has no envelope.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};

use super::{EndpointResult, UNAUTHORIZED};
use crate::service::Service;
use crate::service::args::Args;
use crate::service::oauth::{ACCESS_LIFETIME, TokenPair};
use crate::service::response::ApiResponse;

const KEYS: [&str; 6] = [
    "client_id",
    "client_secret",
    "grant_type",
    "code",
    "refresh_token",
    "redirect_uri",
];

const SCOPE: &str = "user:base,file:all:read,file:all:write";

/// The format of errors from [`path::OAUTH_TOKEN`](super::path::OAUTH_TOKEN), which is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum OauthErrorFormat {
    /// HTTP 400 with `error` and `error_description`, as in RFC 6749.
    #[default]
    Rfc6749,
    /// HTTP 200 and an envelope with code 401.
    Envelope,
}

impl Service {
    pub(super) fn oauth_token(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let issued = self.issue_pair(now, request);
        let response =
            issued.map(|pair| ApiResponse::flat(StatusCode::OK, &TokenResponse::of(&pair)));
        response.map_err(|error| error.to_response(self.options.oauth_error_format))
    }

    fn issue_pair(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> Result<TokenPair, OauthError> {
        let args = self.query(request, &KEYS)?;
        let id = required(&args, "client_id")?;
        let secret = required(&args, "client_secret")?;
        let grant_type = required(&args, "grant_type")?;
        let options = &self.options;
        if id != options.client_id || secret != options.client_secret {
            return Err(OauthError::new(
                "invalid_client",
                "client_id or client_secret is invalid",
            ));
        }
        let seed = options.seed;
        let issued = match grant_type.as_str() {
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
                return Err(OauthError::new(
                    "unsupported_grant_type",
                    "grant_type must be authorization_code or refresh_token",
                ));
            }
        };
        issued.map_err(|why| OauthError::new("invalid_grant", why))
    }
}

fn required(args: &Args, key: &str) -> Result<String, OauthError> {
    let missing = || OauthError::new("invalid_request", format!("{key} is missing"));
    args.string(key)?.ok_or_else(missing)
}

/// The fields are in documented order.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    expires_in: u64,
    refresh_token: &'a str,
    scope: &'static str,
    token_type: &'static str,
}

impl<'a> TokenResponse<'a> {
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

/// An error as defined by RFC 6749.
#[derive(Serialize)]
struct OauthError {
    error: &'static str,
    error_description: String,
}

impl OauthError {
    fn new(error: &'static str, why: impl Into<String>) -> Self {
        Self {
            error,
            error_description: why.into(),
        }
    }

    fn to_response(&self, format: OauthErrorFormat) -> ApiResponse {
        match format {
            OauthErrorFormat::Rfc6749 => ApiResponse::flat(StatusCode::BAD_REQUEST, self),
            OauthErrorFormat::Envelope => ApiResponse::error(
                UNAUTHORIZED,
                format!("{}: {}", self.error, self.error_description),
            ),
        }
    }
}

/// Converts an error from reading the arguments.
impl From<ApiResponse> for OauthError {
    fn from(response: ApiResponse) -> Self {
        let why = match response {
            ApiResponse::Envelope { message, .. } => message,
            ApiResponse::Flat { .. } | ApiResponse::NoRoute => String::new(),
        };
        Self::new("invalid_request", why)
    }
}
