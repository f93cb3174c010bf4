//! What the service does for a request: one function an endpoint.

use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use serde_json::{Map, Value, json};

use super::answer::{Answer, china_time};
use super::tasks::Download;
use super::tokens::Refusal;
use super::{Effect, Service, user};

/// The paths that the mock knows.
pub mod path {
    /// `POST`: a new token.
    pub const ACCESS_TOKEN: &str = "/api/v1/access_token";
    /// `GET`: the account.
    pub const USER_INFO: &str = "/api/v1/user/info";
    /// `POST`: a new offline download.
    pub const OFFLINE_DOWNLOAD: &str = "/api/v1/offline/download";
    /// `GET`: how far an offline download is.
    pub const OFFLINE_PROGRESS: &str = "/api/v1/offline/download/process";
}

/// The service's code for nearly everything that has none of its own.
const FAILURE: i64 = 1;
const UNAUTHORIZED: i64 = 401;

/// What a request comes to: an answer in any case, and on the way there a refusal.
type Judged<T> = Result<T, Answer>;

impl Service {
    pub(super) fn act(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> (Answer, Vec<Effect>) {
        let judged = match (request.method(), request.uri().path()) {
            (&Method::POST, path::ACCESS_TOKEN) => self.access_token(now, request),
            (&Method::GET, path::USER_INFO) => self.user_info(now, request),
            (&Method::POST, path::OFFLINE_DOWNLOAD) => self.download(now, request),
            (&Method::GET, path::OFFLINE_PROGRESS) => self.progress(now, request),
            _ => Err(Answer::NoRoute),
        };
        match judged {
            Ok((data, effects)) => (Answer::ok(data), effects),
            Err(refusal) => (refusal, Vec::new()),
        }
    }

    fn access_token(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> Judged<(Value, Vec<Effect>)> {
        check_platform(request)?;
        let body = json_body(request)?;
        let id = string(&body, "clientID")?;
        let secret = string(&body, "clientSecret")?;
        let options = &self.options;
        if id.as_ref() != Some(&options.client_id)
            || secret.as_ref() != Some(&options.client_secret)
        {
            let message = "clientID or clientSecret is wrong";
            return Err(Answer::refused(UNAUTHORIZED, message));
        }
        let (token, expires) = self.tokens.mint(options.seed, now, options.token_lifetime);
        let data = json!({"accessToken": token, "expiredAt": china_time(expires)});
        Ok((data, Vec::new()))
    }

    fn user_info(&self, now: SystemTime, request: &Request<Bytes>) -> Judged<(Value, Vec<Effect>)> {
        self.check_headers(now, request)?;
        Ok((user::info(), Vec::new()))
    }

    fn download(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> Judged<(Value, Vec<Effect>)> {
        self.check_headers(now, request)?;
        let asked = asked_for(&json_body(request)?)?;
        let url = asked.url.clone();

        let course = self.options.courses.get(&url);
        let fetched = course.is_none() && self.options.fetch_loopback && is_loopback(&url);
        let (task, effects) = if fetched {
            let task = self.tasks.create_fetched(asked);
            (task, vec![Effect::Fetch { task, url }])
        } else {
            let course = course.unwrap_or(&self.options.default_course).clone();
            (self.tasks.create(asked, course), Vec::new())
        };
        Ok((json!({"taskID": task}), effects))
    }

    fn progress(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> Judged<(Value, Vec<Effect>)> {
        self.check_headers(now, request)?;
        let id = query_value(request, "taskID")
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| Answer::refused(FAILURE, "taskID参数错误"))?;
        let task = self.tasks.get_mut(id);
        let task = task.ok_or_else(|| Answer::refused(FAILURE, "任务不存在"))?;

        let ended = task.poll();
        let step = task.step();
        let data = json!({"process": percent(step.percent), "status": step.status});
        let effects = if ended {
            self.call_back(id)
        } else {
            Vec::new()
        };
        Ok((data, effects))
    }

    fn check_headers(&self, now: SystemTime, request: &Request<Bytes>) -> Judged<()> {
        check_platform(request)?;
        let value = request.headers().get(header::AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        token
            .ok_or(Refusal::Unknown)
            .and_then(|token| self.tokens.check(token, now))
            .map_err(|refusal| Answer::refused(UNAUTHORIZED, refusal.message()))
    }
}

fn check_platform(request: &Request<Bytes>) -> Judged<()> {
    match request.headers().get("Platform") {
        Some(value) if value == "open_platform" => Ok(()),
        _ => Err(Answer::refused(FAILURE, "Platform: open_platform缺失")),
    }
}

fn json_body(request: &Request<Bytes>) -> Judged<Map<String, Value>> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    if !is_json {
        return Err(Answer::refused(
            FAILURE,
            "Content-Type: application/json缺失",
        ));
    }
    serde_json::from_slice(request.body()).map_err(|_| wrong("body"))
}

fn asked_for(body: &Map<String, Value>) -> Judged<Download> {
    let url = string(body, "url")?.ok_or_else(|| wrong("url"))?;
    if !is_http(&url) {
        return Err(Answer::refused(FAILURE, "url仅支持http/https"));
    }
    let dir_id = integer(body, "dirID")?;
    if dir_id == Some(0) {
        return Err(Answer::refused(FAILURE, "dirID不支持根目录"));
    }
    Ok(Download {
        url,
        file_name: string(body, "fileName")?,
        dir_id,
        callback_url: string(body, "callBackUrl")?,
    })
}

/// Null and the empty string stand for nothing: clients send both, and none has complained.
fn string(body: &Map<String, Value>, key: &str) -> Judged<Option<String>> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) if value.is_empty() => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(wrong(key)),
    }
}

fn integer(body: &Map<String, Value>, key: &str) -> Judged<Option<i64>> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(key)),
    }
}

fn wrong(key: &str) -> Answer {
    Answer::refused(FAILURE, format!("{key}参数错误"))
}

fn query_value<'a>(request: &'a Request<Bytes>, key: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| (name == key).then_some(value))
}

/// By its beginning only: sources with characters that a strict parser refuses are sent and accepted in practice.
fn is_http(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let known = ["http", "https"];
    known.iter().any(|name| scheme.eq_ignore_ascii_case(name)) && !rest.is_empty()
}

/// Whether the host of this URL is this machine and nothing else.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let Some(host) = uri.host() else {
        return false;
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal
        .parse::<IpAddr>()
        .map_or(host.eq_ignore_ascii_case("localhost"), |ip| {
            ip.is_loopback()
        })
}

/// Whole percents as an integer literal, as the service writes them, and any other number as a fraction.
fn percent(percent: f64) -> Value {
    percent.to_string().parse().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in [
            "http://127.0.0.1:8080/a",
            "http://127.9.9.9/",
            "http://[::1]:80/a",
            "http://LOCALHOST/a",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "/127.0.0.1",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn only_http_and_https_are_sources() {
        for url in ["http://a/b", "HTTPS://a", "https://例子/文件?x=(y)"] {
            assert!(is_http(url), "{url}");
        }
        for url in ["magnet:?xt=urn:btih:0", "ftp://a/b", "http://", "a/b", ""] {
            assert!(!is_http(url), "{url}");
        }
    }

    #[test]
    fn whole_percents_are_integers_on_the_wire() {
        assert_eq!(percent(100.0).to_string(), "100");
        assert_eq!(percent(37.5).to_string(), "37.5");
        assert_eq!(percent(f64::NAN), Value::Null);
    }
}
