//! The service as a model: what it does is the truth that outcomes are compared with; what it responds is drawn from a seed.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use pan123_proto::TransportError;

use super::coverage::{Coverage, Fault, NETWORK, RESPONSES};
use crate::support::server::{LATENCY, issue_token, token_in};
use crate::support::{Reply, ServerView, millis, path, secs};

/// One more live token pushes the oldest out.
const MAX_TOKENS: usize = 3;

/// What a response means to a client that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Good,
    /// The token, or at the token endpoint the credentials, are rejected.
    Unauthorized,
    /// Too many requests: come back after this time.
    Limited(Duration),
    /// Refused for another reason.
    Refused,
    /// It may have been carried out or not.
    Indeterminate,
}

/// A response, its meaning, and the number and life of the token that was issued for the request.
pub(crate) type Served = (Reply, Meaning, Option<(u64, Duration)>);

#[derive(Debug)]
pub(crate) struct Service {
    rng: Rng,
    pub(crate) coverage: Coverage,
    /// The share of requests that meet a fault.
    faults: f64,
    life: Duration,
    live: VecDeque<(u64, Duration)>,
    issued: u64,
    /// The tasks created for the download with this number.
    created: HashMap<u64, Vec<u64>>,
    tasks: u64,
    /// What every request meets until then.
    pub(crate) outage: Option<(Fault, Duration)>,
}

impl Service {
    pub(crate) fn new(mut rng: Rng) -> Service {
        Service {
            coverage: Coverage::default(),
            faults: [0.03, 0.1, 0.25, 0.5][rng.usize(..4)],
            life: [secs(30 * 24 * 3600), secs(2000), secs(200), secs(70)][rng.usize(..4)],
            live: VecDeque::new(),
            issued: 0,
            created: HashMap::new(),
            tasks: 1000,
            outage: None,
            rng,
        }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.faults = 0.0;
        self.outage = None;
    }

    /// The tasks created for the download with this number.
    pub(crate) fn created(&self, number: u64) -> &[u64] {
        self.created.get(&number).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn serve(&mut self, view: &ServerView<'_>, request: &Request<Bytes>) -> Served {
        let for_token = request.uri().path() == path::TOKEN;
        let outage = self.outage.filter(|(fault, until)| {
            let spared = [Fault::TokenEndpointDown, Fault::AllTokensRejected];
            let spared = spared[usize::from(for_token)];
            *fault != spared && view.at < *until
        });
        let soon = LATENCY.mul_f64(0.2 + 4.0 * self.rng.f64());
        let late = millis(self.rng.u64(1000..25_000));
        let fault = if let Some((outage, _)) = outage {
            outage
        } else if self.rng.f64() < self.faults {
            let faults = match self.rng.u8(..10) {
                0..4 => NETWORK,
                _ if for_token => &RESPONSES[..2],
                _ => RESPONSES,
            };
            faults[self.rng.usize(..faults.len())]
        } else {
            let (reply, meaning, issued) = self.carry_out(view, request);
            return (reply.after(soon), meaning, issued);
        };
        self.coverage.count(fault);
        match fault {
            Fault::Slow => {
                let (reply, meaning, issued) = self.carry_out(view, request);
                (reply.after(late), meaning, issued)
            }
            Fault::LostAfter | Fault::HungAfter | Fault::Redirected | Fault::Garbage => {
                let (_, _, issued) = self.carry_out(view, request);
                let (reply, meaning) = self.failure(fault);
                (reply.after(soon), meaning, issued)
            }
            _ => {
                let (reply, meaning) = self.failure(fault);
                (reply.after(soon), meaning, None)
            }
        }
    }

    /// What a client receives instead of a good response.
    fn failure(&mut self, fault: Fault) -> (Reply, Meaning) {
        let seconds = self.rng.u64(1..400);
        let too_often = Reply::code(429, "操作频繁");
        let reply = match fault {
            Fault::NotFound => return (Reply::http(404, "no such page"), Meaning::Refused),
            Fault::OtherCode => return (Reply::code(5066, "文件不存在"), Meaning::Refused),
            Fault::Code401 | Fault::AllTokensRejected => {
                let reply = Reply::code(401, "token is expired");
                return (reply, Meaning::Unauthorized);
            }
            Fault::Code429 => {
                return (too_often, Meaning::Limited(Duration::ZERO));
            }
            Fault::RetryAfter => {
                let reply = too_often.header("retry-after", &seconds.to_string());
                return (reply, Meaning::Limited(secs(seconds.min(300))));
            }
            Fault::NeverLeft | Fault::ServerDown => {
                Reply::failure(TransportError::never_left("connection refused"))
            }
            Fault::BadCertificate => Reply::failure(TransportError::certificate("self-signed")),
            Fault::Redirected => Reply::failure(TransportError::redirected()),
            Fault::HungBefore | Fault::HungAfter => Reply::hang(),
            Fault::BadGateway | Fault::TokenEndpointDown => Reply::http(502, "<html>"),
            Fault::Garbage => Reply::http(200, r#"{"code":0,"data":{"acc"#),
            _ => Reply::cut(),
        };
        (reply, Meaning::Indeterminate)
    }

    /// Carries a request out.
    fn carry_out(&mut self, view: &ServerView<'_>, request: &Request<Bytes>) -> Served {
        let path = request.uri().path();
        if path == path::TOKEN {
            return self.issue(view);
        }
        let number = number_after(token_in(request.headers()).as_bytes(), "token-");
        let token = self.live.iter().find(|(live, _)| *live == number);
        if token.is_none_or(|(_, end)| view.at >= *end) {
            self.coverage.count(Fault::TokenRejected);
            let reply = Reply::code(401, "tokens number has exceeded the limit");
            return (reply, Meaning::Unauthorized, None);
        }
        let data = match path {
            path::USER_INFO => r#"{"uid":7}"#.to_owned(),
            path::CREATE => {
                self.tasks += 1;
                let number = number_after(request.body(), "example.com/");
                self.created.entry(number).or_default().push(self.tasks);
                format!(r#"{{"taskID":{}}}"#, self.tasks)
            }
            _ => {
                let query = request.uri().query().unwrap_or_default();
                progress(view.at, number_after(query.as_bytes(), "taskID="))
            }
        };
        let body = format!(r#"{{"code":0,"message":"ok","data":{data},"x-traceID":"t"}}"#);
        (Reply::http(200, &body), Meaning::Good, None)
    }

    fn issue(&mut self, view: &ServerView<'_>) -> Served {
        self.issued += 1;
        if self.live.len() == MAX_TOKENS {
            self.live.pop_front();
        }
        self.live.push_back((self.issued, view.at + self.life));
        let number = usize::try_from(self.issued).expect("few tokens");
        let reply = issue_token(view, number, self.life);
        (reply, Meaning::Good, Some((self.issued, self.life)))
    }
}

/// How a task goes: it ends after `task % 300` seconds of the run, by its number in success, in failure or not at all.
fn progress(at: Duration, task: u64) -> String {
    let status = match ending(task) {
        Some(is_success) if at >= secs(task % 300) => 1 + u8::from(is_success),
        _ => 0,
    };
    format!(r#"{{"process":{},"status":{status}}}"#, at.as_secs() % 100)
}

/// Whether a task succeeds; none if it never ends.
pub(crate) fn ending(task: u64) -> Option<bool> {
    [Some(true), Some(false), None][usize::try_from(task % 3).expect("small")]
}

/// The number right behind a word.
pub(crate) fn number_after(text: &[u8], word: &str) -> u64 {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once(word).unwrap_or_default();
    let digits = rest.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
