//! Emits `tracing` spans and events, with the feature of that name; without it this module does nothing.
//!
//! Everything that is logged is in this file, so that it can be reviewed: paths, numbers, kinds, trace ids and the ids of what a
//! detached call created, never a query, a header, a body or a text of the service. Events are emitted between two steps of a machine, never under the lock of a session.
#![cfg_attr(
    not(feature = "tracing"),
    allow(
        unused_variables,
        clippy::unused_self,
        reason = "without the feature nothing is emitted"
    )
)]

use std::fmt::Debug;
use std::time::{Duration, Instant};

use http::Method;

use crate::error::{Error, SharedPaceError, TokenStoreError, UnreadableRow};

/// The target of all spans and events.
#[cfg(feature = "tracing")]
const TARGET: &str = "pan123";

/// Shorter waits are not logged.
#[cfg(feature = "tracing")]
const MIN_LOGGED_WAIT: Duration = Duration::from_secs(1);

/// The `tracing` span of a call, for what its driver does for it; empty without the feature `tracing`.
///
/// Its name is `call`. It has the fields `method` and `endpoint` (the path), and from the end of the call `attempt` (the number
/// of requests sent), `code`, `http_status`, `trace_id` and `elapsed_ms`.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// None before the first step of a call.
    #[cfg(feature = "tracing")]
    span: Option<tracing::Span>,
}

impl Span {
    /// Runs `work` within the span. Wrap each poll of a future, so that the span is never entered while others run.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            return span.in_scope(work);
        }
        work()
    }
}

/// What is logged about one call.
#[derive(Debug, Default)]
pub(crate) struct CallTrace {
    span: Span,
    #[cfg(feature = "tracing")]
    began: Option<Instant>,
    #[cfg(feature = "tracing")]
    attempt: u32,
}

impl CallTrace {
    /// Returns the span, which begins with the first step of the call.
    pub(crate) fn span(&mut self, now: Instant, method: &Method, endpoint: &str) -> Span {
        #[cfg(feature = "tracing")]
        if self.span.span.is_none() {
            self.began = Some(now);
            self.span.span = Some(tracing::info_span!(
                target: TARGET,
                "call",
                method = method.as_str(),
                endpoint,
                attempt = tracing::field::Empty,
                code = tracing::field::Empty,
                http_status = tracing::field::Empty,
                trace_id = tracing::field::Empty,
                elapsed_ms = tracing::field::Empty,
            ));
        }
        self.span.clone()
    }

    /// A request is sent.
    pub(crate) fn sent(&mut self) -> Span {
        #[cfg(feature = "tracing")]
        {
            self.attempt += 1;
        }
        self.span.clone()
    }

    /// An attempt failed, and another one follows.
    pub(crate) fn retrying(&self, reason: &'static str, wait: Duration, error: &Error) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            target: TARGET,
            attempt = self.attempt,
            reason,
            wait_ms = millis(wait),
            error = ?error.kind(),
            code = number(error),
            http_status = status(error),
            trace_id = error.trace_id(),
            "retrying"
        );
    }

    /// The call returns its result; a success comes with the trace id of its response, which is read only if it is logged.
    pub(crate) fn ended(&self, now: Instant, result: Result<&dyn Fn() -> Option<String>, &Error>) {
        #[cfg(feature = "tracing")]
        {
            let has_span = self
                .span
                .span
                .as_ref()
                .is_some_and(|span| !span.is_disabled());
            if !has_span && !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
                return;
            }
            let succeeded = result.ok().and_then(|trace_id| trace_id());
            let elapsed_ms = self
                .began
                .map(|began| millis(now.saturating_duration_since(began)));
            let (kind, code, http_status, trace_id) = match result {
                Ok(_) => (None, Some(0), None, succeeded.as_deref()),
                Err(error) => (
                    Some(tracing::field::debug(error.kind())),
                    number(error),
                    status(error),
                    error.trace_id(),
                ),
            };
            if let Some(span) = &self.span.span {
                span.record("attempt", self.attempt);
                span.record("code", code);
                span.record("http_status", http_status);
                span.record("trace_id", trace_id);
                span.record("elapsed_ms", elapsed_ms);
            }
            tracing::debug!(
                target: TARGET,
                attempt = self.attempt,
                error = kind,
                code,
                http_status,
                trace_id,
                elapsed_ms,
                "ended"
            );
        }
    }
}

/// A call whose caller had gone away got its response, or will not get it.
pub(crate) fn detached_ended(endpoint: &str, created: Option<&str>, error: Option<&Error>) {
    #[cfg(feature = "tracing")]
    match error {
        None => tracing::info!(target: TARGET, endpoint, created, "detached call ended"),
        Some(error) => tracing::warn!(
            target: TARGET,
            endpoint,
            error = ?error.kind(),
            code = number(error),
            http_status = status(error),
            trace_id = error.trace_id(),
            "detached call failed"
        ),
    }
}

/// The outcome of a detached call is dropped, since newer ones wait to be taken.
pub(crate) fn detached_dropped(endpoint: &str, created: Option<&str>, error: Option<&Error>) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: TARGET,
        endpoint,
        created,
        error = error.map(|error| tracing::field::debug(error.kind())),
        "outcome of a detached call dropped: too many were not taken"
    );
}

/// A machine waits until this time at the latest.
pub(crate) fn waiting(now: Instant, until: Instant, reason: impl Debug) {
    #[cfg(feature = "tracing")]
    {
        let wait = until.saturating_duration_since(now);
        if wait > MIN_LOGGED_WAIT {
            tracing::debug!(target: TARGET, ?reason, at_most_ms = millis(wait), "waiting");
        }
    }
}

pub(crate) fn fetching_token() {
    #[cfg(feature = "tracing")]
    tracing::info!(target: TARGET, "fetching a token");
}

/// A token was fetched from the service or from the store.
pub(crate) fn token_fetched(from: &'static str, lifetime: Option<Duration>) {
    #[cfg(feature = "tracing")]
    {
        let lifetime_s = lifetime.map(|lifetime| lifetime.as_secs());
        tracing::info!(target: TARGET, from, lifetime_s, "token fetched");
    }
}

pub(crate) fn token_fetch_failed(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: TARGET,
        error = ?error.kind(),
        code = number(error),
        http_status = status(error),
        trace_id = error.trace_id(),
        fault = store_fault(error).map(tracing::field::display),
        "token fetch failed"
    );
}

/// Tokens are rejected one after the other, so that the next one is issued only after this time.
pub(crate) fn token_backoff(wait: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: TARGET,
        wait_ms = millis(wait),
        "tokens are rejected again and again: does another process use this client id without sharing the token store?"
    );
}

/// The shared pace gives no slot: nothing is sent until it does.
pub(crate) fn pace_unavailable(fault: &SharedPaceError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: TARGET, %fault, "shared pace is unavailable");
}

/// A new token could not be saved and is lost with this process.
pub(crate) fn token_not_saved(fault: &TokenStoreError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: TARGET, %fault, "token could not be saved");
}

/// A row of a list could not be read.
pub(crate) fn unreadable_row(row: &UnreadableRow) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: TARGET,
        index = row.index(),
        id = row.id().map(crate::ids::EntryId::get),
        "a row of a list could not be read"
    );
}

/// Returns what the store reports: places, no secrets.
#[cfg(feature = "tracing")]
fn store_fault(error: &Error) -> Option<&TokenStoreError> {
    match error {
        Error::TokenStore(fault) => Some(fault),
        _ => None,
    }
}

#[cfg(feature = "tracing")]
fn number(error: &Error) -> Option<i64> {
    error.api().map(crate::error::ApiError::number)
}

#[cfg(feature = "tracing")]
fn status(error: &Error) -> Option<u16> {
    error.http_status().map(|status| status.as_u16())
}

#[cfg(feature = "tracing")]
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
