//! The table of scenarios. Each module is a part of it; a row says what is done, once for all drivers, and what must come of it.

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

/// Names the parts, once: what is not named here is dead code, and what is named has a test wherever the parts are tested.
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
pub fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

/// A call that creates it.
pub fn create() -> Call {
    Call::Create(download())
}

/// A call that follows the task created last.
pub fn watch() -> Call {
    Call::Watch(Of::Last, WatchPolicy::default())
}

/// A task that nobody created, for responses that are prepared.
pub const PROGRESS: Call = Call::Progress(Of::Task(7));
