//! A worker that is killed anywhere, and another one that goes on.

use pan123_proto::Pacing;
use pan123_proto::batch::{BatchEvent, BatchPolicy, ItemChange};
use pan123_proto::ledger::{LedgerFault, LedgerOp};

use super::oracle::{books, check};
use super::service::Faults;
use super::sim::{Fate, Sim, SpillFate, items};
use crate::support::{millis, secs};

/// Runs a worker that is disturbed somewhere, then another one to the end. Returns whether the disturbance came.
fn run(added: usize, disturb: impl FnOnce(&mut Sim) -> Box<dyn Fn(&Sim) -> bool>) -> bool {
    let mut sim = Sim::new(7);
    sim.service.duration = Box::new(|_| secs(5));
    let first = sim.worker(Pacing::default());
    let second = sim.worker(Pacing::default());
    let came = disturb(&mut sim);
    sim.start(first, BatchPolicy::default(), items(added));
    sim.run();
    let came = came(&sim);
    // The next run of the program gives all items again.
    sim.kill = Box::new(|_, _| false);
    sim.set_fates(|_, _, _| Fate::Answered);
    sim.start(second, BatchPolicy::default(), items(added));
    sim.run();
    check(&sim, added);
    let open = books(&sim).counts.open();
    assert_eq!(open, 0, "not all ended");
    came
}

#[test]
fn kill_after_any_step_loses_nothing_and_sends_nothing_twice() {
    for fails in [0, 1000] {
        let mut step = 0;
        loop {
            step += 1;
            let was_killed = run(2, |sim| {
                sim.service.faults = Faults {
                    task_fails: fails,
                    ..Faults::default()
                };
                sim.kill = Box::new(move |worker, number| worker == 0 && number == step);
                Box::new(|sim| sim.workers[0].report.is_none())
            });
            if !was_killed {
                break;
            }
        }
        assert!(step > 50, "only {step} steps");
    }
}

/// Lets the transactions of the first worker that have these numbers meet their fate.
fn meet(sim: &mut Sim, fate: Fate, meets: impl Fn(usize) -> bool + Send + 'static) {
    let mut number = 0;
    sim.set_fates(move |worker, _, _| {
        number += usize::from(worker == 0);
        if worker == 0 && meets(number) {
            fate
        } else {
            Fate::Answered
        }
    });
}

#[test]
fn kill_before_or_after_any_transaction_loses_nothing_and_sends_nothing_twice() {
    for happened in [false, true] {
        let mut nth = 0;
        loop {
            nth += 1;
            let was_killed = run(2, |sim| {
                meet(sim, Fate::Killed { happened }, move |number| number == nth);
                Box::new(|sim| sim.workers[0].report.is_none())
            });
            if !was_killed {
                break;
            }
        }
        assert!(nth > 10, "only {nth} transactions");
    }
}

#[test]
fn lost_answer_to_any_transaction_loses_nothing_and_sends_nothing_twice() {
    let fates = [
        Fate::Busy,
        Fate::Full,
        Fate::Down { happened: false },
        Fate::Down { happened: true },
    ];
    for fate in fates {
        for nth in 1..60 {
            run(2, |sim| {
                meet(sim, fate, move |number| number == nth);
                Box::new(|_| true)
            });
        }
    }
}

#[test]
fn lost_answer_to_a_late_add_does_not_end_the_batch_before_its_items() {
    let mut sim = Sim::new(1);
    let worker = sim.worker(Pacing::off());
    sim.start(worker, BatchPolicy::default(), items(500));
    sim.run();
    // All of the first 500 have ended when the last one is added.
    let mut is_lost = false;
    sim.set_fates(move |_, _, ops| {
        let is_late = |op: &LedgerOp| matches!(op, LedgerOp::Add(items) if items.len() == 1);
        if !is_lost && ops.iter().any(is_late) {
            is_lost = true;
            return Fate::Down { happened: true };
        }
        Fate::Answered
    });
    sim.start(worker, BatchPolicy::default(), items(501));
    sim.run();
    assert_eq!((check(&sim, 501), sim.service.creates), (0, 501));
}

#[test]
fn lost_answer_that_claimed_an_item_again_leaves_it_to_nobody() {
    let mut sim = Sim::new(1);
    let worker = sim.worker(Pacing::default());
    // Nothing is sent until one transaction takes items back and claims them again.
    let mut is_lost = false;
    sim.set_fates(move |_, _, ops| {
        let has = |is: fn(&LedgerOp) -> bool| ops.iter().any(is);
        let withdraws = has(|op| matches!(op, LedgerOp::Withdraw { .. }));
        if is_lost {
            Fate::Answered
        } else if withdraws && has(|op| matches!(op, LedgerOp::Claim { .. })) {
            is_lost = true;
            Fate::Down { happened: true }
        } else if withdraws || has(|op| matches!(op, LedgerOp::Intend { .. })) {
            Fate::Busy
        } else {
            Fate::Answered
        }
    });
    sim.start(worker, BatchPolicy::default(), items(4));
    sim.run_until(secs(600));
    assert!(!sim.is_running(), "{:?}", books(&sim).counts);
    assert_eq!((check(&sim, 4), sim.service.creates), (0, 4));
}

#[test]
fn failure_of_the_ledger_is_told_once_and_its_end_only_after_that() {
    // The fates of the first transactions, and how many failures and recoveries are told.
    let down = Fate::Down { happened: false };
    let cases = [
        (vec![Fate::Busy, Fate::Busy], (0, 0)),
        (vec![Fate::Busy, down], (1, 1)),
        (vec![down, Fate::Busy, down], (1, 1)),
        (vec![down, Fate::Answered, down], (2, 2)),
    ];
    for (fates, expected) in cases {
        let mut sim = Sim::new(1);
        let worker = sim.worker(Pacing::default());
        let mut next = fates.clone().into_iter();
        sim.set_fates(move |_, _, _| next.next().unwrap_or(Fate::Answered));
        sim.start(worker, BatchPolicy::default(), items(1));
        sim.run();
        let told = |is: fn(&BatchEvent) -> bool| {
            let events = sim.workers[worker].events.iter();
            events.filter(|(_, event)| is(event)).count()
        };
        let failed = told(|event| matches!(event, BatchEvent::LedgerFailed(_)));
        let recovered = told(|event| matches!(event, BatchEvent::LedgerRecovered));
        assert_eq!((failed, recovered), expected, "{fates:?}");
    }
}

#[test]
fn broken_ledger_ends_the_batch_and_spills_the_tasks() {
    for happened in [false, true] {
        for nth in 1..60 {
            run(2, |sim| {
                meet(sim, Fate::Broken { happened }, move |number| number >= nth);
                Box::new(|_| true)
            });
        }
    }
}

#[test]
fn ledger_whose_answers_do_not_fit_is_broken() {
    for fate in [Fate::TooFew, Fate::OtherKind] {
        for nth in 1..15 {
            run(2, |sim| {
                meet(sim, fate, move |number| number == nth);
                Box::new(move |sim| {
                    let report = sim.workers[0].report.as_ref().expect("a report");
                    let is_broken = matches!(report.fault, Some(LedgerFault::Broken(_)));
                    assert!(is_broken, "{fate:?}, {nth}: {report:?}");
                    true
                })
            });
        }
    }
}

#[test]
fn broken_ledger_leaves_no_task_untold_even_one_that_is_created_afterwards() {
    use SpillFate::{Fails, Panics};
    for fates in [vec![], vec![Fails; 3], vec![Panics; 3], vec![Fails, Panics]] {
        broken_ledger_leaves_no_task_untold(&fates);
    }
}

fn broken_ledger_leaves_no_task_untold(spill_fates: &[SpillFate]) {
    let mut late = 0;
    for nth in 1..60 {
        let mut sim = Sim::new(7);
        sim.set_spill_fates(spill_fates.to_vec());
        let worker = sim.worker(Pacing::off());
        meet(&mut sim, Fate::Broken { happened: false }, move |number| {
            number >= nth
        });
        sim.start(worker, BatchPolicy::default(), items(4));
        sim.run();
        let told = |id: u64, is_recorded: bool| {
            sim.workers[worker].events.iter().any(|(_, event)| {
                let BatchEvent::Item { change, .. } = event else {
                    return false;
                };
                match change {
                    ItemChange::Created(task) => is_recorded && task.get() == id,
                    ItemChange::Unrecorded(task) => !is_recorded && task.get() == id,
                    _ => false,
                }
            })
        };
        for id in (1..).take(sim.service.tasks.len()) {
            let is_kept = told(id, false) && sim.spilled().contains(&id);
            assert!(
                told(id, true) || is_kept,
                "{spill_fates:?}, {nth}: nobody hears of task {id}"
            );
            late += usize::from(is_kept);
        }
    }
    assert!(late > 5, "only {late} tasks of a broken ledger");
}

#[test]
fn frozen_worker_that_is_taken_over_sends_nothing_more() {
    for moment in (0..40).map(|tenth| millis(tenth * 100)) {
        let mut sim = Sim::new(9);
        let first = sim.worker(Pacing::default());
        let second = sim.worker(Pacing::default());
        sim.start(first, BatchPolicy::default(), items(3));
        sim.run_until(moment);
        // Longer than the lease.
        sim.workers[first].frozen_until = moment + secs(45);
        sim.start(second, BatchPolicy::default(), items(3));
        sim.run();
        check(&sim, 3);
    }
}

#[test]
fn control_a_ledger_that_forgets_intents_is_caught() {
    let caught = std::panic::catch_unwind(|| {
        for step in 1..60 {
            run(1, |sim| {
                sim.set_fates(|worker, _, ops| {
                    let intends = |op: &LedgerOp| matches!(op, LedgerOp::Intend { .. });
                    if worker == 0 && ops.iter().any(intends) {
                        Fate::Forgotten
                    } else {
                        Fate::Answered
                    }
                });
                sim.kill = Box::new(move |worker, number| worker == 0 && number == step);
                Box::new(|_| true)
            });
        }
    });
    let panic = caught.expect_err("nothing was noticed");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(
        text.contains("was sent at") || text.contains("is lost"),
        "{text}"
    );
}
