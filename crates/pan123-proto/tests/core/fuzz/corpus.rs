//! The corpus of the fuzz targets in `fuzz/`, replayed: it still reaches every outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The inputs of a target, run one by one: how many of them came to each end.
#[expect(
    clippy::disallowed_methods,
    reason = "it is the test that reads files, not the core"
)]
#[expect(
    clippy::print_stdout,
    reason = "names the input, should the next line panic"
)]
fn replay(target: &str, run: fn(&[u8]) -> BTreeSet<String>) -> BTreeMap<String, u32> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut ends = BTreeMap::new();
    for file in fs::read_dir(corpus.join(target)).expect("the corpus") {
        let path = file.expect("a file of the corpus").path();
        println!("replaying {}", path.display());
        for end in run(&fs::read(&path).expect("an input")) {
            *ends.entry(end).or_default() += 1;
        }
    }
    ends
}

/// `expected` has a line for each machine: its name, a colon, and the ends that it comes to.
fn assert_reached(ends: &BTreeMap<String, u32>, expected: &str) {
    for line in expected.trim().lines() {
        let (who, reached) = line.split_once(": ").expect("a name");
        for end in reached.split(", ") {
            let end = format!("{}: {end}", who.trim());
            assert!(ends.contains_key(&end), "{end} is not reached: {ends:#?}");
        }
    }
}

#[test]
fn envelope() {
    assert_reached(
        &replay("envelope", crate::fuzzed::envelope::run),
        "
        create: Ambiguous, Api, Http, RateLimited, Unauthorized, read
        progress: Api, Decode, Http, RateLimited, Unauthorized, read
        token: Api, Decode, Http, RateLimited, read
        user: Api, Decode, Http, RateLimited, Unauthorized, read
        ",
    );
}

#[test]
fn callback() {
    assert_reached(
        &replay("callback", crate::fuzzed::callback::run),
        "callback: failed, failed for a reason, other, refused, succeeded, succeeded with a file",
    );
}

#[test]
fn machine() {
    assert_reached(
        &replay("machine", crate::fuzzed::machine::run),
        "
        create: Ambiguous, Api, Credentials, Deadline, Finished, Http, RateLimited, Stopped, Token
        create: Transport, Unauthorized, done
        progress: Api, Credentials, Deadline, Decode, RetriesExhausted, Finished, Http, RateLimited
        progress: Stopped, Token, Transport, Unauthorized, done
        refresh: done
        user: Api, Credentials, Deadline, Decode, RetriesExhausted, Finished, Http, RateLimited
        user: Stopped, Token, Transport, Unauthorized, done
        watch to its end: Deadline, DownloadFailed, Polls, Stalled, Stopped, done
        watch: Deadline, DownloadFailed, Polls, Stopped, nothing more, seen, seen at its end
        watch: missed Api, missed Deadline, missed Decode, missed RetriesExhausted, missed Http
        watch: missed RateLimited, missed Token, missed Transport
        ",
    );
}
