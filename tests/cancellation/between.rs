//! A blocking watch is left, stopped or outlives its client between any two of its items.

use std::thread;

use pan123_blocking::{Client, Watch};
use pan123_mock::Service;
use pan123_tests::block_on::block_on;
use pan123_tests::drivers::ClockedClient;
use pan123_tests::play::{Caller, perform, task};
use pan123_tests::scenario::{Act, Scenario};
use pan123_tests::seen::{Seen, Told};
use pan123_tests::watchdog::Watchdog;

use crate::follows::{rows_with_a_watch, watched};
use crate::stage::{Ground, Here, Stage};

/// What happens between two items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    WatchDropped,
    ClientDropped,
    /// From another thread.
    Stopped,
}

/// What came of it.
struct Left {
    told: Vec<Told>,
    seen: Seen,
}

/// Plays the acts up to the first watch, and has this happen after so many of its items.
fn play(scenario: &Scenario, store: bool, items: usize, event: Event) -> Left {
    let runtime = false;
    let stage = Stage::new(scenario, Ground { runtime, store });
    let client = stage.blocking(scenario);
    let session = client.client.session().clone();
    let (watch, mut told) = (follow(&stage, &client, scenario), Vec::new());
    let mut client = Some(client);
    let mut watch = Some(watch);
    let next = |watch: &mut Option<Watch>| {
        let watch = watch.as_mut()?;
        stage.clock.drive_blocking(|| watch.next())
    };
    while let Some(item) = next(&mut watch) {
        told.push(Told::event(&item));
        if told.len() == items {
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
    stage.clock.until_idle();
    stage.check_nothing_is_held(&session);
    let seen = stage.seen();
    if let Some(client) = client {
        stage.held.service(Service::clear_faults);
        let probe = Told::of(&block_on(client.user_info()));
        assert!(probe.kind == "ok", "{probe:?}");
        stage.clock.until_idle();
        assert_eq!(stage.seen().minted, seen.minted, "the token is still there");
        stage.check_nothing_is_held(&session);
    }
    Left { told, seen }
}

fn follow(stage: &Stage, client: &ClockedClient<Client>, scenario: &Scenario) -> Watch {
    let mut last = None;
    for act in &scenario.acts {
        if let Some((of, policy)) = watched(act) {
            let offline = client.client.offline_download();
            return offline.watch_with(task(of, last), policy.clone());
        }
        if let Act::Call(call) = act {
            block_on(perform(client, call, &mut last));
        } else {
            stage.happen(act);
        }
    }
    panic!("{:?} follows nothing", scenario.name);
}

#[test]
fn between_any_two_items_of_a_blocking_watch() {
    for scenario in rows_with_a_watch() {
        let name = scenario.name;
        let _watched = Watchdog::watch(move || name.to_owned());
        for store in [false, true] {
            let all = play(&scenario, store, usize::MAX, Event::WatchDropped);
            for items in 1..all.told.len() {
                let here = |event| Here(format!("{:?}, {event:?} after {items}", scenario.name));

                let _here = here(Event::WatchDropped);
                let left = play(&scenario, store, items, Event::WatchDropped);
                assert_eq!(left.told, all.told[..items]);
                assert!(all.seen.paths().starts_with(&left.seen.paths()));

                let _here = here(Event::ClientDropped);
                let alone = play(&scenario, store, items, Event::ClientDropped);
                assert_eq!(alone.told, all.told);
                assert_eq!(alone.seen.paths(), all.seen.paths());

                let _here = here(Event::Stopped);
                let stopped = play(&scenario, store, items, Event::Stopped);
                assert_eq!(stopped.told[..items], all.told[..items]);
                let kinds = stopped.told[items..].iter().map(|told| told.kind.as_str());
                assert_eq!(kinds.collect::<Vec<_>>(), ["Stopped"]);
                assert_eq!(stopped.seen.paths(), left.seen.paths());
            }
        }
    }
}
