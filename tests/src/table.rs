//! The table of scenarios. Each module is a part of it; a row says what a client does and what must be observed under every driver.

mod backoff;
mod batches;
mod drive;
mod limits;
mod lists;
mod lost;
mod oauth;
mod paths;
mod responses;
mod service;
mod shared_store;
mod tasks;
mod together;
mod tokens;

use pan123_proto::offline::{Download, WatchPolicy};

use crate::scenario::{Call, Of, Scenario};

/// Names the parts once: a module that is not named here is dead code, and each name becomes a test in `test_each_part`.
macro_rules! parts {
    ($dollar:tt $($part:ident)*) => {
        /// The rows of the part of this name.
        ///
        /// # Panics
        ///
        /// If there is no such part.
        pub fn rows_of(part: &str) -> Vec<Scenario> {
            match part {
                $(stringify!($part) => $part::table(),)*
                _ => panic!("the table has no part `{part}`"),
            }
        }

        /// The rows of all parts.
        pub fn rows() -> impl Iterator<Item = Scenario> {
            [$($part::table),*].into_iter().flat_map(|table| table())
        }

        /// Defines a test for each part, which passes its rows to a function.
        #[macro_export]
        macro_rules! test_each_part {
            ($dollar check:path) => {
                $(
                    #[test]
                    fn $part() {
                        $dollar check($crate::table::rows_of(stringify!($part)));
                    }
                )*
            };
        }
    };
}

parts! { $
    responses
    backoff
    batches
    drive
    limits
    lists
    lost
    oauth
    paths
    service
    shared_store
    tasks
    together
    tokens
}

/// A download like any other.
///
/// # Panics
///
/// Never: it is made of constants.
#[must_use]
pub fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

/// A call that creates it.
#[must_use]
pub fn create() -> Call {
    Call::Create(download())
}

/// A call that follows the task created last.
#[must_use]
pub fn watch() -> Call {
    Call::Watch(Of::Last, WatchPolicy::default())
}

/// Asks for a task that does not exist, for prepared responses.
pub const PROGRESS: Call = Call::Progress(Of::Task(7));
