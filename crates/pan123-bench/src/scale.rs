//! Many watches of one rate class, in virtual time: what booking a turn, asking again, a turn with its poll and leaving cost each, by
//! how many wait; the same for calls that wait for the first token; and the memory of a watch that waits.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use http::Response;
use pan123_proto::offline::{GetDownloadProgress, Watch, WatchPolicy};
use pan123_proto::{Input, Machine, Now, Pacing, Session, Signal, Step, TaskId};

use crate::measure::{CACHEGRIND, has, instructions, output, per_call, this_program};

const COUNTS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// As the default pace of polls.
const POLL_EVERY: Duration = Duration::from_millis(200);
/// Of a thousand watches or more, with which each step is taken for the shortest form.
const SOME: usize = 200;
const RUNNING: &[u8] = br#"{"code":0,"data":{"process":50,"status":0}}"#;

/// What waits, with the name that a child process knows it by, and its steps after it was booked.
const WAITERS: [(&str, &str, &[&str]); 2] = [
    ("a watch", "watch", &["ask", "turn", "drop"]),
    ("a call without a token", "call", &["ask", "drop"]),
];

pub(crate) fn table(out: &mut impl Write) -> io::Result<()> {
    let valgrind = has("valgrind");
    writeln!(
        out,
        "| each of | | 1,000 | 10,000 | 100,000 | 1,000,000 | the last by the first |\n|---|---|---|---|---|---|---|"
    )?;
    for (title, waiter, steps) in WAITERS {
        let used = |step| COUNTS.map(|count| used(waiter, step, count));
        let counts = valgrind.then(|| (used("none"), used("book")));
        for step in [&["book"], steps].concat() {
            let nanos = COUNTS.map(|count| per_call(time(waiter, step, count), count));
            row(out, &format!("{title} | {step}, ns"), nanos)?;
            if let Some((made, booked)) = counts {
                let (before, after) = match step {
                    "book" => (made, booked),
                    _ => (booked, used(step)),
                };
                let each = |at: usize| per_call(after[at].saturating_sub(before[at]), COUNTS[at]);
                let counted = std::array::from_fn(each);
                row(out, &format!("{title} | {step}, instructions"), counted)?;
            }
        }
    }
    writeln!(out)?;
    for (waits_for, bytes) in bytes(100_000) {
        writeln!(
            out,
            "A watch that waits for its {waits_for} takes {bytes} bytes."
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, title: &str, counted: [f64; COUNTS.len()]) -> io::Result<()> {
    let cells: Vec<String> = counted.iter().map(|each| format!("{each:.0}")).collect();
    let growth = counted[COUNTS.len() - 1] / counted[0];
    writeln!(out, "| {title} | {} | {growth:.2} |", cells.join(" | "))?;
    out.flush()
}

/// Nanoseconds of a step.
fn time(waiter: &str, step: &str, count: usize) -> u64 {
    let arguments = ["scale", waiter, step, &count.to_string()];
    let output = output(&mut this_program(&[], &arguments));
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().expect("nanoseconds")
}

/// Instructions of a step with all that comes before it.
fn used(waiter: &str, step: &str, count: usize) -> u64 {
    let arguments = ["scale", waiter, step, &count.to_string()];
    let output = output(&mut this_program(&CACHEGRIND, &arguments));
    instructions(&String::from_utf8_lossy(&output.stderr)).expect("a count")
}

/// Instructions that each of so many watches takes to be booked, and [`SOME`] of them to be asked, polled and dropped.
pub(crate) fn instructions_each(count: usize) -> [f64; 2] {
    let [booked, taken] = ["book", "each"].map(|step| used("watch", step, count));
    [
        per_call(booked, count),
        per_call(taken.saturating_sub(booked), SOME),
    ]
}

/// What a child process does: it makes so many waiters, and unless the step is `none` books them and takes the step. Returns how long
/// the step took.
pub(crate) fn run(waiter: &str, step: &str, count: &str) -> Duration {
    let count = count.parse().expect("a number");
    if waiter == "watch" {
        let session = session(Pacing::default());
        return take(step, watches(&session, count));
    }
    let session = Session::builder().credentials("id", "secret");
    let session = session.pacing(Pacing::off()).build().expect("a session");
    let call = |number| {
        let poll = GetDownloadProgress::new(task(number));
        session.call(&poll).expect("a call")
    };
    take(step, (0..count).map(call).collect())
}

fn take<M: Machine>(step: &str, mut waiters: Vec<M>) -> Duration {
    let (start, began) = (start(), Instant::now());
    if step == "none" {
        std::mem::forget(waiters);
        return Duration::ZERO;
    }
    let book = |waiter: &mut M| waiter.resume(start, Input::Wake);
    let mut waits: Vec<_> = waiters.iter_mut().map(book).collect();
    let booked = began.elapsed();
    let began = Instant::now();
    // The first one does not wait: its request is in flight, or it fetches the token.
    let waiting = waiters.iter_mut().skip(1);
    match step {
        "book" => {}
        "ask" => waiting.zip(&mut waits[1..]).for_each(|(waiter, wait)| {
            *wait = waiter.resume(start, Input::Wake);
        }),
        "turn" => waiting.zip(1..).for_each(|(waiter, turn)| {
            poll(waiter, later(start, POLL_EVERY * turn));
        }),
        "each" => {
            waiting.take(SOME).zip(1..).for_each(|(waiter, turn)| {
                poll(waiter, later(start, POLL_EVERY * turn));
            });
            let others = waiters.len() - SOME;
            for (waiter, wait) in waiters.iter_mut().zip(&mut waits).skip(others) {
                *wait = waiter.resume(start, Input::Wake);
            }
            drop((waiters.split_off(others), waits.split_off(others)));
        }
        "drop" => {
            drop(std::mem::take(&mut waiters));
            drop(std::mem::take(&mut waits));
        }
        _ => panic!("`none`, `book`, `each`, `ask`, `turn` or `drop`"),
    }
    let took = began.elapsed();
    // To leave is a step of its own.
    std::mem::forget((waiters, waits));
    if step == "book" { booked } else { took }
}

/// Sends and answers a poll whose turn has come.
fn poll<M: Machine>(machine: &mut M, now: Now) {
    let Step::Transmit(transmit) = machine.resume(now, Input::Wake) else {
        panic!("it is its turn");
    };
    drop(black_box(transmit));
    let response = Response::new(RUNNING.into());
    let step = machine.resume(now, Input::Response(response));
    assert!(matches!(step, Step::Ready(_)), "it is answered");
}

/// What a watch takes on the heap with the signal that its driver holds: while it waits for a poll, and for its turn.
pub(crate) fn bytes(count: usize) -> [(&'static str, u64); 3] {
    let each = |pacing: Pacing, polled: bool| {
        let session = session(pacing);
        let start = start();
        // The tables of the session are there.
        let mut first = session.watch(task(0), policy());
        drop(black_box(first.resume(start, Input::Wake)));
        let mut kept = Vec::new();
        let used = allocation_counter::measure(|| {
            let mut watches = watches(&session, count);
            kept = watches
                .drain(..)
                .map(|mut watch| {
                    if polled {
                        poll(&mut watch, start);
                    }
                    let Step::Wait(wait) = watch.resume(start, Input::Wake) else {
                        panic!("it waits");
                    };
                    (watch, wait.signal)
                })
                .collect::<Vec<(Watch, Signal)>>();
        });
        drop(kept);
        u64::try_from(used.bytes_current).expect("more than before") / count as u64
    };
    [
        ("next poll", each(Pacing::off(), true)),
        ("turn", each(Pacing::default(), false)),
        (
            "turn without a pace",
            each(Pacing::off().max_in_flight(1), false),
        ),
    ]
}

fn session(pacing: Pacing) -> Session {
    let builder = Session::builder().access_token("token").pacing(pacing);
    builder.build().expect("a session")
}

fn watches(session: &Session, count: usize) -> Vec<Watch> {
    let policy = policy();
    (0..count)
        .map(|number| session.watch(task(number), policy.clone()))
        .collect()
}

/// Nothing ends before its turn.
fn policy() -> WatchPolicy {
    WatchPolicy::default().deadline(Duration::from_secs(100_000_000))
}

fn task(number: usize) -> TaskId {
    TaskId::new(number as u64 + 1).expect("a task")
}

fn start() -> Now {
    Now {
        mono: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000),
    }
}

fn later(start: Now, by: Duration) -> Now {
    Now {
        mono: start.mono + by,
        wall: start.wall + by,
    }
}
