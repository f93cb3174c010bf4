//! What went wrong outside the service: in a token store, in a shared pace.

use std::fmt;

use crate::text::Escaped;

/// Why a token store failed: a text that says what failed, where, and what to do. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenStoreError {
    text: String,
    may_pass: bool,
}

/// Why a [shared pace](crate::SharedPace) failed: a text that says what failed, where, and what to do. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedPaceError {
    text: String,
    may_pass: bool,
}

/// What both are: a text, and whether the fault may pass.
macro_rules! outside_error {
    ($name:ident) => {
        impl $name {
            /// A fault that lasts until someone repairs it, such as a missing permission.
            pub(crate) fn lasting(text: impl Into<String>) -> $name {
                $name {
                    text: text.into(),
                    may_pass: false,
                }
            }

            /// A fault that may pass, such as a busy lock.
            pub(crate) fn passing(text: impl Into<String>) -> $name {
                $name {
                    text: text.into(),
                    may_pass: true,
                }
            }

            /// Returns whether it may pass by itself, so that trying again later may succeed.
            pub fn may_pass(&self) -> bool {
                self.may_pass
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Escaped(&self.text).fmt(f)
            }
        }

        impl std::error::Error for $name {}
    };
}

outside_error!(TokenStoreError);
outside_error!(SharedPaceError);
