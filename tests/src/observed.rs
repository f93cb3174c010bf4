//! What a scenario did: the requests as the service received them, and the results as a program reads them.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::Duration;

use pan123_mock::{RecordedRequest, Service, Task};
use pan123_proto::file::{Entry, FileInfos, FilePageV1};
use pan123_proto::offline::{FileLookup, Progress, WatchError, WatchEvent};
use pan123_proto::{Error, ErrorCode, TransportErrorKind};

/// What one scenario did under one driver.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the service received, in order.
    pub requests: Vec<SentRequest>,
    /// What the calls of the client returned, in order.
    pub results: Vec<Outcome>,
    /// How many tokens the service issued.
    pub issued: usize,
    /// How many offline downloads the service accepted.
    pub tasks: usize,
    /// Their ids.
    pub task_ids: Vec<u64>,
    /// How many requests arrived at the socket but did not reach the service, by path.
    pub unreceived: BTreeMap<&'static str, usize>,
}

impl Observed {
    /// Returns what the service received, with these results.
    pub fn new(service: &Service, results: Vec<Outcome>) -> Observed {
        let requests = service.requests().iter().map(SentRequest::of);
        Observed {
            requests: requests.filter(SentRequest::is_of_the_client).collect(),
            results,
            issued: service.tokens_issued(),
            tasks: service.tasks().len(),
            task_ids: service.tasks().iter().map(Task::id).collect(),
            unreceived: BTreeMap::new(),
        }
    }

    /// The same in a fixed order, for calls that ran concurrently.
    pub fn sorted(mut self) -> Observed {
        self.requests.sort_by_key(SentRequest::written);
        self.results.sort_by_key(|outcome| format!("{outcome:?}"));
        self
    }

    /// Returns how many requests were sent to this path.
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.requests
            .iter()
            .filter(|sent| sent.path == path)
            .count()
    }

    /// How many requests to this path arrived at the socket, whether they reached the service or not.
    #[must_use]
    pub fn arrived(&self, path: &str) -> usize {
        self.count(path) + self.unreceived.get(path).copied().unwrap_or_default()
    }

    /// The paths of the requests, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<&str> {
        self.requests
            .iter()
            .map(|sent| sent.path.as_str())
            .collect()
    }

    /// The kinds of the results, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<&str> {
        self.results
            .iter()
            .map(|outcome| outcome.kind.as_str())
            .collect()
    }
}

fn shown(entry: &Entry) -> String {
    let trashed = if entry.trashed { ", trashed" } else { "" };
    let parent = entry
        .parent
        .map_or_else(|| "?".to_owned(), |parent| parent.to_string());
    format!("{} in {parent}: {:?}{trashed}", entry.id, entry.name)
}

fn values<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<String> {
    entries.map(shown).collect()
}

/// Marks the requests of others, which are not observed.
pub const FROM_OTHERS: &str = "x-elsewhere";

/// The headers that the core sets; all others are the transport's.
const OF_THE_CORE: [&str; 4] = ["authorization", "content-type", "platform", "user-agent"];

/// A request as the service received it.
#[derive(Clone, PartialEq, Eq)]
pub struct SentRequest {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as it was written.
    pub query: String,
    /// The headers of the core, by name.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All other headers, by name.
    pub extra: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl SentRequest {
    fn of(request: &RecordedRequest) -> SentRequest {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        SentRequest {
            method: request.method().to_string(),
            path: request.path().to_owned(),
            query: request.query().to_owned(),
            headers: headers.collect(),
            extra: Vec::new(),
            body: request.body().to_vec(),
        }
        .sorted()
    }

    /// Separates the headers of the core from all others, and sorts both.
    pub(crate) fn sorted(mut self) -> SentRequest {
        self.headers.sort();
        let is_core = |pair: &(String, _)| OF_THE_CORE.contains(&pair.0.as_str());
        (self.headers, self.extra) = self.headers.into_iter().partition(is_core);
        self
    }

    /// Whether the client sent it, and not [others](FROM_OTHERS).
    pub(crate) fn is_of_the_client(&self) -> bool {
        !self.extra.iter().any(|(name, _)| name == FROM_OTHERS)
    }

    /// All that must be the same under every driver, as one text. The headers that a transport adds are checked separately.
    #[must_use]
    pub fn written(&self) -> String {
        let mut lines = vec![format!("{} {}?{}", self.method, self.path, self.query)];
        for (name, value) in &self.headers {
            lines.push(format!("{name}: {}", value.escape_ascii()));
        }
        lines.push(self.body.escape_ascii().to_string());
        lines.join("\n")
    }

    /// The text of a header of the core.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().find(|header| header.0 == name);
        named.map(|(_, value)| value.escape_ascii().to_string())
    }
}

impl Debug for SentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written())
    }
}

/// The result of a call, as far as a program can inspect it.
#[derive(Clone, PartialEq)]
pub struct Outcome {
    /// `ok`, the kind of the error, or what a watch ended with.
    pub kind: String,
    /// The value, or the last progress observed.
    pub value: String,
    /// The text of the error.
    pub text: String,
    /// The service's code.
    pub code: Option<ErrorCode>,
    /// The service's message.
    pub message: Option<String>,
    /// The service's trace id.
    pub trace: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// How many attempts were made, if the retries were used up.
    pub attempts: Option<u32>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// How far the last request got, if it brought no response.
    pub reached: Option<TransportErrorKind>,
    /// Whether a retry may help.
    pub retryable: bool,
    /// How long the call took. It is not compared.
    pub took: Duration,
}

impl Outcome {
    /// A value.
    pub fn ok(value: impl Debug) -> Outcome {
        Outcome {
            kind: "ok".to_owned(),
            value: format!("{value:?}"),
            text: String::new(),
            code: None,
            message: None,
            trace: None,
            status: None,
            attempts: None,
            retry_after: None,
            reached: None,
            retryable: false,
            took: Duration::ZERO,
        }
    }

    /// A value or an error.
    pub fn of<T: Debug>(result: &Result<T, Error>) -> Outcome {
        match result {
            Ok(value) => Outcome::ok(value),
            Err(error) => Outcome::failed(error),
        }
    }

    /// An entry of a list, without its times, which depend on each driver's clock.
    #[must_use]
    pub fn entry(entry: &Result<Entry, Error>) -> Outcome {
        match entry {
            Ok(entry) => Outcome::ok(format_args!("{}", shown(entry))),
            Err(error) => Outcome::failed(error),
        }
    }

    /// Many entries.
    #[must_use]
    pub fn entries(infos: &Result<FileInfos, Error>) -> Outcome {
        let values = |infos: &FileInfos| (values(infos.entries.iter()), infos.unreadable.clone());
        Outcome::of_ref(infos, values)
    }

    /// A page of the old list.
    #[must_use]
    pub fn old_list(page: &Result<FilePageV1, Error>) -> Outcome {
        let values = |page: &FilePageV1| {
            let of_all = values(page.entries.iter().map(|entry| &entry.entry));
            (page.total, of_all, page.unreadable.clone())
        };
        Outcome::of_ref(page, values)
    }

    fn of_ref<T, V: Debug>(result: &Result<T, Error>, value: impl FnOnce(&T) -> V) -> Outcome {
        match result {
            Ok(all) => Outcome::ok(value(all)),
            Err(error) => Outcome::failed(error),
        }
    }

    /// The result of a file lookup.
    #[must_use]
    pub fn file_lookup(landed: &FileLookup) -> Outcome {
        match landed {
            FileLookup::Found { entry, by } => Outcome::ok(format_args!(
                "found {} by {by:?}: {:?}",
                entry.id, entry.name
            )),
            FileLookup::Several(entries) => {
                Outcome::ok(format_args!("{} could be it", entries.len()))
            }
            FileLookup::Failed(error) => Outcome::failed(error),
            other => Outcome::ok(other),
        }
    }

    /// An event of a watch, or its end.
    #[must_use]
    pub fn event(event: &Result<WatchEvent, WatchError>) -> Outcome {
        match event {
            Ok(WatchEvent::Progress(progress)) => Outcome::ok(progress),
            Ok(WatchEvent::PollFailed(error)) => Outcome::failed(error).of_kind("PollFailed"),
            Ok(other) => Outcome::ok(other).of_kind("another event"),
            Err(error) => Outcome::watch(error),
        }
    }

    /// The error that ended a watch.
    #[must_use]
    pub fn watch(error: &WatchError) -> Outcome {
        let (kind, outcome) = match error {
            WatchError::DownloadFailed { .. } => ("DownloadFailed", Outcome::ok(())),
            WatchError::Deadline { failure, .. } => {
                let failure = failure.as_deref();
                (
                    "WatchDeadline",
                    failure.map_or_else(|| Outcome::ok(()), Outcome::failed),
                )
            }
            WatchError::Stalled { .. } => ("Stalled", Outcome::ok(())),
            WatchError::Polls { error, .. } => ("Polls", Outcome::failed(error)),
            WatchError::Stopped { .. } => ("Stopped", Outcome::ok(())),
            _ => ("another end", Outcome::ok(())),
        };
        let last: Option<Progress> = error.last();
        Outcome {
            text: error.to_string(),
            value: format!("{last:?}"),
            ..outcome.of_kind(kind)
        }
    }

    fn failed(error: &Error) -> Outcome {
        let attempts = match error {
            Error::RetriesExhausted { attempts, .. } => Some(*attempts),
            _ => None,
        };
        Outcome {
            kind: format!("{:?}", error.kind()),
            value: String::new(),
            text: error.to_string(),
            code: error.code(),
            message: error.api().map(|api| api.message().to_owned()),
            trace: error.trace_id().map(str::to_owned),
            status: error.http_status().map(|status| status.as_u16()),
            attempts,
            retry_after: error.retry_after(),
            reached: reached(error),
            retryable: error.is_retryable(),
            took: Duration::ZERO,
        }
    }

    fn of_kind(mut self, kind: &str) -> Outcome {
        kind.clone_into(&mut self.kind);
        self
    }
}

/// Returns how far the last request of a failed call got, if it brought no response.
#[must_use]
pub fn reached(error: &Error) -> Option<TransportErrorKind> {
    match error {
        Error::Transport(error) => Some(error.kind()),
        Error::RetriesExhausted { last, .. }
        | Error::Deadline {
            last: Some(last), ..
        } => reached(last),
        Error::Ambiguous(ambiguous) => reached(ambiguous.cause()),
        Error::Token(inner) | Error::Credentials(inner) => reached(inner),
        _ => None,
    }
}

/// Shows only what is set.
impl Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.value, self.text)?;
        let known = [
            self.code.map(|it| format!("code {it:?}")),
            self.message.as_ref().map(|it| format!("message {it:?}")),
            self.trace.as_ref().map(|it| format!("trace {it}")),
            self.status.map(|it| format!("status {it}")),
            self.attempts.map(|it| format!("attempts {it}")),
            self.retry_after.map(|it| format!("retry after {it:?}")),
            self.reached.map(|it| format!("reached {it:?}")),
            self.retryable.then(|| "retryable".to_owned()),
        ];
        let known: Vec<String> = known.into_iter().flatten().collect();
        write!(f, " [{}]", known.join(", "))
    }
}
