//! The calls whose callers went away while a request was in flight that must not be sent again.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;

use super::Session;
use crate::endpoint::{Endpoint, SentRequest, read_back};
use crate::error::Error;
use crate::trace;

/// The maximum number of outcomes that wait to be taken.
const MAX_OUTCOMES: usize = 100;

/// A call whose future was dropped while a non-idempotent request was in flight, such as the creation of a download: what was sent,
/// and what came of it. [`Session::take_detached`] returns it.
pub struct DetachedCall<T> {
    request: SentRequest,
    result: Result<T, Error>,
}

impl<T> DetachedCall<T> {
    /// Returns the request, read back from what was sent; none if it was sent to another endpoint.
    pub fn request<E: Endpoint + DeserializeOwned>(&self) -> Option<E> {
        read_back(&self.request.method, self.request.path, &self.request.body)
    }

    /// Returns the method of the request.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// Returns the path of the request.
    pub fn path(&self) -> &str {
        self.request.path
    }

    /// Returns the body of the request. It may hold your secrets, such as a callback URL.
    pub fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// Returns when the request was sent.
    pub fn sent_at(&self) -> SystemTime {
        self.request.sent_at
    }

    /// Returns the result that the call would have returned, except that the request was not sent again.
    ///
    /// It is [`Error::Ambiguous`] if the response was lost, the call was stopped, or its runtime was shut down.
    pub fn result(&self) -> &Result<T, Error> {
        &self.result
    }

    /// Returns the [`result`](DetachedCall::result) as a value of its own.
    ///
    /// # Errors
    ///
    /// If the call did not succeed.
    pub fn into_result(self) -> Result<T, Error> {
        self.result
    }

    /// Converts the value of a success.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> DetachedCall<U> {
        DetachedCall {
            request: self.request,
            result: self.result.map(convert),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for DetachedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachedCall")
            .field("method", &self.request.method)
            .field("path", &self.request.path)
            .field("sent_at", &self.request.sent_at)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

/// An outcome with a response of any type.
struct Outcome {
    call: DetachedCall<Box<dyn Any + Send>>,
    created: Option<String>,
}

impl Outcome {
    /// Whether it is one of this endpoint, with a response of this type if it has one.
    fn is_of<E: Endpoint, T: 'static>(&self) -> bool {
        let result = self.call.result.as_ref();
        self.call.request.is_to::<E>() && result.map_or(true, |response| response.is::<T>())
    }

    fn downcast<T: 'static>(self) -> Option<DetachedCall<T>> {
        let DetachedCall { request, result } = self.call;
        let result = match result {
            Ok(response) => Ok(*response.downcast().ok()?),
            Err(error) => Err(error),
        };
        Some(DetachedCall { request, result })
    }
}

/// The detached calls of a session.
#[derive(Default)]
pub(super) struct DetachedCalls {
    in_flight: usize,
    /// The oldest first.
    outcomes: VecDeque<Outcome>,
}

impl DetachedCalls {
    /// Returns the oldest outcome if there are too many.
    fn push(&mut self, outcome: Outcome) -> Option<Outcome> {
        self.in_flight -= 1;
        self.outcomes.push_back(outcome);
        (self.outcomes.len() > MAX_OUTCOMES)
            .then(|| self.outcomes.pop_front())
            .flatten()
    }

    fn take<E: Endpoint, T: 'static>(&mut self) -> Vec<DetachedCall<T>> {
        let mut taken = Vec::new();
        for outcome in std::mem::take(&mut self.outcomes) {
            if outcome.is_of::<E, T>() {
                taken.extend(outcome.downcast());
            } else {
                self.outcomes.push_back(outcome);
            }
        }
        taken
    }
}

impl Session {
    /// Takes the outcomes of the calls of this endpoint whose futures were dropped while their request was in flight, the oldest
    /// first. The last 100 outcomes of all endpoints are kept; before an older one is dropped, a warning names what it created.
    ///
    /// An outcome is there at the latest when the timeout of its request has passed, and as long as a client of the session exists.
    pub fn take_detached<E: Endpoint>(&self) -> Vec<DetachedCall<E::Response>> {
        self.take_detached_as::<E, E::Response>()
    }

    /// Takes the outcomes of calls that read the `data` of the response as a type of your own: see [`Session::call_as`].
    pub fn take_detached_as<E: Endpoint, T: 'static>(&self) -> Vec<DetachedCall<T>> {
        self.with_state(|state| state.detached.take::<E, T>())
    }

    /// Returns how many dropped calls still wait for the response to their request. A call that was dropped, is not in flight and has
    /// left no outcome has sent nothing.
    pub fn detached_in_flight(&self) -> usize {
        self.with_state(|state| state.detached.in_flight)
    }

    pub(crate) fn begin_detached(&self) {
        self.with_state(|state| state.detached.in_flight += 1);
    }

    /// Keeps the outcome of a detached call until it is taken.
    pub(crate) fn end_detached<T: Send + 'static>(
        &self,
        request: SentRequest,
        created: Option<String>,
        result: Result<T, Error>,
    ) {
        trace::detached_ended(request.path, created.as_deref(), result.as_ref().err());
        let result = result.map(|value| Box::new(value) as Box<dyn Any + Send>);
        let outcome = Outcome {
            call: DetachedCall { request, result },
            created,
        };
        if let Some(dropped) = self.with_state(|state| state.detached.push(outcome)) {
            let DetachedCall { request, result } = &dropped.call;
            let error = result.as_ref().err();
            trace::detached_dropped(request.path, dropped.created.as_deref(), error);
        }
    }
}
