//! Assertions that list the actual requests when they fail.

use std::fmt::Write;

use super::endpoints::path;
use super::{RecordedRequest, Service};

impl Service {
    /// Asserts that exactly one offline download of this URL was created.
    ///
    /// # Panics
    ///
    /// If there are none or several. The message lists the requests.
    #[track_caller]
    pub fn assert_created_once(&self, url: &str) {
        self.assert_created(url, 1);
    }

    /// Asserts how many offline downloads of this URL were created.
    ///
    /// # Panics
    ///
    /// If the number differs. The message lists the requests.
    #[track_caller]
    pub fn assert_created(&self, url: &str, times: usize) {
        enforce(self.check_created(url, times));
    }

    /// Asserts how many tokens were issued to the developer.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_tokens_issued(&self, times: usize) {
        enforce(self.check_tokens_issued(times));
    }

    /// Asserts how many token pairs were refreshed.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_oauth_refreshes(&self, times: usize) {
        enforce(self.check_refreshes(times));
    }

    /// Asserts how many requests were sent to this path, whatever their response.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_requests(&self, path: &str, times: usize) {
        enforce(self.check_requests(path, times));
    }

    pub(crate) fn check_created(&self, url: &str, times: usize) -> Check {
        let tasks = self.tasks().iter();
        let created = tasks.filter(|task| task.url() == url).count();
        let what = format!("offline downloads of {url} were created");
        self.check_count(created, &what, times, path::OFFLINE_DOWNLOAD)
    }

    pub(crate) fn check_tokens_issued(&self, times: usize) -> Check {
        let issued = self.tokens_issued();
        self.check_count(issued, "tokens were issued", times, path::ACCESS_TOKEN)
    }

    pub(crate) fn check_refreshes(&self, times: usize) -> Check {
        let refreshes = self.oauth_refreshes();
        let what = "token pairs were refreshed";
        self.check_count(refreshes, what, times, path::OAUTH_TOKEN)
    }

    pub(crate) fn check_requests(&self, path: &str, times: usize) -> Check {
        let requests = self.requests().iter();
        let count = requests.filter(|request| request.path == path).count();
        self.check_count(count, &format!("requests were sent to {path}"), times, path)
    }

    fn check_count(&self, counted: usize, what: &str, times: usize, path: &str) -> Check {
        if counted == times {
            return Ok(());
        }
        let requests = self.describe_requests(path);
        Err(format!("{counted} {what}, expected {times}{requests}"))
    }

    /// Lists the requests to this path and the other requests.
    fn describe_requests(&self, path: &str) -> String {
        let (matching, others): (Vec<_>, Vec<_>) = self
            .requests()
            .iter()
            .partition(|request| request.path == path);
        let mut text = String::new();
        list(&mut text, &format!("requests to {path}"), &matching);
        list(&mut text, "other requests", &others);
        text
    }
}

/// The result of an assertion, with the message of its failure.
pub(crate) type Check = Result<(), String>;

#[track_caller]
pub(crate) fn enforce(check: Check) {
    if let Err(message) = check {
        panic!("{message}");
    }
}

/// A longer list would hide what matters.
const MAX_LISTED: usize = 20;

fn list(text: &mut String, title: &str, requests: &[&RecordedRequest]) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{title}: {}", requests.len());
    for request in requests.iter().take(MAX_LISTED) {
        let _ = write!(text, "\n  {}", describe(request));
    }
    if requests.len() > MAX_LISTED {
        let _ = write!(text, "\n  and {} more", requests.len() - MAX_LISTED);
    }
}

fn describe(request: &RecordedRequest) -> String {
    let query = match request.redacted_query() {
        none if none.is_empty() => none,
        query => format!("?{query}"),
    };
    let body = match request.body.len() {
        0 => String::new(),
        _ => format!(" {}", request.redacted_body()),
    };
    let outcome = match (request.code, request.status) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(status)) => format!("HTTP {}", status.as_u16()),
        (None, None) => request.wire_outcome.to_string(),
    };
    format!(
        "{} {}{query}{body} -> {outcome}",
        request.method, request.path
    )
}
