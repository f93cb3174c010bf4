//! Between any two items of a blocking watch, the watch or its client is dropped, or the watch is stopped.

use std::thread;

use pan123_blocking::{Client, Watch};
use pan123_mock::Service;
use pan123_tests::block_on::block_on;
use pan123_tests::drivers::ClockedClient;
use pan123_tests::observed::{Observed, Outcome};
use pan123_tests::run::{Caller, make_call, task};
use pan123_tests::scenario::{Act, Scenario};
use pan123_tests::watchdog::Watchdog;

use super::follows::{rows_with_a_watch, watched};
use super::setup::{OnFailure, Setup, Variant};

/// What happens between two items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    WatchDropped,
    ClientDropped,
    /// From another thread.
    Stopped,
}

/// The outcome.
struct Interrupted {
    outcome: Vec<Outcome>,
    observed: Observed,
}

/// Runs the acts up to the first watch, and applies the event after this many items.
fn run(scenario: &Scenario, store: bool, items: usize, event: Event) -> Interrupted {
    let runtime = false;
    let setup = Setup::new(scenario, Variant { runtime, store });
    let client = setup.blocking(scenario);
    let session = client.client.session().clone();
    let (watch, mut outcome) = (follow(&setup, &client, scenario), Vec::new());
    let mut client = Some(client);
    let mut watch = Some(watch);
    let next = |watch: &mut Option<Watch>| {
        let watch = watch.as_mut()?;
        setup.clock.drive_blocking(|| watch.next())
    };
    while let Some(item) = next(&mut watch) {
        outcome.push(Outcome::event(&item));
        if outcome.len() == items {
            match event {
                Event::WatchDropped => watch = None,
                Event::ClientDropped => client = None,
                Event::Stopped => {
                    let handle = watch.as_ref().map(Watch::handle);
                    let stopping = thread::spawn(move || handle.map(|handle| handle.stop()));
                    stopping.join().expect("a stop does not panic");
                }
            }
        }
    }
    setup.clock.until_idle();
    setup.assert_nothing_is_held(&session);
    let observed = setup.observed();
    if let (Some(client), true) = (client, scenario.reachable) {
        setup.transport.service(Service::clear_faults);
        let probe = Outcome::of(&block_on(client.user_info()));
        assert!(probe.kind == "ok", "{probe:?}");
        setup.clock.until_idle();
        assert_eq!(
            setup.observed().issued,
            observed.issued,
            "the token is still there"
        );
        setup.assert_nothing_is_held(&session);
    }
    Interrupted { outcome, observed }
}

fn follow(setup: &Setup, client: &ClockedClient<Client>, scenario: &Scenario) -> Watch {
    let mut last = None;
    for act in &scenario.acts {
        if let Some((of, policy)) = watched(act) {
            let offline = client.client.offline_download();
            return offline.watch_with(task(of, last), policy.clone());
        }
        if let Act::Call(call) = act {
            block_on(make_call(client, call, &mut last));
        } else {
            setup.apply(act);
        }
    }
    panic!("{:?} follows nothing", scenario.name);
}

#[test]
fn blocking_watch_may_be_dropped_or_stopped_between_any_two_items() {
    for scenario in rows_with_a_watch() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for store in [false, true] {
            let all = run(&scenario, store, usize::MAX, Event::WatchDropped);
            for items in 1..all.outcome.len() {
                let on_failure =
                    |event| OnFailure(format!("{:?}, {event:?} after {items}", scenario.name));

                let _on_failure = on_failure(Event::WatchDropped);
                let left = run(&scenario, store, items, Event::WatchDropped);
                assert_eq!(left.outcome, all.outcome[..items]);
                assert!(all.observed.paths().starts_with(&left.observed.paths()));

                let _on_failure = on_failure(Event::ClientDropped);
                let alone = run(&scenario, store, items, Event::ClientDropped);
                assert_eq!(alone.outcome, all.outcome);
                assert_eq!(alone.observed.paths(), all.observed.paths());

                let _on_failure = on_failure(Event::Stopped);
                let stopped = run(&scenario, store, items, Event::Stopped);
                assert_eq!(stopped.outcome[..items], all.outcome[..items]);
                let kinds = stopped.outcome[items..]
                    .iter()
                    .map(|outcome| outcome.kind.as_str());
                assert_eq!(kinds.collect::<Vec<_>>(), ["Stopped"]);
                assert_eq!(stopped.observed.paths(), left.observed.paths());
            }
        }
    }
}
