//! The answer of an endpoint that says no more than that it was done.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// It was done; the service says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

/// From null, as the service answers, and from anything else: what was done is not undone by an answer of another shape.
impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Done)
    }
}
