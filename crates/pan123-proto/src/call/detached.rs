//! The rest of a call whose caller went away while a request was in flight that must not be sent again.

use std::any::Any;
use std::fmt;

use super::Call;
use crate::endpoint::{Endpoint, SentRequest};
use crate::error::Error;
use crate::machine::{Detached, Input, Machine, Now, Step};
use crate::session::Session;

/// Returns what must still be run of a call without a caller.
pub(super) fn detach<T: Send + 'static, E: Endpoint>(mut call: Call<T>) -> Option<Detached> {
    let request = call.untyped.exchange.only_receive()?;
    let session = call.untyped.session.clone();
    session.begin_detached();
    Some(Detached::new(DetachedExchange {
        call,
        session,
        request: Some(request),
        created_id: |response| response.downcast_ref().and_then(E::created_id),
    }))
}

/// Waits for the response to the request in flight, and sends nothing more.
struct DetachedExchange<T: Send + 'static> {
    call: Call<T>,
    session: Session,
    /// None once the outcome is known.
    request: Option<SentRequest>,
    created_id: fn(&dyn Any) -> Option<String>,
}

impl<T: Send + 'static> DetachedExchange<T> {
    fn end(&mut self, result: Result<T, Error>) {
        let Some(request) = self.request.take() else {
            return;
        };
        let created = match &result {
            Ok(response) => (self.created_id)(response),
            Err(_) => None,
        };
        self.session.end_detached(request, created, result);
    }
}

impl<T: Send + 'static> Machine for DetachedExchange<T> {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        let result = match self.call.resume(now, input) {
            Step::Ready(result) => result,
            // It sends once.
            _ => Err(Error::Finished),
        };
        self.end(result);
        Step::Ready(())
    }
}

impl<T: Send + 'static> Drop for DetachedExchange<T> {
    fn drop(&mut self) {
        if self.request.is_some() {
            let abandoned = self.call.untyped.exchange.abandoned();
            self.end(Err(abandoned));
        }
    }
}

impl<T: Send + 'static> fmt::Debug for DetachedExchange<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DetachedExchange").field(&self.call).finish()
    }
}
