//! Watches from their first poll to their end.

use std::time::Duration;

use pan123_proto::offline::{Watch, WatchError, WatchEvent, WatchPolicy};
use pan123_proto::{Machine, Session};
use serde_json::json;

use super::{Outcome, Reply, World, fixed, gaps, numbered_task, path, routine, task};

pub(crate) type Watched = Outcome<<Watch as Machine>::Output>;

pub(crate) fn watch(session: &Session) -> Watch {
    session.watch(task(), WatchPolicy::default())
}

/// Begins to follow this many tasks with this policy.
pub(crate) fn follow_many(
    world: &mut World,
    session: &Session,
    tasks: u64,
    policy: &WatchPolicy,
) -> Vec<Watched> {
    let watch = |number| session.watch(numbered_task(number), policy.clone());
    (1..=tasks)
        .map(|number| world.follow(watch(number)))
        .collect()
}

pub(crate) fn status(percent: f64, status: i64) -> Reply {
    Reply::data(json!({"process": percent, "status": status}))
}

/// A task that goes evenly from 0 to 100 percent in this time and then succeeds.
pub(crate) fn even(duration: Duration) -> World {
    World::new(move |view, request| {
        let done = view.at.as_secs_f64() / duration.as_secs_f64();
        match request.uri().path() {
            path::PROGRESS if done >= 1.0 => status(100.0, 2),
            path::PROGRESS => status(done * 100.0, 0),
            _ => routine(view, request),
        }
    })
}

/// A world that replies to the nth poll, counted from 0.
pub(crate) fn polls(answer: impl Fn(usize) -> Reply + 'static) -> World {
    World::new(move |view, request| match request.uri().path() {
        path::PROGRESS => answer(view.count(path::PROGRESS)),
        _ => routine(view, request),
    })
}

/// The events of a watch, and its error if it ended with one. Panics if anything but `None` follows.
pub(crate) fn events_and_end(
    watched: &Watched,
) -> (Vec<WatchEvent>, Option<(Duration, WatchError)>) {
    let mut items = watched.all();
    let (end, last) = items.pop().expect("an end");
    assert!(last.is_none(), "{last:?}");
    let mut events = Vec::new();
    let mut error = None;
    for (when, item) in items {
        assert!(error.is_none(), "an error is the last item");
        match item.expect("`None` comes once, at the end") {
            Ok(event) => events.push(event),
            Err(end) => error = Some((when, end)),
        }
    }
    if let Some((when, _)) = &error {
        assert_eq!(*when, end);
    }
    (events, error)
}

pub(crate) fn end_error(watched: &Watched) -> (Duration, WatchError) {
    events_and_end(watched).1.expect("it ended with an error")
}

/// Runs one watch to its end with this policy.
pub(crate) fn run(mut world: World, policy: WatchPolicy) -> (World, Watched) {
    let watched = world.follow(fixed().watch(task(), policy));
    world.run();
    (world, watched)
}

pub(crate) fn poll_gaps(world: &World) -> Vec<Duration> {
    gaps(&world.times(path::PROGRESS))
}
