//! Assertions that say what came instead.

use std::fmt::Write;

use super::endpoints::path;
use super::{RecordedRequest, Service};

impl Service {
    /// Passes if exactly one offline download of this URL was created.
    ///
    /// # Panics
    ///
    /// If there are none or several: the message lists what was asked for and what came of it.
    #[track_caller]
    pub fn assert_created_once(&self, url: &str) {
        self.assert_created(url, 1);
    }

    /// Passes if so many offline downloads of this URL were created.
    ///
    /// # Panics
    ///
    /// If there are more or fewer: the message lists what was asked for and what came of it.
    #[track_caller]
    pub fn assert_created(&self, url: &str, times: usize) {
        hold(self.created(url, times));
    }

    /// Passes if so many tokens were minted.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_tokens_minted(&self, times: usize) {
        hold(self.minted(times));
    }

    /// Passes if so many pairs of tokens were given out for the refresh token of another.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_oauth_refreshes(&self, times: usize) {
        hold(self.refreshed(times));
    }

    /// Passes if so many requests came to this path, whatever became of them.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_requests(&self, path: &str, times: usize) {
        hold(self.came(path, times));
    }

    pub(crate) fn created(&self, url: &str, times: usize) -> Held {
        let tasks = self.tasks().iter();
        let created = tasks.filter(|task| task.url() == url).count();
        let what = format!("offline downloads of {url} were created");
        self.are(created, &what, times, path::OFFLINE_DOWNLOAD)
    }

    pub(crate) fn minted(&self, times: usize) -> Held {
        let minted = self.tokens_minted();
        self.are(minted, "tokens were minted", times, path::ACCESS_TOKEN)
    }

    pub(crate) fn refreshed(&self, times: usize) -> Held {
        let refreshes = self.oauth_refreshes();
        let what = "pairs of tokens were refreshed";
        self.are(refreshes, what, times, path::OAUTH_TOKEN)
    }

    pub(crate) fn came(&self, path: &str, times: usize) -> Held {
        let requests = self.requests().iter();
        let came = requests.filter(|request| request.path == path).count();
        self.are(came, &format!("requests came to {path}"), times, path)
    }

    fn are(&self, counted: usize, what: &str, times: usize, path: &str) -> Held {
        if counted == times {
            return Ok(());
        }
        let told = self.told(path);
        Err(format!("{counted} {what}, and not {times}{told}"))
    }

    /// The requests to this path, and what other requests there were.
    fn told(&self, path: &str) -> String {
        let (to_it, others): (Vec<_>, Vec<_>) = self
            .requests()
            .iter()
            .partition(|request| request.path == path);
        let mut told = String::new();
        listed(&mut told, &format!("requests to {path}"), &to_it);
        listed(&mut told, "other requests", &others);
        told
    }
}

/// What came instead, if it does not hold.
pub(crate) type Held = Result<(), String>;

#[track_caller]
pub(crate) fn hold(held: Held) {
    if let Err(told) = held {
        panic!("{told}");
    }
}

/// More would hide what matters.
const SHOWN: usize = 20;

fn listed(told: &mut String, title: &str, requests: &[&RecordedRequest]) {
    // Writing to a string cannot fail.
    let _ = write!(told, "\n{title}: {}", requests.len());
    for request in requests.iter().take(SHOWN) {
        let _ = write!(told, "\n  {}", line(request));
    }
    if requests.len() > SHOWN {
        let _ = write!(told, "\n  and {} more", requests.len() - SHOWN);
    }
}

fn line(request: &RecordedRequest) -> String {
    let query = match request.shown_query() {
        none if none.is_empty() => none,
        query => format!("?{query}"),
    };
    let body = match request.body.len() {
        0 => String::new(),
        _ => format!(" {}", request.shown_body()),
    };
    let came = match (request.code, request.status) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(status)) => format!("HTTP {}", status.as_u16()),
        (None, None) => request.fate.to_string(),
    };
    format!("{} {}{query}{body} -> {came}", request.method, request.path)
}
