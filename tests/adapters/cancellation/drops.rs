//! Each call of each scenario is dropped after each number of polls: alone, with its client, or with its runtime.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use pan123_mock::Service;
use pan123_mock::http::Method;
use pan123_mock::path::ACCESS_TOKEN;
use pan123_proto::{Endpoint, Error, Idempotency, RateClass};
use pan123_tests::observed::{Observed, Outcome, SentRequest};
use pan123_tests::run::Caller;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::table::{create, rows_of};
use pan123_tests::watchdog::Watchdog;

use super::setup::{OnFailure, Setup, Variant, make_calls};

/// How much longer a call may take because another was dropped: it may wait for a slot of the token endpoint.
const SLACK: Duration = Duration::from_secs(1);

/// The deadline of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// The future.
    Future,
    /// The future, and all clients of the session.
    Client,
    /// The future, and the runtime with all detached work.
    Runtime,
}

/// One case: where a call runs, and what is dropped.
#[derive(Clone, Copy, Debug)]
struct DropCase {
    variant: Variant,
    loss: Loss,
}

impl DropCase {
    /// Whether a token fetch is dropped as well, and with it the token in flight.
    fn may_lose_token(self) -> bool {
        !self.variant.runtime || self.loss == Loss::Runtime
    }
}

const CASES: [DropCase; 8] = [
    case(true, false, Loss::Future),
    case(true, false, Loss::Runtime),
    case(true, true, Loss::Future),
    case(true, true, Loss::Client),
    case(true, true, Loss::Runtime),
    case(false, false, Loss::Future),
    case(false, false, Loss::Client),
    case(false, true, Loss::Future),
];

const fn case(runtime: bool, store: bool, loss: Loss) -> DropCase {
    DropCase {
        variant: Variant { runtime, store },
        loss,
    }
}

/// Another call on the same session, started at the same time. The service does not know its endpoint, and rejects it.
struct Bystander;

const BYSTANDER: &str = "/api/v1/bystander";

impl Endpoint for Bystander {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = BYSTANDER;
    const RATE: RateClass = RateClass::new("bystander", Duration::ZERO);
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = ();
}

/// How a call ended, and how long it took.
#[derive(Debug)]
struct CallEnd {
    kind: String,
    took: Duration,
}

impl CallEnd {
    fn of<T: fmt::Debug>(result: &Result<T, Error>, took: Duration) -> CallEnd {
        CallEnd {
            kind: Outcome::of(result).kind,
            took,
        }
    }

    /// How long the same call may take in another run. One that succeeded waited for nothing but other calls.
    fn limit(&self) -> Duration {
        let served = ["ok", "Http"].contains(&self.kind.as_str());
        if served {
            self.took + SLACK
        } else {
            CALL_TIMEOUT
        }
    }
}

/// The outcome of a run.
struct Run {
    /// How often the call was polled.
    polls: usize,
    ended: bool,
    /// Observed when no call ran any more.
    observed: Observed,
    bystander: Option<CallEnd>,
    /// A call that was made afterwards.
    probe: CallEnd,
    issued: usize,
}

impl Run {
    /// The requests of the call.
    fn requests(&self) -> Vec<String> {
        let requests = self.observed.requests.iter();
        let own = requests.filter(|sent| ![ACCESS_TOKEN, BYSTANDER].contains(&sent.path.as_str()));
        own.map(SentRequest::written).collect()
    }
}

/// Runs the acts before this one, polls its call this many times, drops it, and checks the session.
fn run(scenario: &Scenario, act: usize, polls: usize, case: DropCase) -> Run {
    let mut setup = Setup::new(scenario, case.variant);
    let mut client = setup.client(scenario);
    let mut last = None;
    for act in &scenario.acts[..act] {
        last = setup.act(&client, act, last);
    }

    let mut call = Box::pin(make_calls(client.clone(), scenario.acts[act].clone(), last));
    let mut other = Box::pin(setup.clock.drive(client.client.send(&Bystander)));
    let mut bystander_end = None;
    let begun = setup.clock.elapsed();
    let (mut made, mut ended) = (0, false);
    setup.run(poll_fn(|context| {
        if made < polls && !ended {
            made += 1;
            ended = call.as_mut().poll(context).is_ready();
            if bystander_end.is_none()
                && let Poll::Ready(result) = other.as_mut().poll(context)
            {
                bystander_end = Some(CallEnd::of(
                    &result,
                    setup.clock.elapsed().saturating_sub(begun),
                ));
            }
        }
        if made < polls && !ended {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }));

    drop(call);
    match case.loss {
        Loss::Future => {}
        Loss::Client => client = setup.client(scenario),
        Loss::Runtime => setup.restart(),
    }
    if case.loss == Loss::Client {
        drop(other);
    } else if bystander_end.is_none() {
        let result = setup.run(other);
        bystander_end = Some(CallEnd::of(
            &result,
            setup.clock.elapsed().saturating_sub(begun),
        ));
    }
    setup.settle();
    setup.assert_nothing_is_held(client.client.session());
    if !case.may_lose_token() {
        let tokens = setup.transport.dropped_at(ACCESS_TOKEN);
        assert_eq!(tokens, 0, "a token request was dropped in flight");
    }
    let observed = setup.observed();

    setup.transport.service(Service::clear_faults);
    let before = setup.clock.elapsed();
    let result = setup.run(client.user_info());
    let took = setup.clock.elapsed().saturating_sub(before);
    setup.settle();
    setup.assert_nothing_is_held(client.client.session());
    Run {
        polls: made,
        ended,
        bystander: bystander_end,
        probe: CallEnd::of(&result, took),
        issued: setup.observed().issued,
        observed,
    }
}

/// Compares a run with a dropped call to the undisturbed one.
fn compare(dropped: &Run, undisturbed: &Run, case: DropCase, ordered: usize) {
    let (requests, all) = (dropped.requests(), undisturbed.requests());
    assert!(
        all.starts_with(&requests),
        "{requests:#?}\nand not\n{all:#?}"
    );
    assert!(
        dropped.observed.tasks <= ordered,
        "a task that no call asked for"
    );
    let most = undisturbed.issued + usize::from(case.may_lose_token());
    assert!(dropped.issued <= most, "{} tokens", dropped.issued);

    let (probe, its) = (&dropped.probe, &undisturbed.probe);
    assert_eq!(probe.kind, its.kind, "the call after it");
    assert!(
        probe.took <= its.limit(),
        "the call after it: {probe:?}, not {its:?}"
    );
    if let (Some(other), Some(its)) = (&dropped.bystander, &undisturbed.bystander) {
        assert_eq!(other.kind, its.kind, "the bystander");
        assert!(
            other.took <= its.limit(),
            "the bystander: {other:?}, not {its:?}"
        );
    }
}

fn drop_everywhere(scenario: &Scenario) {
    let name = scenario.name;
    let _watched = Watchdog::watch(move || name.to_owned());
    for case in CASES {
        let mut ordered = 0;
        for (index, act) in scenario.acts.iter().enumerate() {
            ordered += creates(act);
            if !matches!(act, Act::Call(_) | Act::Together(..)) {
                continue;
            }
            let undisturbed = run(scenario, index, usize::MAX, case);
            assert!(undisturbed.ended, "{:?}", scenario.name);
            for polls in 0..undisturbed.polls {
                let _on_failure = OnFailure(format!(
                    "{:?}, act {index}, {case:?}, {polls} polls",
                    scenario.name
                ));
                compare(
                    &run(scenario, index, polls, case),
                    &undisturbed,
                    case,
                    ordered,
                );
            }
        }
    }
}

/// How many tasks an act creates.
fn creates(act: &Act) -> usize {
    match act {
        Act::Call(Call::Create(_)) => 1,
        Act::Together(callers, Call::Create(_)) => *callers,
        _ => 0,
    }
}

fn drop_everywhere_in(part: &str) {
    let rows = rows_of(part);
    let rows = rows.iter().filter(|row| !row.acts.iter().any(is_crowd));
    rows.for_each(drop_everywhere);
}

/// Whether so many call at once that to drop each of them, after each of its polls, takes minutes: fewer show the same.
fn is_crowd(act: &Act) -> bool {
    matches!(act, Act::Together(callers, _) if *callers > 16)
}

#[test]
fn calls_with_unusual_responses_may_be_dropped() {
    drop_everywhere_in("responses");
}

#[test]
fn calls_that_are_rate_limited_may_be_dropped() {
    drop_everywhere_in("limits");
}

#[test]
fn calls_with_lost_responses_may_be_dropped() {
    drop_everywhere_in("lost");
}

#[test]
fn calls_that_follow_a_task_may_be_dropped() {
    drop_everywhere_in("tasks");
}

#[test]
fn concurrent_calls_may_be_dropped() {
    drop_everywhere_in("together");
}

#[test]
fn calls_that_fetch_a_token_may_be_dropped() {
    drop_everywhere_in("tokens");
}

/// The fetch is started by a call that goes on with the stale token.
#[test]
fn calls_that_replace_a_stale_token_may_be_dropped() {
    let nearly = Duration::from_secs(30 * 24 * 3600).mul_f64(0.9999);
    let scenario = Scenario::new("a token near its end is replaced")
        .call(Call::UserInfo)
        .act(Act::Advance(nearly))
        .call(Call::UserInfo)
        .call(create());
    drop_everywhere(&scenario);
}
