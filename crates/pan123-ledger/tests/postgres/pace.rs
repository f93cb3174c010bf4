//! The shared pace.

use std::thread;
use std::time::Duration;

use pan123_ledger::PostgresPace;
use pan123_proto::{PaceOp, PaceResult, RateClass, SharedPace};

use crate::account;
use crate::server::server;

/// So long that a slow test does not reach the next slot.
const EVERY: Duration = Duration::from_secs(1000);
const CREATE: RateClass = RateClass::new("create", EVERY);

fn reserve(pace: &PostgresPace, class: RateClass) -> PaceResult {
    let every = class.interval();
    pace.run(&account(), PaceOp::Reserve { class, every })
}

/// Reserves a slot, and returns how many intervals it is away.
fn slot(pace: &PostgresPace, class: RateClass) -> u128 {
    match reserve(pace, class) {
        PaceResult::Reserved(wait) => {
            let every = class.interval().as_micros();
            (wait.as_micros() + every / 2) / every
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn slots_of_several_connections_never_collide() {
    let Some(server) = server() else {
        return;
    };
    let mut slots: Vec<u128> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let pace = server.database().pace();
                scope.spawn(move || (0..10).map(|_| slot(&pace, CREATE)).collect::<Vec<_>>())
            })
            .collect();
        let slots = threads.into_iter().map(|thread| thread.join().unwrap());
        slots.flatten().collect()
    });
    slots.sort_unstable();
    assert_eq!(slots, (0..80).collect::<Vec<_>>());
}
