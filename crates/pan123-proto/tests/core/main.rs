//! The tests of the core, in one binary: virtual time, no sockets, no threads.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

#[path = "../fuzzed/mod.rs"]
mod fuzzed;
#[path = "../support/mod.rs"]
mod support;

mod batch;

mod calls {
    mod causes;
    mod deadlines;
    mod detached;
    mod endpoints;
    mod gate;
    mod responses;
    mod stopping;
}

#[cfg(feature = "callback-signing")]
mod callbacks {
    mod signing;
}

mod chaos;

mod decode {
    mod drive;
    mod odd_objects;
    mod offline;
    mod round_trips;
}

mod files {
    mod any_drive;
    mod find_file;
    mod listing;
    mod paths;
}

mod fuzz {
    mod corpus;
    mod inputs;
    mod responses;
}

mod golden {
    mod drive;
    mod offline;
}

mod oauth {
    mod accounts;
    mod authorize;
    mod many_processes;
    mod pairs;
    mod retries;
    mod storing;
}

mod layers;

mod ledger;

mod in_flight;

mod pacing;

mod shared_pace;

mod secrets;

mod session {
    mod plain_http;
    mod settings;
}

mod tokens {
    mod backoff;
    mod fetching;
    mod last_user;
    mod pushed_out;
    mod rejections;
    mod storing;
}

mod watch {
    mod ends;
    mod events;
    mod file_hints;
}
