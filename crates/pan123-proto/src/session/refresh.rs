//! Fetching a token: one caller at a time, outliving whoever asked for it.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;

use super::Session;
use crate::answer::date;
use crate::api::access_token::IssuedToken;
use crate::call::Call;
use crate::endpoint::bearer;
use crate::error::{Error, ErrorCode};
use crate::machine::{Input, Machine, Now, Step};
use crate::token::Lease;

/// How long a fetch may take with all its waits and attempts.
const DEADLINE: Duration = Duration::from_secs(120);
/// How much longer than the next step a lease lasts.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// The fetch of a token, won by one caller for all: see [`Step::Refresh`].
///
/// Dropped before its end, it gives the right to fetch to the next caller at once.
pub struct Refresh {
    session: Session,
    lease: Lease,
    /// None after the end.
    call: Option<Box<Call<IssuedToken>>>,
    /// The latest time known, for the drop.
    seen: Instant,
    date: Option<SystemTime>,
}

impl Refresh {
    pub(super) fn new(
        session: Session,
        lease: Lease,
        call: Call<IssuedToken>,
        now: Now,
    ) -> Refresh {
        Refresh {
            session,
            lease,
            call: Some(Box::new(call.timeout(DEADLINE))),
            seen: now.mono,
            date: None,
        }
    }

    fn settle(&mut self, now: Now, result: Result<IssuedToken, Error>) {
        let lease = self.lease;
        let header = result.and_then(|token| {
            let header =
                bearer(token.expose()).ok_or(Error::Build(crate::error::BuildError::Header {
                    what: "access token",
                }))?;
            Ok((header, token.expired_at()))
        });
        match header {
            Ok((header, expired_at)) => {
                let issued_at = self.date.unwrap_or(now.wall);
                let life = expired_at.map(|end| end.duration_since(issued_at).unwrap_or_default());
                self.session
                    .end_refresh(|token| token.accept(lease, header, life, now.mono));
            }
            Err(error) => {
                let credentials = is_about_credentials(&error);
                self.session
                    .end_refresh(|token| token.fail(lease, error, credentials, now.mono));
            }
        }
    }
}

impl Machine for Refresh {
    type Output = ();

    fn resume(&mut self, now: Now, input: Input) -> Step<()> {
        self.seen = now.mono;
        let Some(call) = &mut self.call else {
            return Step::Ready(());
        };
        if let Input::Response(answer) = &input {
            self.date = date(answer.headers());
        }
        let step = call.resume(now, input);
        let until = match &step {
            Step::Transmit(transmit) => now.mono + transmit.timeout,
            Step::Wait(wait) => wait.until,
            _ => now.mono,
        };
        match step.ready() {
            Ok(result) => {
                self.call = None;
                self.settle(now, result);
                Step::Ready(())
            }
            Err(_) if !self.session.renew(self.lease, until + LEASE_MARGIN) => {
                self.call = None;
                Step::Ready(())
            }
            Err(step) => step,
        }
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        if self.call.take().is_some() {
            let (lease, now) = (self.lease, self.seen);
            self.session.end_refresh(|token| token.abandon(lease, now));
        }
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh")
            .field("lease", &self.lease)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// The token endpoint asks for no token, so that its 401 is about the credentials.
fn is_about_credentials(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.code() == ErrorCode::Unauthorized,
        Error::Http(answer) => answer.http_status() == StatusCode::UNAUTHORIZED,
        _ => false,
    }
}
