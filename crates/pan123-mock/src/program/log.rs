//! One line a request on stderr, without secrets.

use std::io::{self, Write};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, Uri};
use jiff::Timestamp;
use serde_json::json;

use crate::service::{Reply, code_in, without_secrets};
use crate::tcp::Fate;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    Nothing,
    Text,
    Json,
}

impl Log {
    /// That the program listens: the base URL alone on stdout, for scripts.
    pub(super) fn listening(self, base_url: &str) {
        let mut out = io::stdout().lock();
        // Whoever does not read it does not need it.
        let _ = writeln!(out, "{base_url}").and_then(|()| out.flush());
        match self {
            Self::Nothing => {}
            Self::Text => write_line(&format!(
                "listening on {base_url}, admin under {base_url}/__admin/"
            )),
            Self::Json => write_line(&json!({ "listening": base_url }).to_string()),
        }
    }

    /// What became of a request at this time of the service.
    pub(super) fn answered(self, now: SystemTime, request: &Request<Bytes>, reply: &Reply) {
        if self == Self::Nothing {
            return;
        }
        let line = Line {
            time: Timestamp::try_from(now).unwrap_or_default(),
            method: request.method(),
            uri: request.uri(),
            reply,
        };
        write_line(&match self {
            Self::Json => line.json(),
            _ => line.text(),
        });
    }
}

struct Line<'a> {
    time: Timestamp,
    method: &'a Method,
    uri: &'a Uri,
    reply: &'a Reply,
}

impl Line<'_> {
    fn text(&self) -> String {
        let query = self.uri.query().map(without_secrets);
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let came = match (self.ending(), self.code()) {
            (Some(ending), _) => ending.to_owned(),
            (None, Some(code)) => format!("{} code {code}", self.status()),
            (None, None) => self.status().to_string(),
        };
        format!(
            "{:.3} {} {}{query} -> {came}",
            self.time,
            self.method,
            self.uri.path()
        )
    }

    fn json(&self) -> String {
        json!({
            "time": format!("{:.3}", self.time),
            "method": self.method.as_str(),
            "path": self.uri.path(),
            "query": self.uri.query().map(without_secrets),
            "status": self.ending().is_none().then(|| self.status()),
            "code": self.code(),
            "broken": self.ending(),
        })
        .to_string()
    }

    fn status(&self) -> u16 {
        self.reply.response.status().as_u16()
    }

    fn code(&self) -> Option<i64> {
        code_in(self.reply.response.body()).filter(|_| self.ending().is_none())
    }

    /// How the exchange broke, if it did.
    fn ending(&self) -> Option<&'static str> {
        match self.reply.broken.as_ref()?.fate() {
            Fate::Answered => None,
            Fate::CutOff => Some("cut off"),
            Fate::Silence => Some("silence"),
            Fate::Flood(_) => Some("flood"),
        }
    }
}

/// In one piece, so that lines of threads do not mix.
fn write_line(line: &str) {
    // Where nobody can be told, nobody is.
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}
