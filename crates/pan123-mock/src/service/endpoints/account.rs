//! `POST /api/v1/access_token`, `GET /api/v1/user/info`: who asks.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::{Judged, UNAUTHORIZED};
use crate::service::answer::{Answer, china_time};
use crate::service::{Service, user};

impl Service {
    pub(super) fn access_token(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["clientID", "clientSecret"])?;
        let id = args.string("clientID")?;
        let secret = args.string("clientSecret")?;
        let options = &self.options;
        if id.as_ref() != Some(&options.client_id)
            || secret.as_ref() != Some(&options.client_secret)
        {
            let message = "clientID or clientSecret is wrong";
            return Err(Answer::refused(UNAUTHORIZED, message));
        }
        let (token, expires) = self.tokens.mint(options.seed, now, options.token_lifetime);
        let data = json!({"accessToken": token, "expiredAt": china_time(expires)});
        Ok(Answer::ok(&data))
    }

    pub(super) fn user_info(&mut self, _: SystemTime, request: &Request<Bytes>) -> Judged {
        self.query(request, &[])?;
        Ok(Answer::ok(user::info()))
    }
}
