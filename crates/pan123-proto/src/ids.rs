//! Ids of the service as types of their own: a task is no folder, and no folder is the root.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::BuildError;
use crate::lenient::Whole;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, zero: $zero:expr) => {
        $(#[$doc])*
        ///
        /// Read from a number or a text, written as a number. Kept with serde, it needs a format that describes itself, such as JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The id of this number.
            ///
            /// # Errors
            ///
            /// Zero is refused; the error says why.
            pub fn new(id: u64) -> Result<$name, BuildError> {
                NonZeroU64::new(id).map($name).ok_or_else(|| $zero)
            }

            /// The number.
            pub fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<u64> for $name {
            type Error = BuildError;

            fn try_from(id: u64) -> Result<$name, BuildError> {
                $name::new(id)
            }
        }

        impl FromStr for $name {
            type Err = BuildError;

            fn from_str(text: &str) -> Result<$name, BuildError> {
                text.trim()
                    .parse()
                    .map_err(|_| no_id($what, text))
                    .and_then($name::new)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Whole(id) = Whole::<u64>::deserialize(deserializer)?;
                $name::new(id).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn no_id(what: &'static str, given: &str) -> BuildError {
    BuildError::Id {
        what,
        given: given.chars().take(40).collect(),
    }
}

id! {
    /// An offline download, as its creation named it (`taskID`). Keep it: the service has no list of tasks.
    TaskId, "task id", zero: no_id("task id", "0")
}

id! {
    /// A folder of the drive (`dirID`), never the root, which offline download does not support.
    DirId, "directory id", zero: BuildError::RootDirectory
}

id! {
    /// A file of the drive (`fileID`).
    FileId, "file id", zero: no_id("file id", "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_id_and_the_root_is_named() {
        let error = DirId::new(0).unwrap_err().to_string();
        assert!(error.contains("root"), "{error}");
        let error = TaskId::new(0).unwrap_err().to_string();
        assert!(error.contains("`0` is no task id"), "{error}");
        serde_json::from_str::<FileId>("0").unwrap_err();
    }

    #[test]
    fn no_digit_is_lost() {
        for id in [1, 394_756, 9_007_199_254_740_993, u64::MAX] {
            let task = TaskId::new(id).unwrap();
            let json = serde_json::to_string(&task).unwrap();
            assert_eq!(json, id.to_string());
            assert_eq!(serde_json::from_str::<TaskId>(&json).unwrap(), task);
            assert_eq!(
                serde_json::from_str::<TaskId>(&format!("\"{id}\"")).unwrap(),
                task
            );
            assert_eq!(task.to_string().parse::<TaskId>().unwrap(), task);
        }
        let error = "12x".parse::<TaskId>().unwrap_err().to_string();
        assert!(error.contains("`12x`"), "{error}");
    }
}
