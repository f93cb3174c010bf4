//! Each call of each scenario is dropped after each number of polls it takes, with its client or without, or its runtime ends.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use pan123_mock::Service;
use pan123_mock::http::Method;
use pan123_mock::path::ACCESS_TOKEN;
use pan123_proto::{Endpoint, Error, Idempotency, RateClass};
use pan123_tests::play::Caller;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::seen::{Seen, Sent, Told};
use pan123_tests::table::{create, rows_of};
use pan123_tests::watchdog::Watchdog;

use crate::stage::{Ground, Here, Stage, carry_out};

/// A call waits so much longer at most because another was dropped: for a slot at the token endpoint.
const SLACK: Duration = Duration::from_secs(1);

/// No call takes longer.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// What goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// The future.
    Future,
    /// The future, and all clients of the session.
    Client,
    /// The future, and the runtime with all that was detached to it.
    Runtime,
}

/// One way to play a scenario.
#[derive(Clone, Copy, Debug)]
struct Way {
    ground: Ground,
    loss: Loss,
}

impl Way {
    /// Whether a refresh goes away, too, and with it the answer that it was waiting for.
    fn may_lose_token(self) -> bool {
        !self.ground.runtime || self.loss == Loss::Runtime
    }
}

const WAYS: [Way; 8] = [
    way(true, false, Loss::Future),
    way(true, false, Loss::Runtime),
    way(true, true, Loss::Future),
    way(true, true, Loss::Client),
    way(true, true, Loss::Runtime),
    way(false, false, Loss::Future),
    way(false, false, Loss::Client),
    way(false, true, Loss::Future),
];

const fn way(runtime: bool, store: bool, loss: Loss) -> Way {
    Way {
        ground: Ground { runtime, store },
        loss,
    }
}

/// A call of somebody else on the same session, begun at the same time. The service does not know it, and says so.
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
struct Fared {
    told: String,
    took: Duration,
}

impl Fared {
    fn of<T: fmt::Debug>(result: &Result<T, Error>, took: Duration) -> Fared {
        let told = Told::of(result).kind;
        Fared { told, took }
    }

    /// The longest that the same call may take in another run. One that was served had nothing to wait for but others.
    fn limit(&self) -> Duration {
        let served = ["ok", "Http"].contains(&self.told.as_str());
        if served {
            self.took + SLACK
        } else {
            CALL_TIMEOUT
        }
    }
}

/// What came of a run.
struct Outcome {
    /// How often the call was polled.
    polls: usize,
    ended: bool,
    /// When nothing was driven any more.
    seen: Seen,
    bystander: Option<Fared>,
    /// A call that was made afterwards.
    probe: Fared,
    minted: usize,
}

impl Outcome {
    /// The requests of the call, as they were written.
    fn requests(&self) -> Vec<String> {
        let requests = self.seen.requests.iter();
        let own = requests.filter(|sent| ![ACCESS_TOKEN, BYSTANDER].contains(&sent.path.as_str()));
        own.map(Sent::written).collect()
    }
}

/// Plays the acts before this one, polls it so often, lets it go, and looks what is left.
fn play(scenario: &Scenario, act: usize, polls: usize, way: Way) -> Outcome {
    let mut stage = Stage::new(scenario, way.ground);
    let mut client = stage.client(scenario);
    let mut last = None;
    for act in &scenario.acts[..act] {
        last = stage.act(&client, act, last);
    }

    let mut call = Box::pin(carry_out(client.clone(), scenario.acts[act].clone(), last));
    let mut other = Box::pin(stage.clock.drive(client.client.send(&Bystander)));
    let mut fared = None;
    let begun = stage.clock.elapsed();
    let (mut made, mut ended) = (0, false);
    stage.run(poll_fn(|context| {
        if made < polls && !ended {
            made += 1;
            ended = call.as_mut().poll(context).is_ready();
            if fared.is_none()
                && let Poll::Ready(result) = other.as_mut().poll(context)
            {
                fared = Some(Fared::of(
                    &result,
                    stage.clock.elapsed().saturating_sub(begun),
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
    match way.loss {
        Loss::Future => {}
        Loss::Client => client = stage.client(scenario),
        Loss::Runtime => stage.restart(),
    }
    if way.loss == Loss::Client {
        drop(other);
    } else if fared.is_none() {
        let result = stage.run(other);
        fared = Some(Fared::of(
            &result,
            stage.clock.elapsed().saturating_sub(begun),
        ));
    }
    stage.settle();
    stage.check_nothing_is_held(client.client.session());
    if !way.may_lose_token() {
        let tokens = stage.held.dropped_at(ACCESS_TOKEN);
        assert_eq!(tokens, 0, "a token was on its way, and is lost");
    }
    let seen = stage.seen();

    stage.held.service(Service::clear_faults);
    let before = stage.clock.elapsed();
    let result = stage.run(client.user_info());
    let took = stage.clock.elapsed().saturating_sub(before);
    stage.settle();
    stage.check_nothing_is_held(client.client.session());
    Outcome {
        polls: made,
        ended,
        bystander: fared,
        probe: Fared::of(&result, took),
        minted: stage.seen().minted,
        seen,
    }
}

/// What is the same whenever the call is dropped, and what can only be less than if it is not.
fn compare(dropped: &Outcome, undisturbed: &Outcome, way: Way, ordered: usize) {
    let (requests, all) = (dropped.requests(), undisturbed.requests());
    assert!(
        all.starts_with(&requests),
        "{requests:#?}\nand not\n{all:#?}"
    );
    assert!(dropped.seen.tasks <= ordered, "a task that nobody ordered");
    let most = undisturbed.minted + usize::from(way.may_lose_token());
    assert!(dropped.minted <= most, "{} tokens", dropped.minted);

    let (probe, its) = (&dropped.probe, &undisturbed.probe);
    assert_eq!(probe.told, its.told, "the call after it");
    assert!(
        probe.took <= its.limit(),
        "the call after it: {probe:?}, not {its:?}"
    );
    if let (Some(other), Some(its)) = (&dropped.bystander, &undisturbed.bystander) {
        assert_eq!(other.told, its.told, "the bystander");
        assert!(
            other.took <= its.limit(),
            "the bystander: {other:?}, not {its:?}"
        );
    }
}

fn drop_everywhere(scenario: &Scenario) {
    let name = scenario.name;
    let _watched = Watchdog::watch(move || name.to_owned());
    for way in WAYS {
        let mut ordered = 0;
        for (index, act) in scenario.acts.iter().enumerate() {
            ordered += creates(act);
            if !matches!(act, Act::Call(_) | Act::Together(..)) {
                continue;
            }
            let undisturbed = play(scenario, index, usize::MAX, way);
            assert!(undisturbed.ended, "{:?}", scenario.name);
            for polls in 0..undisturbed.polls {
                let _here = Here(format!(
                    "{:?}, act {index}, {way:?}, {polls} polls",
                    scenario.name
                ));
                compare(
                    &play(scenario, index, polls, way),
                    &undisturbed,
                    way,
                    ordered,
                );
            }
        }
    }
}

/// How many tasks an act orders.
fn creates(act: &Act) -> usize {
    match act {
        Act::Call(Call::Create(_)) => 1,
        Act::Together(callers, Call::Create(_)) => *callers,
        _ => 0,
    }
}

fn hold(part: &str) {
    rows_of(part).iter().for_each(drop_everywhere);
}

#[test]
fn wherever_an_answer_is_odd() {
    hold("answers");
}

#[test]
fn wherever_it_is_told_to_wait() {
    hold("limits");
}

#[test]
fn wherever_an_answer_is_lost() {
    hold("lost");
}

#[test]
fn wherever_a_task_is_followed() {
    hold("tasks");
}

#[test]
fn wherever_many_share() {
    hold("together");
}

#[test]
fn wherever_a_token_is_fetched() {
    hold("tokens");
}

/// The refresh is begun by a caller who needs it less than others will, and goes on with the old token.
#[test]
fn wherever_a_token_is_replaced_before_its_end() {
    let nearly = Duration::from_secs(30 * 24 * 3600).mul_f64(0.9999);
    let scenario = Scenario::new("a token near its end is replaced")
        .call(Call::UserInfo)
        .act(Act::Later(nearly))
        .call(Call::UserInfo)
        .call(create());
    drop_everywhere(&scenario);
}
