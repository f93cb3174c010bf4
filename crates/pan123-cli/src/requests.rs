//! How the service answered the requests of this program, counted by the events of the SDK.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pan123_async::proto::Endpoint;
use pan123_async::proto::offline::GetDownloadProgress;
use pan123_async::{Download, Error};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Over how long the rate of polls is taken.
const RECENT: Duration = Duration::from_secs(60);

/// The counts. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    by_answer: BTreeMap<(Purpose, Answer), u64>,
    /// When the latest polls were answered.
    polls: VecDeque<Instant>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Create,
    Poll,
    Token,
    Other,
}

impl Purpose {
    fn of_endpoint(path: &str) -> Purpose {
        match path {
            Download::PATH => Purpose::Create,
            GetDownloadProgress::PATH => Purpose::Poll,
            _ if path.ends_with("/access_token") => Purpose::Token,
            _ => Purpose::Other,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Purpose::Create => "create",
            Purpose::Poll => "poll",
            Purpose::Token => "token",
            Purpose::Other => "other",
        }
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Succeeded,
    /// 401: the token is not accepted.
    Unauthorized,
    /// 429: too many requests.
    RateLimited,
    /// Any other code or status.
    Refused,
    /// No answer that can be read.
    Nothing,
}

impl Answer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Answer::Succeeded => "ok",
            Answer::Unauthorized => "401",
            Answer::RateLimited => "429",
            Answer::Refused => "refused",
            Answer::Nothing => "none",
        }
    }
}

impl Requests {
    /// Returns how many requests were answered how.
    pub(crate) fn by_answer(&self) -> BTreeMap<(Purpose, Answer), u64> {
        self.lock().by_answer.clone()
    }

    /// Returns how many polls were answered in the last minute.
    pub(crate) fn recent_polls(&self, now: Instant) -> usize {
        let mut counts = self.lock();
        counts.forget(now);
        counts.polls.len()
    }

    /// Returns how many requests have succeeded.
    pub(crate) fn successes(&self) -> u64 {
        let counts = self.lock();
        let by_answer = counts.by_answer.iter();
        let successes = by_answer.filter(|((_, answer), _)| *answer == Answer::Succeeded);
        successes.map(|(_, count)| count).sum()
    }

    #[cfg(test)]
    pub(crate) fn count_success(&self) {
        self.count(Purpose::Other, Answer::Succeeded, Instant::now());
    }

    fn count(&self, purpose: Purpose, answer: Answer, now: Instant) {
        let mut counts = self.lock();
        *counts.by_answer.entry((purpose, answer)).or_default() += 1;
        if (purpose, answer) == (Purpose::Poll, Answer::Succeeded) {
            counts.polls.push_back(now);
            counts.forget(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > RECENT;
        while self.polls.front().is_some_and(is_old) {
            self.polls.pop_front();
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Requests {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(span), Some(path)) = (context.span(id), fields.endpoint) {
            span.extensions_mut().insert(Purpose::of_endpoint(&path));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let span = context.event_span(event);
        let purpose = span.and_then(|span| span.extensions().get::<Purpose>().copied());
        let purpose = match (&*fields.message, purpose) {
            ("retrying", Some(purpose)) => purpose,
            ("ended", Some(purpose)) if fields.is_sent() => purpose,
            _ => return,
        };
        self.count(purpose, fields.answer(), Instant::now());
    }
}

/// The fields of a span or an event that tell of a request.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    endpoint: Option<String>,
    attempt: u64,
    code: Option<i64>,
    http_status: Option<u64>,
    error: Option<String>,
}

impl Fields {
    /// Whether the last attempt of a call was sent.
    fn is_sent(&self) -> bool {
        let stopped = format!("{:?}", Error::Stopped.kind());
        self.attempt > 0 && self.error.as_deref() != Some(&stopped)
    }

    fn answer(&self) -> Answer {
        match (self.code, self.http_status) {
            (Some(0), _) => Answer::Succeeded,
            (Some(401), _) | (None, Some(401)) => Answer::Unauthorized,
            (Some(429 | 42902 | 42903), _) | (None, Some(429)) => Answer::RateLimited,
            (None, None) => Answer::Nothing,
            _ => Answer::Refused,
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "endpoint" {
            self.endpoint = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "attempt" => self.attempt = value,
            "http_status" => self.http_status = Some(value),
            "code" => self.code = i64::try_from(value).ok(),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        match u64::try_from(value) {
            _ if field.name() == "code" => self.code = Some(value),
            Ok(value) => self.record_u64(field, value),
            Err(_) => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.error = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use pan123_async::Client;
    use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Fault, MockPan123, path};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test]
    async fn each_request_counts_by_its_purpose_and_answer() {
        let requests = Requests::default();
        let subscriber = tracing_subscriber::registry().with(requests.clone());
        // With one dispatcher alone, a callsite that another test is the first to reach is switched off for this one, too.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let _guard = tracing::subscriber::set_default(subscriber);
        let mock = MockPan123::start().await;
        let client = Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .base_url(mock.base_url())
            .pacing(pan123_async::Pacing::off())
            .build()
            .unwrap();
        let offline = client.offline_download();
        mock.fault(Fault::rate_limited().on(path::OFFLINE_DOWNLOAD));
        mock.fault(Fault::unauthorized().on(path::OFFLINE_PROGRESS));
        let download = Download::new("http://127.0.0.1:9/a").unwrap();
        let task = offline.download(&download).await.unwrap();
        offline.progress(task).await.unwrap();
        mock.fault(Fault::response_lost().on(path::OFFLINE_DOWNLOAD));
        offline.download(&download).await.unwrap_err();
        client.user_info().await.unwrap();
        let counts: Vec<_> = requests
            .by_answer()
            .into_iter()
            .map(|((purpose, answer), count)| (purpose.name(), answer.name(), count))
            .collect();
        assert_eq!(
            counts,
            [
                ("create", "ok", 1),
                ("create", "429", 1),
                ("create", "none", 1),
                ("poll", "ok", 1),
                ("poll", "401", 1),
                ("token", "ok", 2),
                ("other", "ok", 1),
            ]
        );
        let now = Instant::now();
        assert_eq!(requests.recent_polls(now), 1);
        assert_eq!(requests.recent_polls(now + RECENT * 2), 0);
    }
}
