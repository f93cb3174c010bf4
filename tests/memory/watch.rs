//! The heap that a watch takes with all that belongs to it, while it waits for its next poll and while it waits for its turn.
//!
//! `PAN123_WATCHES=1000000 cargo test --release -p pan123-tests --test apart memory::watch -- --nocapture` measures so many, by
//! default 20,000.

use std::time::{Duration, Instant, SystemTime};

use pan123_proto::http::Response;
use pan123_proto::offline::WatchPolicy;
use pan123_proto::{Input, Machine, Now, Pacing, Session, Step, TaskId};

use super::assert_passes_alone;

const MAX_BYTES: usize = 512;

#[test]
fn watch_that_waits_takes_little() {
    assert_passes_alone("memory::watch::each_wait");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn each_wait() {
    let given = std::env::var("PAN123_WATCHES");
    let watches = given.map_or(20_000, |watches| watches.parse().unwrap());
    let builder = dhat::Profiler::builder().testing();
    let profiler = builder.trim_backtraces(Some(1)).build();
    check("turn", watches, Pacing::default(), false);
    check(
        "turn without a pace",
        watches,
        Pacing::off().max_in_flight(1),
        false,
    );
    check("poll", watches, Pacing::off(), true);
    drop(profiler);
}

/// Lets watches wait, those for a poll after they had one, and compares what they take.
fn check(waits_for: &str, watches: usize, pacing: Pacing, polled: bool) {
    let now = Now {
        mono: Instant::now(),
        wall: SystemTime::UNIX_EPOCH,
    };
    let session = Session::builder().access_token("token").pacing(pacing);
    let session = session.build().expect("a session");
    let policy = WatchPolicy::default().deadline(Duration::from_secs(1_000_000));
    let before = heap();
    let mut waiting = Vec::with_capacity(watches);
    for number in 1..=watches {
        let task = TaskId::new(number as u64).expect("a task");
        let mut watch = session.watch(task, policy.clone());
        let mut step = watch.resume(now, Input::Wake);
        if polled {
            assert!(matches!(step, Step::Transmit(_)), "{step:?}");
            let body = r#"{"code":0,"data":{"process":50,"status":0}}"#;
            let response = Input::Response(Response::new(body.into()));
            assert!(matches!(watch.resume(now, response), Step::Ready(_)));
            step = watch.resume(now, Input::Wake);
        }
        // The first one is sent at once.
        assert!(matches!(step, Step::Wait(_)) || number == 1, "{step:?}");
        let signal = match step {
            Step::Wait(wait) => Some(wait.signal),
            _ => None,
        };
        waiting.push((watch, signal));
    }
    let bytes = (heap() - before) / watches;
    println!("a watch that waits for its {waits_for}: {bytes} bytes");
    assert!(bytes <= MAX_BYTES, "{bytes} bytes");
}

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}
