//! `POST /api/v1/access_token`, `GET /api/v1/user/info`: tokens and the account.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::{EndpointResult, UNAUTHORIZED};
use crate::service::response::{ApiResponse, china_time};
use crate::service::{Service, user};

impl Service {
    pub(super) fn access_token(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &["clientID", "clientSecret"])?;
        let id = args.string("clientID")?;
        let secret = args.string("clientSecret")?;
        let options = &self.options;
        if id.as_ref() != Some(&options.client_id)
            || secret.as_ref() != Some(&options.client_secret)
        {
            let message = "clientID or clientSecret is invalid";
            return Err(ApiResponse::error(UNAUTHORIZED, message));
        }
        let (token, expires) = self.tokens.issue(options.seed, now, options.token_lifetime);
        let data = json!({"accessToken": token, "expiredAt": china_time(expires)});
        Ok(ApiResponse::ok(&data))
    }

    pub(super) fn user_info(&mut self, _: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        self.query(request, &[])?;
        Ok(ApiResponse::ok(user::info()))
    }
}
