//! Logs one line per request to stderr, without secrets.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri};
use serde_json::json;

use crate::service::{Reply, envelope_code, redact_query, timestamp};
use crate::tcp::WireOutcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogFormat {
    Nothing,
    Text,
    Json,
}

/// Writes lines on a thread of its own, so that a slow reader does not block the mock. Lines that do not fit into the queue are dropped and
/// counted.
pub(super) struct Log {
    format: LogFormat,
    lines: Mutex<Option<SyncSender<String>>>,
    lost: Arc<AtomicUsize>,
    written: Mutex<Receiver<()>>,
}

/// The capacity of the queue.
const MAX_PENDING_LINES: usize = 10_000;

impl Log {
    pub(super) fn new(format: LogFormat) -> io::Result<Self> {
        let (lines, to_write) = sync_channel(MAX_PENDING_LINES);
        let (done, written) = sync_channel(1);
        let lost = Arc::<AtomicUsize>::default();
        let dropped = Arc::clone(&lost);
        thread::Builder::new()
            .name("pan123-mock log".to_owned())
            .spawn(move || {
                write(&to_write, &dropped);
                // The receiver may have timed out.
                let _ = done.send(());
            })?;
        Ok(Self {
            format,
            lines: Mutex::new(Some(lines)),
            lost,
            written: Mutex::new(written),
        })
    }

    /// Prints the base URL alone to stdout, for scripts, and logs it.
    pub(super) fn listening(&self, base_url: &str) {
        let mut out = io::stdout().lock();
        // A closed stdout is not an error.
        let _ = writeln!(out, "{base_url}").and_then(|()| out.flush());
        self.line(|format| match format {
            LogFormat::Json => json!({ "listening": base_url }).to_string(),
            _ => format!("listening on {base_url}, admin under {base_url}/__admin/"),
        });
    }

    /// Logs a request and its response. `now` is called only if a line is written.
    pub(super) fn responded(
        &self,
        now: impl FnOnce() -> SystemTime,
        request: &Request<Bytes>,
        reply: &Reply,
    ) {
        self.request(|| {
            let outcome = reply.wire_outcome();
            let responded = outcome == WireOutcome::Responded;
            Line {
                now: now(),
                method: request.method(),
                uri: request.uri(),
                status: responded.then(|| reply.response.status()),
                code: envelope_code(reply.response.body()).filter(|_| responded),
                broken: (!responded).then(|| outcome.to_string()),
            }
        });
    }

    /// Logs a request that was rejected before it reached the service.
    pub(super) fn refused(
        &self,
        now: impl FnOnce() -> SystemTime,
        request: &Parts,
        status: StatusCode,
    ) {
        self.request(|| Line {
            now: now(),
            method: &request.method,
            uri: &request.uri,
            status: Some(status),
            code: None,
            broken: None,
        });
    }

    /// Waits briefly until all lines are written.
    pub(super) fn flush(&self) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = written.recv_timeout(Duration::from_secs(1));
    }

    fn request<'a>(&self, line: impl FnOnce() -> Line<'a>) {
        self.line(|format| match format {
            LogFormat::Json => line().json(),
            _ => line().text(),
        });
    }

    fn line(&self, written: impl FnOnce(LogFormat) -> String) {
        if self.format == LogFormat::Nothing {
            return;
        }
        let line = written(self.format);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines
            .as_ref()
            .is_some_and(|lines| lines.try_send(line).is_err())
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How long lines are collected before a write. Waking the thread for each line would be too costly.
const BATCH_DELAY: Duration = Duration::from_millis(5);

fn write(lines: &Receiver<String>, lost: &AtomicUsize) {
    while let Ok(mut text) = lines.recv() {
        thread::sleep(BATCH_DELAY);
        text.push('\n');
        while text.len() < 64 * 1024
            && let Ok(line) = lines.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{lost} lines dropped: stderr is read too slowly");
        }
        if io::stderr().lock().write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

struct Line<'a> {
    now: SystemTime,
    method: &'a Method,
    uri: &'a Uri,
    status: Option<StatusCode>,
    code: Option<i64>,
    broken: Option<String>,
}

impl Line<'_> {
    fn text(&self) -> String {
        let query = self.uri.query().map(redact_query);
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let status = self.status.map(|status| status.as_u16().to_string());
        let code = self
            .code
            .map_or(String::new(), |code| format!(" code {code}"));
        let outcome = status.or(self.broken.clone()).unwrap_or_default();
        format!(
            "{} {} {}{query} -> {outcome}{code}",
            self.time(),
            self.method,
            self.uri.path()
        )
    }

    fn json(&self) -> String {
        json!({
            "time": self.time(),
            "method": self.method.as_str(),
            "path": self.uri.path(),
            "query": self.uri.query().map(redact_query),
            "status": self.status.map(|status| status.as_u16()),
            "code": self.code,
            "broken": self.broken,
        })
        .to_string()
    }

    fn time(&self) -> String {
        format!("{:.3}", timestamp(self.now))
    }
}
