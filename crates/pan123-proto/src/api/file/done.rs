//! The response of endpoints that report success and nothing else.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// The service reports success and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

/// The service sends `null`. Any other data is accepted, too: the work is done, whatever the data looks like.
impl<'de> Deserialize<'de> for Done {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Done)
    }
}
