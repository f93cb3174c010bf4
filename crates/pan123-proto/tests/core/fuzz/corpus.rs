//! What the fuzz targets in `fuzz/` have found, replayed: it still holds, and still comes to every end that matters.

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

fn assert_reached(ends: &BTreeMap<String, u32>, expected: &[&str]) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|end| !ends.contains_key(**end))
        .collect();
    assert!(missing.is_empty(), "not reached: {missing:?} of {ends:#?}");
}

#[test]
fn envelope() {
    let ends = replay("envelope", crate::fuzzed::envelope::run);
    assert_reached(
        &ends,
        &[
            "create: Ambiguous",
            "create: Api",
            "create: Http",
            "create: RateLimited",
            "create: Unauthorized",
            "create: read",
            "progress: Api",
            "progress: Decode",
            "progress: Http",
            "progress: RateLimited",
            "progress: Unauthorized",
            "progress: read",
            "token: Api",
            "token: Decode",
            "token: Http",
            "token: RateLimited",
            "token: read",
            "user: Api",
            "user: Decode",
            "user: Http",
            "user: RateLimited",
            "user: Unauthorized",
            "user: read",
        ],
    );
}

#[test]
fn callback() {
    let ends = replay("callback", crate::fuzzed::callback::run);
    assert_reached(
        &ends,
        &[
            "failed",
            "failed for a reason",
            "other",
            "refused",
            "succeeded",
            "succeeded with a file",
        ],
    );
}

#[test]
fn machine() {
    let ends = replay("machine", crate::fuzzed::machine::run);
    assert_reached(
        &ends,
        &[
            "create: Ambiguous",
            "create: Api",
            "create: Credentials",
            "create: Deadline",
            "create: Finished",
            "create: Http",
            "create: RateLimited",
            "create: Stopped",
            "create: Token",
            "create: Transport",
            "create: Unauthorized",
            "create: done",
            "progress: Api",
            "progress: Credentials",
            "progress: Deadline",
            "progress: Decode",
            "progress: RetriesExhausted",
            "progress: Finished",
            "progress: Http",
            "progress: RateLimited",
            "progress: Stopped",
            "progress: Token",
            "progress: Transport",
            "progress: Unauthorized",
            "progress: done",
            "refresh: done",
            "user: Api",
            "user: Credentials",
            "user: Deadline",
            "user: Decode",
            "user: RetriesExhausted",
            "user: Finished",
            "user: Http",
            "user: RateLimited",
            "user: Stopped",
            "user: Token",
            "user: Transport",
            "user: Unauthorized",
            "user: done",
            "watch to its end: Deadline",
            "watch to its end: DownloadFailed",
            "watch to its end: Polls",
            "watch to its end: Stalled",
            "watch to its end: Stopped",
            "watch to its end: done",
            "watch: Deadline",
            "watch: DownloadFailed",
            "watch: Polls",
            "watch: Stalled",
            "watch: Stopped",
            "watch: missed, Api",
            "watch: missed, Deadline",
            "watch: missed, Decode",
            "watch: missed, RetriesExhausted",
            "watch: missed, Http",
            "watch: missed, RateLimited",
            "watch: missed, Token",
            "watch: missed, Transport",
            "watch: nothing more",
            "watch: seen",
            "watch: seen at its end",
        ],
    );
}
