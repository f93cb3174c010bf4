//! The heap that an item of the ledger in memory takes beyond its strings, in each state.
//!
//! `PAN123_LEDGER_ITEMS=1000000 cargo test --release -p pan123-tests --test apart memory::ledger -- --nocapture` measures so many
//! items, by default 20,000.

use std::time::{Duration, SystemTime};

use pan123_proto::ledger::{
    Ending, Fence, ItemId, ItemKey, Ledger, LedgerAnswer, LedgerOp, MemoryLedger, NewItem,
    OpenLedger, Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

use super::assert_passes_alone;

const MAX_BYTES: usize = 400;

/// Operations in a transaction.
const GROUP: usize = 1000;

const DELAY: Duration = Duration::from_secs(3600);

const REASON: &str = "the service says that the link has expired";

#[test]
fn item_of_the_ledger_takes_little_in_each_state() {
    assert_passes_alone("memory::ledger::each_state");
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn each_state() {
    let given = std::env::var("PAN123_LEDGER_ITEMS");
    let items = given.map_or(20_000, |items| items.parse().unwrap());
    let builder = dhat::Profiler::builder().testing();
    let profiler = builder.trim_backtraces(Some(1)).build();
    let mut ledger = Measured::new();

    ledger.add(items);
    ledger.check("queued");

    ledger.reason = REASON;
    ledger.claim_each(|item, fence| LedgerOp::Withdraw {
        item,
        fence,
        reason: REASON.to_owned(),
        delay: DELAY,
        window_full: false,
    });
    ledger.check("queued with a delay");

    ledger.now += DELAY;
    ledger.claim_each(|item, fence| LedgerOp::Doubt {
        item,
        fence,
        candidates: vec![task(item)],
        reason: REASON.to_owned(),
    });
    ledger.check("unconfirmed with a candidate");

    // Each was claimed twice, in this order.
    ledger.reason = "";
    ledger.each(|item| LedgerOp::Created {
        item,
        fence: Fence(items as u64 + item.0),
        task: task(item),
    });
    ledger.check("running");

    ledger.reason = REASON;
    ledger.each(|item| LedgerOp::End {
        item,
        task: task(item),
        ending: Ending::Failed(REASON.to_owned()),
    });
    ledger.check("failed");
    drop(profiler);
}

/// A ledger and what is in it.
struct Measured {
    ledger: Box<dyn OpenLedger>,
    now: SystemTime,
    items: usize,
    /// The bytes of all keys and URLs.
    strings: usize,
    /// That of each item.
    reason: &'static str,
    /// The heap without the items.
    empty: usize,
}

impl Measured {
    fn new() -> Measured {
        let account = Account::new("https://open-api.123pan.com", "client-id");
        let ledger = MemoryLedger::new().open(&account);
        Measured {
            ledger: ledger.expect("a new one opens"),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000),
            items: 0,
            strings: 0,
            reason: "",
            empty: heap(),
        }
    }

    fn add(&mut self, items: usize) {
        for first in (0..items).step_by(GROUP) {
            let numbers = first..items.min(first + GROUP);
            let added = numbers.map(|number| {
                let key = format!("row-{number}");
                let url = format!("https://example.com/files/archive-{number:08}.tar.zst");
                self.strings += key.len() + url.len();
                let key = ItemKey::new(key).expect("a key");
                NewItem::new(key, Download::new(url).expect("a URL"))
            });
            let added = LedgerOp::Add(added.collect());
            self.ask(vec![added]);
        }
        self.items = items;
    }

    /// Claims each item, and asks this of it.
    fn claim_each(&mut self, op: impl Fn(ItemId, Fence) -> LedgerOp) {
        let claim = LedgerOp::Claim {
            create: GROUP,
            follow: 0,
        };
        let mut count = 0;
        while count < self.items {
            let answer = self.ask(vec![claim.clone()]).pop();
            let Some(LedgerAnswer::Claimed(claimed)) = answer else {
                panic!("{answer:?}");
            };
            let claims = claimed.to_create.iter();
            let ops: Vec<_> = claims.map(|(id, item)| op(*id, item.fence)).collect();
            count += ops.len();
            assert!(!ops.is_empty(), "{count} of {} claimed", self.items);
            self.ask_all_done(ops);
        }
    }

    /// Asks this of each item.
    fn each(&mut self, op: impl Fn(ItemId) -> LedgerOp) {
        let ids: Vec<_> = (1..=self.items as u64).map(ItemId).collect();
        for group in ids.chunks(GROUP) {
            self.ask_all_done(group.iter().copied().map(&op).collect());
        }
    }

    fn ask_all_done(&mut self, ops: Vec<LedgerOp>) {
        let answers = self.ask(ops);
        let is_done = |answer| matches!(answer, LedgerAnswer::Done);
        assert!(answers.into_iter().all(is_done), "an operation was refused");
    }

    fn ask(&mut self, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
        let transaction = Transaction::new(self.now, ops);
        self.ledger.run(transaction).expect("memory answers")
    }

    fn check(&self, state: &str) {
        let all = (heap() - self.empty) / self.items;
        let strings = self.strings / self.items + self.reason.len();
        let own = all.saturating_sub(strings);
        println!(
            "{} items, {state}: {own} bytes each beyond {strings} of strings",
            self.items
        );
        assert!(own < MAX_BYTES, "{state}: {own} bytes");
        assert!(own > 100, "{state}: {own} bytes, so not all was counted");
    }
}

fn task(item: ItemId) -> TaskId {
    TaskId::new(item.0).expect("no zero")
}

fn heap() -> usize {
    dhat::HeapStats::get().curr_bytes
}
