//! A ledger answers as the one in memory does, whatever is asked.

use std::time::Duration;

use fastrand::Rng;
use pan123_proto::FileId;
use pan123_proto::ledger::{
    Ending, Fence, ItemId, ItemKey, ItemState, Ledger, LedgerAnswer, LedgerOp, ListItems,
    MemoryLedger, OpenLedger, Transaction, Verdict,
};

use super::workers::end;
use super::{account, at, item, task};

const STEPS: usize = 300;

/// What the operations may name: few things, so that they meet.
struct Names {
    random: Rng,
    claims: Vec<(ItemId, Fence)>,
}

impl Names {
    fn key(&mut self) -> ItemKey {
        item(self.random.usize(0..8)).key
    }

    fn claim(&mut self) -> (ItemId, Fence) {
        let from = self.claims.len().saturating_sub(4);
        let recent = self.random.choice(&self.claims[from..]);
        recent.copied().unwrap_or((ItemId(1), Fence(1)))
    }

    fn task(&mut self) -> pan123_proto::TaskId {
        task(self.random.u64(1..20))
    }

    fn op(&mut self) -> LedgerOp {
        let (item_id, fence) = self.claim();
        let key = self.key();
        let delay = Duration::from_secs(self.random.u64(0..3) * 20);
        let reason = "a reason".to_owned();
        match self.random.u8(0..26) {
            0..=2 => LedgerOp::Add((0..3).map(|_| item(self.random.usize(0..8))).collect()),
            3..=5 => LedgerOp::Claim {
                create: self.random.usize(0..4),
                follow: self.random.usize(0..4),
            },
            6..=8 => LedgerOp::Intend {
                item: item_id,
                fence,
            },
            9 => LedgerOp::Withdraw {
                item: item_id,
                fence,
                reason,
                delay,
                window_full: self.random.bool(),
            },
            10 => LedgerOp::Reject {
                item: item_id,
                fence,
                reason,
            },
            11..=12 => LedgerOp::Created {
                item: item_id,
                fence,
                task: task(fence.0 + 1),
            },
            13 => LedgerOp::Doubt {
                item: item_id,
                fence,
                candidates: vec![self.task(), self.task()],
                reason,
            },
            14 => LedgerOp::End {
                item: item_id,
                task: task(fence.0 + 1),
                ending: match self.random.u8(0..3) {
                    0 => Ending::Succeeded(FileId::new(9).ok()),
                    1 => Ending::Failed(reason),
                    _ => Ending::Again(reason, delay),
                },
            },
            15 => LedgerOp::Beat,
            16 => LedgerOp::Hold(vec![item_id]),
            17 => LedgerOp::Notice {
                key,
                file: FileId::new(8).ok(),
                reason: self.random.bool().then_some(reason),
            },
            18 => LedgerOp::Settle {
                key,
                verdict: match self.random.u8(0..4) {
                    0 => Verdict::Was(self.task()),
                    1 => Verdict::Found(FileId::new(7).expect("no zero")),
                    2 => Verdict::SendAgain,
                    _ => Verdict::Drop,
                },
            },
            19 => LedgerOp::Edit(key, Box::new(item(self.random.usize(0..50)).download)),
            20 => LedgerOp::Pause(key),
            21 => LedgerOp::Resume(key),
            22 => LedgerOp::Move(key, self.random.bool()),
            23 => LedgerOp::Remove(key),
            24 => LedgerOp::Hide(key),
            _ => LedgerOp::Counts,
        }
    }
}

fn lists() -> Vec<LedgerOp> {
    let all = ListItems::first(100).with_hidden();
    let of_states = ItemState::ALL.map(|state| ListItems::first(3).state(state));
    let after = of_states.map(|list| list.after(ItemId(2)).with_hidden());
    let lists = [all, ListItems::first(2)].into_iter();
    lists
        .chain(of_states)
        .chain(after)
        .map(LedgerOp::List)
        .collect()
}

pub(crate) fn assert_answers_as_memory(ledger: &dyn Ledger, seed: u64) {
    let memory = MemoryLedger::new();
    let open = |ledger: &dyn Ledger| ledger.open(&account()).unwrap();
    let mut workers: Vec<[Box<dyn OpenLedger>; 2]> =
        (0..3).map(|_| [open(ledger), open(&memory)]).collect();
    let mut names = Names {
        random: Rng::with_seed(seed),
        claims: Vec::new(),
    };
    let mut seconds = 0;
    for step in 0..STEPS {
        seconds += [0, 1, 5, 20][names.random.usize(0..4)];
        let worker = names.random.usize(0..workers.len());
        if names.random.u8(0..40) == 0 {
            // It ends, and another one begins.
            end(workers.remove(worker));
            workers.push([open(ledger), open(&memory)]);
            continue;
        }
        let ops: Vec<_> = (0..=names.random.usize(0..3)).map(|_| names.op()).collect();
        let lists = if step % 5 == 0 { lists() } else { Vec::new() };
        let ops = [ops, lists].concat();
        let [in_ledger, in_memory] = &mut workers[worker];
        let ask = |ledger: &mut Box<dyn OpenLedger>| {
            ledger.run(Transaction::new(at(seconds), ops.clone()))
        };
        let (found, expected) = (ask(in_ledger), ask(in_memory));
        let (found, expected) = (found.unwrap(), expected.unwrap());
        for ((op, found), expected) in ops.iter().zip(&found).zip(&expected) {
            assert_eq!(found, expected, "seed {seed}, step {step}: {op:?}");
            if let LedgerAnswer::Claimed(claimed) = found {
                let claims = claimed.to_create.iter();
                let claims = claims.map(|(id, item)| (*id, item.fence));
                names.claims.extend(claims);
            }
        }
    }
    assert!(names.claims.len() > 20, "seed {seed}: little happens");
}
