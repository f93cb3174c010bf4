//! A token that the user of this crate supplies.
//!
//! It is all there is: it is used whatever its age, since only the service can say whether it is still valid, and its first 401
//! is final. Nothing is fetched and nothing is stored.

use http::HeaderValue;

use super::tokens::{Bearer, Look, TokenOrigin};

/// The only token of the session.
#[derive(Debug)]
pub(super) struct GivenToken(Bearer);

impl GivenToken {
    pub(super) fn new(header: HeaderValue) -> GivenToken {
        GivenToken(Bearer {
            header,
            generation: 1,
            origin: TokenOrigin::Given,
        })
    }

    pub(super) fn look(&self) -> Look {
        Look::Use(self.0.clone())
    }
}
