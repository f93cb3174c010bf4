//! What is told to `tracing`, with the feature of that name. Without it nothing is told, and nothing of it is left.
//!
//! All of it is here, so that it can be seen what is told: paths, numbers, kinds and trace ids, never a query, a header, a
//! body or a text of the service. It is told between two steps of a machine, never under the lock of a session.
#![cfg_attr(
    not(feature = "tracing"),
    allow(
        unused_variables,
        clippy::unused_self,
        reason = "there is nobody to tell"
    )
)]

use std::time::{Duration, Instant};

use http::Method;

use crate::error::Error;
use crate::machine::WaitReason;
use crate::token::Found;

/// The `target` of all that is told.
#[cfg(feature = "tracing")]
const TARGET: &str = "pan123";

/// Shorter waits are not told.
#[cfg(feature = "tracing")]
const TOLD_WAIT: Duration = Duration::from_secs(1);

/// The `tracing` span of a call, for what its driver does for it; nothing without the feature `tracing`.
///
/// It is named `call` and has the fields `method` and `endpoint` (the path), and from the end of the call `attempt` (how
/// many requests were sent), `code`, `http_status`, `trace_id` and `elapsed_ms`.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// None before the first step of a call.
    #[cfg(feature = "tracing")]
    span: Option<tracing::Span>,
}

impl Span {
    /// Does this within the span: around each poll of a future, so that it is never held while others run.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            return span.in_scope(work);
        }
        work()
    }
}

/// What is told of one call.
#[derive(Debug, Default)]
pub(crate) struct CallTrace {
    span: Span,
    #[cfg(feature = "tracing")]
    began: Option<Instant>,
    #[cfg(feature = "tracing")]
    attempt: u32,
}

impl CallTrace {
    /// The span, which begins with the first step of the call.
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

    /// A request goes out.
    pub(crate) fn sent(&mut self) -> Span {
        #[cfg(feature = "tracing")]
        {
            self.attempt += 1;
        }
        self.span.clone()
    }

    /// An attempt failed, and there will be another one.
    pub(crate) fn again(&self, reason: &'static str, wait: Duration, error: &Error) {
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
            "to be sent again"
        );
    }

    /// The call gives its result, after an answer with this trace id if it is a good one.
    pub(crate) fn ended(&self, now: Instant, result: Result<Option<&str>, &Error>) {
        #[cfg(feature = "tracing")]
        {
            let elapsed_ms = self
                .began
                .map(|began| millis(now.saturating_duration_since(began)));
            let (kind, code, http_status, trace_id) = match result {
                Ok(trace_id) => (None, Some(0), None, trace_id),
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

/// Somebody waits.
pub(crate) fn waits(now: Instant, until: Instant, reason: WaitReason) {
    #[cfg(feature = "tracing")]
    {
        let wait = until.saturating_duration_since(now);
        if wait > TOLD_WAIT {
            tracing::debug!(target: TARGET, ?reason, at_most_ms = millis(wait), "waits");
        }
    }
}

/// The fetch of a token begins.
pub(crate) fn refresh_begins() {
    #[cfg(feature = "tracing")]
    tracing::info!(target: TARGET, "a token is fetched");
}

/// The fetch of a token ended.
pub(crate) fn refresh_ended(result: Result<&Found, &Error>) {
    #[cfg(feature = "tracing")]
    match result {
        Ok(found) => {
            let life_s = found.life.map(|life| life.as_secs());
            let from = if found.is_new {
                "the service"
            } else {
                "the store"
            };
            tracing::info!(target: TARGET, from, life_s, "a token was fetched");
        }
        Err(error) => tracing::warn!(
            target: TARGET,
            error = ?error.kind(),
            code = number(error),
            http_status = status(error),
            trace_id = error.trace_id(),
            fault = store_fault(error),
            "no token could be fetched"
        ),
    }
}

/// The new token is lost with this process.
pub(crate) fn token_not_kept(fault: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(target: TARGET, fault, "the token could not be kept");
}

/// What the store says: places, no secrets.
#[cfg(feature = "tracing")]
fn store_fault(error: &Error) -> Option<&str> {
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
