//! The future of a watch's `next` is dropped, as in a `select!`: no event is lost or repeated.

use std::future::poll_fn;
use std::task::Poll;

use pan123_async::Watch;
use pan123_mock::path::OFFLINE_PROGRESS;
use pan123_mock::{CannedResponse, http::StatusCode};
use pan123_proto::offline::WatchPolicy;
use pan123_tests::clock::JumpClock;
use pan123_tests::observed::{Observed, Outcome};
use pan123_tests::run::task;
use pan123_tests::scenario::{Act, Call, Of, Scenario};
use pan123_tests::table::rows;
use pan123_tests::watchdog::Watchdog;

use super::setup::{OnFailure, Setup, VARIANTS, Variant};

/// When the future of `next` is dropped, by the polls of the watch so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    After(usize),
    Always,
}

impl Cut {
    fn is_due(self, polls: usize) -> bool {
        self == Cut::Always || self == Cut::After(polls)
    }

    fn is_yet_to_come(self, polls: usize) -> bool {
        matches!(self, Cut::After(due) if polls < due)
    }
}

/// The rows that follow a task, and one in which the watch fetches the token.
pub(crate) fn rows_with_a_watch() -> Vec<Scenario> {
    let running = r#"{"code":0,"data":{"process":50,"status":0}}"#;
    let done = r#"{"code":0,"data":{"process":100,"status":2}}"#;
    let ok = |body| CannedResponse::raw(StatusCode::OK, body);
    let cold = Scenario::new("a watch on a cold start")
        .canned(OFFLINE_PROGRESS, ok(running).times(2))
        .canned(
            OFFLINE_PROGRESS,
            CannedResponse::envelope(401, "token is expired"),
        )
        .canned(OFFLINE_PROGRESS, ok(done))
        .call(Call::Watch(Of::Task(7), WatchPolicy::default()));
    let follows = |row: &Scenario| row.acts.iter().any(|act| watched(act).is_some());
    rows().filter(follows).chain([cold]).collect()
}

pub(crate) fn watched(act: &Act) -> Option<(Of, &WatchPolicy)> {
    match act {
        Act::Call(Call::Watch(of, policy)) => Some((*of, policy)),
        _ => None,
    }
}

/// The outcome of a watch.
struct Followed {
    polls: usize,
    outcome: Vec<Outcome>,
    observed: Observed,
}

/// Runs the acts up to the first watch, and follows it with this closure.
fn run(
    scenario: &Scenario,
    variant: Variant,
    follow: impl FnOnce(&Setup, Watch) -> (usize, Vec<Outcome>),
) -> Followed {
    let setup = Setup::new(scenario, variant);
    let client = setup.client(scenario);
    let mut last = None;
    for act in &scenario.acts {
        let Some((of, policy)) = watched(act) else {
            last = setup.act(&client, act, last);
            continue;
        };
        let offline = client.client.offline_download();
        let watch = offline.watch_with(task(of, last), policy.clone());
        let (polls, outcome) = follow(&setup, watch);
        setup.settle();
        setup.assert_nothing_is_held(client.client.session());
        return Followed {
            polls,
            outcome,
            observed: setup.observed(),
        };
    }
    panic!("{:?} follows nothing", scenario.name);
}

/// Polls `next` until it has an item, or until its future is dropped.
async fn next(
    clock: &JumpClock,
    watch: &mut Watch,
    cut: Cut,
    polls: &mut usize,
) -> Option<Option<Outcome>> {
    let mut next = Box::pin(clock.drive(watch.next()));
    poll_fn(|context| {
        *polls += 1;
        match next.as_mut().poll(context) {
            Poll::Ready(item) => Poll::Ready(Some(item.as_ref().map(Outcome::event))),
            Poll::Pending if cut.is_due(*polls) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Follows to the end, event by event.
fn by_events(cut: Cut) -> impl FnOnce(&Setup, Watch) -> (usize, Vec<Outcome>) {
    move |setup, mut watch| {
        let (mut polls, mut outcome) = (0, Vec::new());
        setup.run(async {
            loop {
                match next(&setup.clock, &mut watch, cut, &mut polls).await {
                    Some(Some(event)) => outcome.push(event),
                    Some(None) => break,
                    // Other tasks run, as when a `select!` takes another branch.
                    None => tokio::task::yield_now().await,
                }
            }
        });
        (polls, outcome)
    }
}

/// Follows event by event until the cut, and from there by `to_end`.
fn to_end_after(cut: Cut) -> impl FnOnce(&Setup, Watch) -> (usize, Vec<Outcome>) {
    move |setup, mut watch| {
        let mut polls = 0;
        let end = setup.run(async {
            let clock = &setup.clock;
            while cut.is_yet_to_come(polls)
                && next(clock, &mut watch, cut, &mut polls).await.is_some()
            {}
            clock.drive(watch.to_end()).await
        });
        let outcome = end.map_or_else(|error| Outcome::watch(&error), Outcome::ok);
        (polls, vec![outcome])
    }
}

fn compare(one: &Followed, other: &Followed) {
    assert_eq!(one.outcome, other.outcome);
    let written = |followed: &Followed| {
        let requests = followed.observed.requests.iter();
        requests
            .map(pan123_tests::observed::SentRequest::written)
            .collect::<Vec<_>>()
    };
    assert_eq!(written(one), written(other));
    assert_eq!(one.observed.issued, other.observed.issued);
}

#[test]
fn next_may_be_dropped_once_at_any_poll() {
    for scenario in rows_with_a_watch() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for variant in VARIANTS {
            let undisturbed = run(&scenario, variant, by_events(Cut::Never));
            let at_once = run(&scenario, variant, to_end_after(Cut::Never));
            for polls in 1..undisturbed.polls {
                let _on_failure =
                    OnFailure(format!("{:?}, {variant:?}, {polls} polls", scenario.name));
                let cut = Cut::After(polls);
                compare(&run(&scenario, variant, by_events(cut)), &undisturbed);
                // The poll before the last returns the end as an item.
                if polls + 1 < undisturbed.polls {
                    compare(&run(&scenario, variant, to_end_after(cut)), &at_once);
                }
            }
        }
    }
}

#[test]
fn next_may_be_dropped_after_every_poll() {
    for scenario in rows_with_a_watch() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for variant in VARIANTS {
            let _on_failure = OnFailure(format!("{:?}, {variant:?}", scenario.name));
            let undisturbed = run(&scenario, variant, by_events(Cut::Never));
            // A store operation on a thread may take thousands of polls.
            if !(variant.runtime && variant.store) {
                compare(
                    &run(&scenario, variant, by_events(Cut::Always)),
                    &undisturbed,
                );
            }
        }
    }
}
