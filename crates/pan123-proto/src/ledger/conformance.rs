//! What every ledger must do, as a suite: run it on a ledger of your own in a test.
//!
//! ```
//! use pan123_proto::ledger::{MemoryLedger, conformance};
//!
//! // A new and empty ledger for each case.
//! conformance::run(&mut || Box::new(MemoryLedger::new()));
//! ```
//!
//! A failed check panics, and tells the case. The suite brings its own time; a ledger's lease must be 30 s, the default of those here.

#![allow(
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "a suite of tests: it panics as tests do, and its tables are long"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::{
    Claimed, Counts, Ending, Fence, Item, ItemId, ItemKey, ItemState, Ledger, LedgerAnswer,
    LedgerOp, ListItems, NewItem, Notice, OpenLedger, Refusal, Transaction, Verdict,
};
use crate::api::offline::Download;
use crate::ids::{FileId, TaskId};
use crate::machine::token_store::Account;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The lease that the suite takes for given.
const LEASE: Duration = Duration::from_secs(30);

/// Returns a new and empty ledger.
pub type Fresh<'a> = &'a mut dyn FnMut() -> Box<dyn Ledger>;

/// Runs the whole suite.
pub fn run(fresh: Fresh<'_>) {
    transitions(fresh);
    fences(fresh);
    takeovers(fresh);
    adding(fresh);
    queue(fresh);
    window(fresh);
    notices(fresh);
    random(fresh, 0..20);
}

/// Handles of two workers on one ledger, and a time.
struct Case {
    ledger: Box<dyn Ledger>,
    a: Box<dyn OpenLedger>,
    b: Box<dyn OpenLedger>,
    now: SystemTime,
    name: String,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    A,
    B,
}

fn account() -> Account {
    Account::new("https://open-api.123pan.com", "conformance")
}

fn key(number: u64) -> ItemKey {
    ItemKey::new(format!("item-{number}")).expect("a key")
}

fn download(number: u64) -> Download {
    Download::new(format!("https://example.com/{number}")).expect("a URL")
}

fn new_item(number: u64) -> NewItem {
    NewItem::new(key(number), download(number))
}

fn task(number: u64) -> TaskId {
    TaskId::new(number).expect("a task id")
}

fn file(number: u64) -> FileId {
    FileId::new(number).expect("a file id")
}

impl Case {
    fn new(fresh: Fresh<'_>, name: impl Into<String>) -> Case {
        let ledger = fresh();
        let open = || ledger.open(&account()).expect("a new ledger opens");
        let (a, b) = (open(), open());
        let mut case = Case {
            ledger,
            a,
            b,
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000),
            name: name.into(),
        };
        case.ask(By::A, LedgerOp::Beat);
        case.ask(By::B, LedgerOp::Beat);
        case
    }

    fn ask_all(&mut self, by: By, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
        let count = ops.len();
        let handle = match by {
            By::A => &mut self.a,
            By::B => &mut self.b,
        };
        let answers = handle.run(Transaction::new(self.now, ops));
        let answers = answers.unwrap_or_else(|fault| panic!("{}: {fault}", self.name));
        assert_eq!(answers.len(), count, "{}: an answer for each", self.name);
        answers
    }

    fn ask(&mut self, by: By, op: LedgerOp) -> LedgerAnswer {
        self.ask_all(by, vec![op]).remove(0)
    }

    /// Asks twice, as one does whose first answer was lost. The second answer must be the same.
    fn ask_twice(&mut self, by: By, op: LedgerOp) -> LedgerAnswer {
        let first = self.ask(by, op.clone());
        let before = self.items();
        let second = self.ask(by, op.clone());
        assert_eq!(first, second, "{}: {op:?} asked again", self.name);
        assert_eq!(before, self.items(), "{}: {op:?} asked again", self.name);
        first
    }

    fn claim(&mut self, by: By, create: usize) -> Claimed {
        let op = LedgerOp::Claim {
            create,
            follow: 100,
        };
        match self.ask(by, op) {
            LedgerAnswer::Claimed(claimed) => claimed,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// Claims the only item. Returns its id and fence.
    fn claim_one(&mut self, by: By) -> (ItemId, Fence) {
        let claimed = self.claim(by, 1);
        let [(id, item)] = &claimed.to_create[..] else {
            panic!("{}: {claimed:?}", self.name);
        };
        assert_eq!(item.state, ItemState::Claimed, "{}", self.name);
        (*id, item.fence)
    }

    fn items(&mut self) -> Vec<(ItemId, Item)> {
        let list = LedgerOp::List(ListItems::first(1000).with_hidden());
        match self.ask(By::B, list) {
            LedgerAnswer::Page(page) => page,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    fn item(&mut self) -> Option<Item> {
        self.items().pop().map(|(_, item)| item)
    }

    fn counts(&mut self) -> Counts {
        match self.ask(By::B, LedgerOp::Counts) {
            LedgerAnswer::Counts(counts) => counts,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// The totals must be what a list says.
    fn check_counts(&mut self) {
        let items = self.items();
        let counts = self.counts();
        for state in ItemState::ALL {
            let count = items.iter().filter(|(_, item)| item.state == state).count();
            assert_eq!(counts.of(state), count as u64, "{}: {state}", self.name);
        }
    }

    fn wait(&mut self, by: Duration) {
        self.now += by;
    }
}

/// An item in a state, after an earlier claim that was withdrawn.
struct Placed {
    id: ItemId,
    /// Of the earlier claim.
    old: Fence,
    /// Of the claim that led to the state.
    fence: Fence,
}

fn place(case: &mut Case, state: ItemState) -> Placed {
    case.ask(By::A, LedgerOp::Add(vec![new_item(1)]));
    let (id, old) = case.claim_one(By::A);
    case.ask_all(
        By::A,
        vec![
            LedgerOp::Intend {
                item: id,
                fence: old,
            },
            withdraw(id, old),
        ],
    );
    let mut placed = Placed {
        id,
        old,
        fence: old,
    };
    if state == ItemState::Queued {
        return placed;
    }
    if state == ItemState::Paused {
        case.ask(By::A, LedgerOp::Pause(key(1)));
        return placed;
    }
    let (_, fence) = case.claim_one(By::A);
    placed.fence = fence;
    let intend = LedgerOp::Intend { item: id, fence };
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(1),
    };
    let ending = Ending::Succeeded(None);
    let ops = match state {
        ItemState::Intended => vec![intend],
        ItemState::Running => vec![intend, created],
        ItemState::Unconfirmed => vec![intend, doubt(id, fence)],
        ItemState::Succeeded => vec![
            intend,
            created,
            LedgerOp::End {
                item: id,
                task: task(1),
                ending,
            },
        ],
        ItemState::Failed => vec![intend, reject(id, fence)],
        ItemState::Dropped => vec![intend, doubt(id, fence), settle(Verdict::Drop)],
        _ => vec![],
    };
    if !ops.is_empty() {
        case.ask_all(By::A, ops);
    }
    let found = case.item().map(|item| item.state);
    assert_eq!(found, Some(state), "{}: it can be brought there", case.name);
    placed
}

fn withdraw(item: ItemId, fence: Fence) -> LedgerOp {
    LedgerOp::Withdraw {
        item,
        fence,
        reason: "it never left".to_owned(),
        delay: Duration::ZERO,
        window_full: false,
    }
}

fn reject(item: ItemId, fence: Fence) -> LedgerOp {
    let reason = "it was rejected".to_owned();
    LedgerOp::Reject {
        item,
        fence,
        reason,
    }
}

fn doubt(item: ItemId, fence: Fence) -> LedgerOp {
    LedgerOp::Doubt {
        item,
        fence,
        candidates: Vec::new(),
        reason: "its response was lost".to_owned(),
    }
}

fn settle(verdict: Verdict) -> LedgerOp {
    LedgerOp::Settle {
        key: key(1),
        verdict,
    }
}

/// Every operation on an item in every state: its answer, asked once and twice, and the state after it.
pub fn transitions(fresh: Fresh<'_>) {
    for state in ItemState::ALL {
        for (name, op, becomes) in operations() {
            let mut case = Case::new(fresh, format!("{name} on a {state} item"));
            let placed = place(&mut case, state);
            case.wait(Duration::from_secs(3600));
            case.ask(By::A, LedgerOp::Beat);
            case.ask(By::B, LedgerOp::Beat);
            // The worker that was quiet for an hour was not taken over: nobody claimed anything.
            let op = op(&placed);
            // A new place, and an item that is gone, are others when it is asked again.
            let answer = match op {
                LedgerOp::Move(..) | LedgerOp::Remove(_) => case.ask(By::A, op),
                op => case.ask_twice(By::A, op),
            };
            let after = case.item().map(|item| item.state);
            let expected = becomes(state);
            let is_accepted = expected.is_some();
            let is_done = matches!(answer, LedgerAnswer::Done);
            assert_eq!(is_done, is_accepted, "{}: {answer:?}", case.name);
            match expected {
                Some(Some(expected)) => assert_eq!(after, Some(expected), "{}", case.name),
                Some(None) => assert_eq!(after, None, "{}", case.name),
                None => assert_eq!(after, Some(state), "{}", case.name),
            }
            case.check_counts();
        }
    }
}

/// Makes an operation on an item.
type Op = fn(&Placed) -> LedgerOp;
/// The state that it leads to; none if it is not accepted. An item that is removed has no state.
type Becomes = fn(ItemState) -> Option<Option<ItemState>>;

/// Each operation, and the state that it leads to.
fn operations() -> Vec<(&'static str, Op, Becomes)> {
    use ItemState::{
        Claimed, Dropped, Failed, Intended, Paused, Queued, Running, Succeeded, Unconfirmed,
    };
    vec![
        (
            "Intend",
            |p| LedgerOp::Intend {
                item: p.id,
                fence: p.fence,
            },
            |state| match state {
                Claimed | Intended => Some(Some(Intended)),
                _ => None,
            },
        ),
        (
            "Withdraw",
            |p| withdraw(p.id, p.fence),
            |state| match state {
                Queued | Claimed | Intended | Unconfirmed => Some(Some(Queued)),
                _ => None,
            },
        ),
        (
            "Reject",
            |p| reject(p.id, p.fence),
            |state| match state {
                Claimed | Intended | Unconfirmed | Failed => Some(Some(Failed)),
                _ => None,
            },
        ),
        (
            "Created",
            |p| LedgerOp::Created {
                item: p.id,
                fence: p.fence,
                task: task(1),
            },
            |state| match state {
                // A task that exists counts, whatever was said before.
                Queued | Claimed | Intended | Unconfirmed | Running => Some(Some(Running)),
                Succeeded => Some(Some(Succeeded)),
                _ => None,
            },
        ),
        (
            "Doubt",
            |p| doubt(p.id, p.fence),
            |state| match state {
                Claimed | Intended | Unconfirmed => Some(Some(Unconfirmed)),
                _ => None,
            },
        ),
        (
            "End",
            |p| LedgerOp::End {
                item: p.id,
                task: task(1),
                ending: Ending::Succeeded(Some(file(5))),
            },
            |state| match state {
                Running | Succeeded => Some(Some(Succeeded)),
                _ => None,
            },
        ),
        (
            "End, to be sent again",
            |p| LedgerOp::End {
                item: p.id,
                task: task(1),
                ending: Ending::Again("it failed".to_owned(), Duration::from_secs(60)),
            },
            |state| match state {
                Running => Some(Some(Queued)),
                Succeeded => Some(Some(Succeeded)),
                _ => None,
            },
        ),
        (
            "Settle as a task",
            |_| settle(Verdict::Was(task(1))),
            |state| match state {
                Unconfirmed | Running => Some(Some(Running)),
                Succeeded => Some(Some(Succeeded)),
                _ => None,
            },
        ),
        (
            "Settle as a file",
            |_| settle(Verdict::Found(file(5))),
            |state| (state == Unconfirmed).then_some(Some(Succeeded)),
        ),
        (
            "Settle as not sent",
            |_| settle(Verdict::SendAgain),
            |state| match state {
                Unconfirmed | Queued => Some(Some(Queued)),
                _ => None,
            },
        ),
        (
            "Settle as given up",
            |_| settle(Verdict::Drop),
            |state| matches!(state, Unconfirmed | Dropped).then_some(Some(Dropped)),
        ),
        (
            "Edit",
            |_| LedgerOp::Edit(key(1), Box::new(download(2))),
            |state| match state {
                Claimed => Some(Some(Queued)),
                Queued | Paused => Some(Some(state)),
                _ => None,
            },
        ),
        (
            "Move",
            |_| LedgerOp::Move(key(1), false),
            |state| match state {
                Claimed => Some(Some(Queued)),
                Queued | Paused => Some(Some(state)),
                _ => None,
            },
        ),
        (
            "Remove",
            |_| LedgerOp::Remove(key(1)),
            |state| {
                let may = matches!(state, Queued | Paused | Claimed) || state.is_ended();
                may.then_some(None)
            },
        ),
        (
            "Pause",
            |_| LedgerOp::Pause(key(1)),
            |state| matches!(state, Queued | Paused | Claimed).then_some(Some(Paused)),
        ),
        (
            "Resume",
            |_| LedgerOp::Resume(key(1)),
            |state| matches!(state, Queued | Paused | Claimed).then_some(Some(Queued)),
        ),
        (
            "Hide",
            |_| LedgerOp::Hide(key(1)),
            |state| state.is_ended().then_some(Some(state)),
        ),
    ]
}

/// A claim that is over can do nothing, and a claim can do each thing once.
pub fn fences(fresh: Fresh<'_>) {
    let old: [(&str, Op); 4] = [
        ("Intend", |p| LedgerOp::Intend {
            item: p.id,
            fence: p.old,
        }),
        ("Withdraw", |p| withdraw(p.id, p.old)),
        ("Reject", |p| reject(p.id, p.old)),
        ("Doubt", |p| doubt(p.id, p.old)),
    ];
    for state in [ItemState::Claimed, ItemState::Intended, ItemState::Running] {
        for (name, op) in old {
            let name = format!("{name} of an earlier claim on a {state} item");
            let mut case = Case::new(fresh, name);
            let placed = place(&mut case, state);
            let before = case.items();
            let answer = case.ask_twice(By::A, op(&placed));
            assert_eq!(answer, LedgerAnswer::Lost, "{}", case.name);
            assert_eq!(before, case.items(), "{}", case.name);
        }
    }
    // An item that nobody has claimed has no claim.
    for (name, op) in old {
        let mut case = Case::new(fresh, format!("{name} of no claim"));
        case.ask(By::A, LedgerOp::Add(vec![new_item(1)]));
        let before = case.items();
        let none = Fence::default();
        let placed = Placed {
            id: before[0].0,
            old: none,
            fence: none,
        };
        let answer = case.ask_twice(By::A, op(&placed));
        assert_eq!(answer, LedgerAnswer::Lost, "{}", case.name);
        assert_eq!(before, case.items(), "{}", case.name);
    }
    // A task of an earlier claim is kept aside, and told.
    let mut case = Case::new(fresh, "Created of an earlier claim");
    let placed = place(&mut case, ItemState::Running);
    let Placed { id, old, .. } = placed;
    let created = LedgerOp::Created {
        item: id,
        fence: old,
        task: task(9),
    };
    assert_eq!(
        case.ask(By::B, created),
        LedgerAnswer::Stray,
        "{}",
        case.name
    );
    let item = case.item().expect("an item");
    assert_eq!(item.task, Some(task(1)), "{}", case.name);
    assert!(
        item.other_tasks.contains(&task(9)),
        "{}: {item:?}",
        case.name
    );

    // What somebody has taken back is not sent.
    let takes_back: [fn() -> LedgerOp; 4] = [
        || LedgerOp::Edit(key(1), Box::new(download(2))),
        || LedgerOp::Pause(key(1)),
        || LedgerOp::Move(key(1), true),
        || LedgerOp::Remove(key(1)),
    ];
    for op in takes_back {
        let mut case = Case::new(fresh, format!("Intend after {:?}", op()));
        let Placed { id, fence, .. } = place(&mut case, ItemState::Claimed);
        assert_eq!(case.ask(By::B, op()), LedgerAnswer::Done, "{}", case.name);
        let intend = LedgerOp::Intend { item: id, fence };
        assert_eq!(
            case.ask_twice(By::A, intend),
            LedgerAnswer::Lost,
            "{}",
            case.name
        );
        case.check_counts();
    }

    // What somebody has settled stays settled.
    for verdict in [Verdict::Drop, Verdict::Found(file(5)), Verdict::SendAgain] {
        let mut case = Case::new(fresh, format!("after {verdict:?}"));
        let Placed { id, fence, .. } = place(&mut case, ItemState::Unconfirmed);
        case.wait(Duration::from_secs(3600));
        assert_eq!(
            case.ask(By::B, settle(verdict)),
            LedgerAnswer::Done,
            "{}",
            case.name
        );
        let settled = case.item().expect("an item");
        assert_eq!(
            case.ask(By::A, withdraw(id, fence)),
            LedgerAnswer::Lost,
            "{}",
            case.name
        );
        assert_eq!(Some(&settled), case.item().as_ref(), "{}", case.name);
        let created = LedgerOp::Created {
            item: id,
            fence,
            task: task(9),
        };
        assert_eq!(
            case.ask(By::A, created),
            LedgerAnswer::Stray,
            "{}",
            case.name
        );
        let item = case.item().expect("an item");
        assert_eq!(item.state, settled.state, "{}", case.name);
        assert!(
            item.other_tasks.contains(&task(9)),
            "{}: {item:?}",
            case.name
        );
    }
    let mut case = Case::new(fresh, "Created after Remove");
    let Placed { id, fence, .. } = place(&mut case, ItemState::Dropped);
    let removed = case.ask(By::B, LedgerOp::Remove(key(1)));
    assert_eq!(removed, LedgerAnswer::Done, "{}", case.name);
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(9),
    };
    let answer = case.ask_twice(By::A, created);
    assert_eq!(answer, LedgerAnswer::Stray, "{}", case.name);
    case.check_counts();

    let mut case = Case::new(fresh, "SendAgain right after the intent");
    place(&mut case, ItemState::Unconfirmed);
    let early = case.ask(By::B, settle(Verdict::SendAgain));
    let is_early = matches!(early, LedgerAnswer::Refused(Refusal::TooEarly(_)));
    assert!(is_early, "{}: {early:?}", case.name);
    let unknown = LedgerOp::Settle {
        key: key(7),
        verdict: Verdict::Drop,
    };
    let refused = LedgerAnswer::Refused(Refusal::Unknown);
    assert_eq!(case.ask(By::B, unknown), refused, "{}", case.name);
}

/// What becomes of the items of a worker that is gone, or seems to be.
pub fn takeovers(fresh: Fresh<'_>) {
    use ItemState::{Claimed, Intended, Running};
    for is_frozen in [false, true] {
        for state in [Claimed, Intended, Running] {
            let how = if is_frozen { "frozen" } else { "gone" };
            let mut case = Case::new(fresh, format!("{state} item of a worker that is {how}"));
            let Placed { id, fence, .. } = place(&mut case, state);
            let none = case.claim(By::B, 10);
            let is_left = none.to_create.is_empty() && none.to_follow.is_empty();
            assert!(
                is_left && none.unconfirmed.is_empty(),
                "{}: {none:?}",
                case.name
            );
            if is_frozen {
                case.wait(LEASE + Duration::from_secs(1));
                case.ask(By::B, LedgerOp::Beat);
            } else {
                case.a = case.ledger.open(&account()).expect("it opens again");
            }
            let taken = case.claim(By::B, 10);
            let ids =
                |items: &[(ItemId, Item)]| items.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            let found = [&taken.to_create, &taken.unconfirmed, &taken.to_follow].map(|v| ids(v));
            let expected = [Claimed, Intended, Running]
                .map(|taken| if taken == state { vec![id] } else { Vec::new() });
            assert_eq!(found, expected, "{}", case.name);
            case.check_counts();
            // The worker comes back.
            match state {
                Claimed => {
                    let intend = LedgerOp::Intend { item: id, fence };
                    assert_eq!(case.ask(By::A, intend), LedgerAnswer::Lost, "{}", case.name);
                }
                Intended => {
                    let created = LedgerOp::Created {
                        item: id,
                        fence,
                        task: task(1),
                    };
                    let answer = case.ask_twice(By::A, created);
                    assert_eq!(answer, LedgerAnswer::Done, "{}", case.name);
                    assert_eq!(case.item().map(|item| item.state), Some(Running));
                }
                _ => {
                    let end = |ending| LedgerOp::End {
                        item: id,
                        task: task(1),
                        ending,
                    };
                    let again = || Ending::Again("it failed".to_owned(), Duration::ZERO);
                    let theirs = case.ask(By::B, end(again()));
                    assert_eq!(theirs, LedgerAnswer::Done, "{}", case.name);
                    // It was told by somebody else already.
                    let late = case.ask(By::A, end(again()));
                    assert_eq!(late, LedgerAnswer::Lost, "{}", case.name);
                }
            }
            if is_frozen {
                let answer = case.ask(By::A, LedgerOp::Beat);
                assert_eq!(answer, LedgerAnswer::Lost, "{}: it is told", case.name);
                let answer = case.ask(By::A, LedgerOp::Beat);
                assert_eq!(answer, LedgerAnswer::Beaten(Vec::new()), "{}", case.name);
            }
            case.check_counts();
        }
    }
    let mut case = Case::new(fresh, "Withdraw after a takeover");
    let Placed { id, fence, .. } = place(&mut case, ItemState::Intended);
    case.wait(LEASE + Duration::from_secs(1));
    case.ask(By::B, LedgerOp::Beat);
    case.claim(By::B, 10);
    assert_eq!(
        case.ask(By::A, withdraw(id, fence)),
        LedgerAnswer::Done,
        "{}",
        case.name
    );
    assert_eq!(case.claim(By::B, 10).to_create.len(), 1, "{}", case.name);

    let mut case = Case::new(
        fresh,
        "a worker taken for dead that claims and does not beat",
    );
    place(&mut case, ItemState::Claimed);
    case.wait(LEASE + Duration::from_secs(1));
    case.ask(By::B, LedgerOp::Beat);
    let (item, fence) = case.claim_one(By::B);
    case.ask(By::B, withdraw(item, fence));
    case.claim_one(By::A);
    // Else nobody could ever claim it.
    assert_eq!(case.claim(By::B, 10).to_create.len(), 1, "{}", case.name);

    let mut case = Case::new(fresh, "a worker that is frozen while the clock is set back");
    place(&mut case, ItemState::Running);
    case.now -= Duration::from_secs(3600);
    case.ask(By::B, LedgerOp::Beat);
    assert!(case.claim(By::B, 0).to_follow.is_empty(), "{}", case.name);
    case.wait(LEASE + Duration::from_secs(1));
    case.ask(By::B, LedgerOp::Beat);
    assert_eq!(case.claim(By::B, 0).to_follow.len(), 1, "{}", case.name);

    let mut case = Case::new(fresh, "Hold gives the rest back");
    place(&mut case, ItemState::Claimed);
    case.ask(By::A, LedgerOp::Hold(Vec::new()));
    assert_eq!(case.claim(By::B, 10).to_create.len(), 1, "{}", case.name);
}

/// Adding and importing.
pub fn adding(fresh: Fresh<'_>) {
    let mut case = Case::new(fresh, "Add");
    let twice = LedgerOp::Add(vec![new_item(1), new_item(2), new_item(1)]);
    assert_eq!(
        case.ask(By::A, twice),
        LedgerAnswer::Added(2),
        "{}",
        case.name
    );
    let again = LedgerOp::Add(vec![new_item(2), new_item(3)]);
    assert_eq!(
        case.ask(By::B, again),
        LedgerAnswer::Added(1),
        "{}",
        case.name
    );
    case.check_counts();

    let mut case = Case::new(fresh, "Import");
    let items: Vec<Item> = (1..)
        .zip(ItemState::ALL)
        .map(|(number, state)| {
            let mut item = Item::new(key(number), download(number));
            item.state = state;
            item.task = Some(task(number));
            item.fence = Fence(99);
            item.hidden = true;
            item.intended_at = u64::MAX;
            item
        })
        .collect();
    let count = items.len();
    let import = LedgerOp::Import(items);
    assert_eq!(
        case.ask(By::A, import.clone()),
        LedgerAnswer::Added(count),
        "{}",
        case.name
    );
    assert_eq!(
        case.ask(By::A, import),
        LedgerAnswer::Added(0),
        "{}",
        case.name
    );
    for (number, (id, item)) in (1..).zip(case.items()) {
        let is_nobodys = !matches!(item.state, ItemState::Claimed | ItemState::Intended);
        assert!(is_nobodys, "{}: {item:?}", case.name);
        assert_eq!(
            item.hidden,
            item.state.is_ended(),
            "{}: {item:?}",
            case.name
        );
        let tasks = item.other_tasks.iter().copied().chain(item.task);
        assert_eq!(
            tasks.collect::<Vec<_>>(),
            [task(number)],
            "{}: {item:?}",
            case.name
        );
        let answer = case.ask(By::A, withdraw(id, Fence(99)));
        assert_eq!(answer, LedgerAnswer::Lost, "{}: {item:?}", case.name);
    }
    case.check_counts();
    assert_eq!(case.claim(By::B, 0).to_follow.len(), 1, "{}", case.name);
    case.wait(Duration::from_secs(3600));
    let intended = (1..)
        .zip(ItemState::ALL)
        .find(|(_, state)| *state == ItemState::Intended);
    let settle = LedgerOp::Settle {
        key: key(intended.expect("a state").0),
        verdict: Verdict::SendAgain,
    };
    assert_eq!(case.ask(By::B, settle), LedgerAnswer::Done, "{}", case.name);
    // A task that was known stays known, whatever it becomes.
    let claimed = case.claim(By::B, 10).to_create;
    for (id, item) in claimed {
        let known: Vec<_> = item.other_tasks.iter().copied().chain(item.task).collect();
        let fence = item.fence;
        let created = LedgerOp::Created {
            item: id,
            fence,
            task: task(100 + id.0),
        };
        let answers = case.ask_all(By::B, vec![LedgerOp::Intend { item: id, fence }, created]);
        assert_eq!(
            answers,
            [LedgerAnswer::Done, LedgerAnswer::Done],
            "{}",
            case.name
        );
        let items = case.items();
        let (_, now) = items
            .iter()
            .find(|(found, _)| *found == id)
            .expect("it is there");
        assert_eq!(now.other_tasks, known, "{}", case.name);
    }

    let mut case = Case::new(fresh, "Import of what no ledger has");
    let mut item = Item::new(key(1), download(1));
    item.file = Some(file(5));
    item.reason = Some("x".repeat(1000).into());
    item.not_before = u64::MAX;
    case.ask(By::A, LedgerOp::Import(vec![item]));
    let item = case.item().expect("an item");
    let length = item.reason.as_deref().map_or(0, str::len);
    let found = (item.file, length);
    assert_eq!(found, (None, Item::MAX_REASON), "{}", case.name);
    assert_eq!(case.claim(By::A, 10).next, Some(DAY), "{}", case.name);
    case.wait(DAY);
    case.ask(By::A, LedgerOp::Beat);
    assert_eq!(case.claim(By::A, 10).to_create.len(), 1, "{}", case.name);

    let mut case = Case::new(fresh, "Import of a running item whose task is not known");
    let mut item = Item::new(key(1), download(1));
    item.state = ItemState::Running;
    case.ask(By::A, LedgerOp::Import(vec![item]));
    let state = case.item().map(|item| item.state);
    assert_eq!(state, Some(ItemState::Unconfirmed), "{}", case.name);
    case.check_counts();
}

/// The order of the queue, and its delays.
pub fn queue(fresh: Fresh<'_>) {
    let mut case = Case::new(fresh, "the order of the queue");
    case.ask(By::A, LedgerOp::Add((1..=6).map(new_item).collect()));
    case.ask(By::A, LedgerOp::Move(key(5), true));
    case.ask(By::A, LedgerOp::Move(key(1), false));
    case.ask(By::A, LedgerOp::Pause(key(3)));
    let claimed = case.claim(By::A, 10).to_create;
    let keys: Vec<_> = claimed.iter().map(|(_, item)| item.key.clone()).collect();
    assert_eq!(keys, [5, 2, 4, 6, 1].map(key), "{}", case.name);

    let mut case = Case::new(fresh, "a delay");
    case.ask(By::A, LedgerOp::Add(vec![new_item(1)]));
    let (item, fence) = case.claim_one(By::A);
    let ops = vec![
        LedgerOp::Intend { item, fence },
        LedgerOp::Withdraw {
            item,
            fence,
            reason: "later".to_owned(),
            delay: Duration::from_secs(60),
            window_full: false,
        },
    ];
    case.ask_all(By::A, ops);
    let early = case.claim(By::B, 10);
    assert!(early.to_create.is_empty(), "{}: {early:?}", case.name);
    assert_eq!(early.next, Some(Duration::from_secs(60)), "{}", case.name);
    case.wait(Duration::from_secs(60));
    assert!(case.claim(By::B, 0).to_create.is_empty(), "{}", case.name);
    case.now -= Duration::from_secs(20);
    let back = case.claim(By::B, 10);
    assert!(back.to_create.is_empty(), "{}: {back:?}", case.name);
    assert_eq!(back.next, Some(Duration::from_secs(20)), "{}", case.name);
    case.wait(Duration::from_secs(20));
    assert_eq!(case.claim(By::A, 10).to_create.len(), 1, "{}", case.name);

    let mut case = Case::new(fresh, "a delay that is longer than a day");
    case.ask(By::A, LedgerOp::Add(vec![new_item(1)]));
    let (item, fence) = case.claim_one(By::A);
    let again = LedgerOp::Withdraw {
        item,
        fence,
        reason: "later".to_owned(),
        delay: Duration::MAX,
        window_full: false,
    };
    case.ask(By::A, again);
    let next = case.claim(By::B, 10).next;
    assert_eq!(next, Some(DAY), "{}", case.name);

    let mut case = Case::new(fresh, "a delay while the clock is set back");
    case.ask(By::A, LedgerOp::Add(vec![new_item(1)]));
    let (item, fence) = case.claim_one(By::A);
    let again = LedgerOp::Withdraw {
        item,
        fence,
        reason: "later".to_owned(),
        delay: Duration::from_secs(60),
        window_full: false,
    };
    case.ask(By::A, again);
    case.now -= 2 * DAY;
    assert_eq!(case.claim(By::A, 10).to_create.len(), 1, "{}", case.name);

    let mut case = Case::new(fresh, "pages");
    case.ask(By::A, LedgerOp::Add((1..=25).map(new_item).collect()));
    let mut wanted = ListItems::first(10).state(ItemState::Queued);
    let mut seen = Vec::new();
    loop {
        let LedgerAnswer::Page(page) = case.ask(By::A, LedgerOp::List(wanted)) else {
            panic!("{}: no page", case.name);
        };
        let Some((last, _)) = page.last() else { break };
        assert!(page.len() <= 10, "{}", case.name);
        wanted = wanted.after(*last);
        seen.extend(page.into_iter().map(|(id, _)| id));
    }
    assert!(
        seen.is_sorted() && seen.len() == 25,
        "{}: {seen:?}",
        case.name
    );
}

/// The window of running tasks.
pub fn window(fresh: Fresh<'_>) {
    let mut case = Case::new(fresh, "the window");
    case.ask(By::A, LedgerOp::Add((1..=20).map(new_item).collect()));
    let claimed = case.claim(By::A, 4).to_create;
    for (number, (item, data)) in (1..).zip(&claimed) {
        let (item, fence) = (*item, data.fence);
        let last = if number < 4 {
            LedgerOp::Created {
                item,
                fence,
                task: task(number),
            }
        } else {
            LedgerOp::Withdraw {
                item,
                fence,
                reason: "too many".to_owned(),
                delay: Duration::ZERO,
                window_full: true,
            }
        };
        case.ask_all(By::A, vec![LedgerOp::Intend { item, fence }, last]);
    }
    let limit = case.counts().window.limit;
    assert_eq!(limit, Some(3), "{}: the tasks that ran", case.name);
    assert_eq!(
        case.claim(By::B, 10).to_create.len(),
        0,
        "{}: it is full",
        case.name
    );
    case.wait(Duration::from_secs(31));
    case.ask_all(By::A, vec![LedgerOp::Beat]);
    let tried = case.claim(By::B, 10).to_create;
    assert_eq!(tried.len(), 1, "{}: one more is tried", case.name);
    let (item, fence) = (tried[0].0, tried[0].1.fence);
    let created = LedgerOp::Created {
        item,
        fence,
        task: task(9),
    };
    case.ask_all(By::B, vec![LedgerOp::Intend { item, fence }, created]);
    let limit = case.counts().window.limit;
    assert_eq!(limit, Some(4), "{}: it grows", case.name);
    let ending = Ending::Succeeded(None);
    case.ask(
        By::A,
        LedgerOp::End {
            item: claimed[0].0,
            task: task(1),
            ending,
        },
    );
    assert!(
        !case.claim(By::A, 10).to_create.is_empty(),
        "{}: a place is free",
        case.name
    );
    full_account(fresh);
}

/// The tasks of somebody else take up the account.
fn full_account(fresh: Fresh<'_>) {
    let refuse = |case: &mut Case| {
        case.ask(By::A, LedgerOp::Add((1..=3).map(new_item).collect()));
        let (item, fence) = case.claim_one(By::A);
        let refused = LedgerOp::Withdraw {
            item,
            fence,
            reason: "too many".to_owned(),
            delay: Duration::ZERO,
            window_full: true,
        };
        case.ask_all(By::A, vec![LedgerOp::Intend { item, fence }, refused]);
    };
    let tries = |case: &mut Case| {
        case.ask(By::A, LedgerOp::Beat);
        case.claim(By::A, 10).to_create.len()
    };

    let mut case = Case::new(fresh, "a try beyond the limit that gets no answer");
    refuse(&mut case);
    let limit = case.counts().window.limit.unwrap_or(u32::MAX);
    assert!(limit <= 1, "{}: {limit}", case.name);
    case.wait(Duration::from_secs(31));
    let (item, fence) = case.claim_one(By::A);
    let ops = vec![LedgerOp::Intend { item, fence }, doubt(item, fence)];
    case.ask_all(By::A, ops);
    assert_eq!(tries(&mut case), 0, "{}: at once", case.name);
    case.wait(Duration::from_secs(301));
    assert_eq!(tries(&mut case), 1, "{}: after a pause", case.name);
    assert_eq!(tries(&mut case), 0, "{}: one", case.name);

    let mut case = Case::new(fresh, "a refusal while the clock is set back");
    refuse(&mut case);
    case.now -= DAY;
    assert_eq!(tries(&mut case), 1, "{}", case.name);
}

/// Callbacks that any process receives.
pub fn notices(fresh: Fresh<'_>) {
    let mut case = Case::new(fresh, "a callback for a running item");
    let Placed { id, .. } = place(&mut case, ItemState::Running);
    let notice = LedgerOp::Notice {
        key: key(1),
        file: Some(file(5)),
        reason: Some("no such page".to_owned()),
    };
    let answer = case.ask(By::B, notice);
    let is_known = matches!(&answer, LedgerAnswer::Noticed(Some((found, _))) if *found == id);
    assert!(is_known, "{}: {answer:?}", case.name);
    let told = |file, reason: &str| Notice {
        item: id,
        file,
        reason: Some(reason.into()),
    };
    let first = told(Some(file(5)), "no such page");
    // Told until it is heard.
    let beaten = case.ask_twice(By::A, LedgerOp::Beat);
    let expected = LedgerAnswer::Beaten(vec![first.clone()]);
    assert_eq!(beaten, expected, "{}", case.name);
    // A later callback, and another worker.
    let more = LedgerOp::Notice {
        key: key(1),
        file: None,
        reason: Some("gone".to_owned()),
    };
    case.ask(By::B, more);
    let second = told(Some(file(5)), "gone");
    for (by, heard) in [(By::A, first), (By::B, second.clone())] {
        case.ask_twice(by, LedgerOp::Heard(vec![heard]));
        let beaten = case.ask(By::A, LedgerOp::Beat);
        let expected = LedgerAnswer::Beaten(vec![second.clone()]);
        assert_eq!(beaten, expected, "{}", case.name);
    }
    case.ask_twice(By::A, LedgerOp::Heard(vec![second]));
    let again = case.ask(By::A, LedgerOp::Beat);
    assert_eq!(
        again,
        LedgerAnswer::Beaten(Vec::new()),
        "{}: once",
        case.name
    );
    // The file was that of the task that failed.
    let end = |number, ending| LedgerOp::End {
        item: id,
        task: task(number),
        ending,
    };
    let again = Ending::Again("it failed".to_owned(), Duration::ZERO);
    case.ask(By::A, end(1, again));
    let (item, fence) = case.claim_one(By::A);
    let created = LedgerOp::Created {
        item,
        fence,
        task: task(2),
    };
    case.ask_all(By::A, vec![LedgerOp::Intend { item, fence }, created]);
    case.ask(By::A, end(2, Ending::Succeeded(None)));
    let found = case.item().map(|item| (item.state, item.file));
    assert_eq!(found, Some((ItemState::Succeeded, None)), "{}", case.name);

    late_notices(fresh);

    let mut case = Case::new(fresh, "a callback before the response of the create");
    let Placed { id, fence, .. } = place(&mut case, ItemState::Intended);
    let notice = LedgerOp::Notice {
        key: key(1),
        file: None,
        reason: Some("no such page".to_owned()),
    };
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(1),
    };
    case.ask_all(By::A, vec![notice, created]);
    let found = case.item().and_then(|item| item.reason);
    assert_eq!(found.as_deref(), Some("no such page"), "{}", case.name);

    let mut case = Case::new(fresh, "a callback for an item that was not sent");
    place(&mut case, ItemState::Queued);
    let before = case.items();
    let notice = LedgerOp::Notice {
        key: key(1),
        file: Some(file(5)),
        reason: None,
    };
    case.ask(By::B, notice);
    assert_eq!(before, case.items(), "{}", case.name);
    let unknown = LedgerOp::Notice {
        key: key(7),
        file: None,
        reason: None,
    };
    assert_eq!(
        case.ask(By::B, unknown),
        LedgerAnswer::Noticed(None),
        "{}",
        case.name
    );
}

/// Callbacks that come after the end.
fn late_notices(fresh: Fresh<'_>) {
    let generic = "offline download 1 failed; the service gives no reason";
    let told = "offline download 1 failed: no such page";
    let given_up = "given up: offline download 1 has stalled";
    let failed = |reason: &str| Ending::Failed(reason.to_owned());
    let late = Some(file(5));
    // What it is before, and what the callback makes of it.
    let cases = [
        (Ending::Succeeded(None), late, None),
        (Ending::Succeeded(Some(file(4))), Some(file(4)), None),
        (failed(generic), None, Some(told)),
        (failed(given_up), None, Some(given_up)),
        (failed("it is gone"), None, Some("it is gone")),
    ];
    for (ending, becomes_file, becomes_reason) in cases {
        let mut case = Case::new(fresh, format!("a callback after {ending:?}"));
        let Placed { id, .. } = place(&mut case, ItemState::Running);
        let state = match ending {
            Ending::Succeeded(_) => ItemState::Succeeded,
            _ => ItemState::Failed,
        };
        let end = LedgerOp::End {
            item: id,
            task: task(1),
            ending,
        };
        case.ask(By::A, end);
        let notice = LedgerOp::Notice {
            key: key(1),
            file: late,
            reason: Some("no such page".to_owned()),
        };
        case.ask_twice(By::B, notice);
        let item = case.item().expect("an item");
        let found = (item.state, item.file, item.reason.as_deref());
        assert_eq!(
            found,
            (state, becomes_file, becomes_reason),
            "{}",
            case.name
        );
        let is_given_up = becomes_reason == Some(given_up);
        assert_eq!(item.is_given_up(), is_given_up, "{}", case.name);
        let failures = u32::from(state == ItemState::Failed && !is_given_up);
        assert_eq!(item.failures, failures, "{}", case.name);
    }

    let mut case = Case::new(fresh, "a late callback that may be of another task");
    let Placed { id, old, fence } = place(&mut case, ItemState::Running);
    let created = |fence, number| LedgerOp::Created {
        item: id,
        fence,
        task: task(number),
    };
    case.ask(By::A, created(old, 2));
    case.ask(By::A, created(fence, 1));
    let end = LedgerOp::End {
        item: id,
        task: task(1),
        ending: Ending::Succeeded(None),
    };
    let notice = LedgerOp::Notice {
        key: key(1),
        file: late,
        reason: None,
    };
    case.ask_all(By::A, vec![end, notice]);
    let found = case.item().map(|item| (item.state, item.file));
    assert_eq!(found, Some((ItemState::Succeeded, None)), "{}", case.name);
}

/// Random operations of two workers, checked against what must always hold.
pub fn random(fresh: Fresh<'_>, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut case = Case::new(fresh, format!("seed {seed}"));
        case.ask(By::A, LedgerOp::Add((1..=4).map(new_item).collect()));
        let mut claims: Vec<(ItemId, Fence)> = Vec::new();
        let mut told: Vec<TaskId> = Vec::new();
        // The claim with which each item may exist at the service.
        let mut sent: BTreeMap<ItemId, Fence> = BTreeMap::new();
        // The claims that were withdrawn.
        let mut withdrawn: BTreeSet<Fence> = BTreeSet::new();
        let mut next_task = 0;
        for _ in 0..60 {
            let by = if rng.bool() { By::A } else { By::B };
            case.wait(Duration::from_secs(rng.u64(0..20)));
            if claims.is_empty() || rng.u8(0..3) == 0 {
                let claimed = case.claim(by, rng.usize(0..3));
                claims.extend(claimed.to_create.iter().map(|(id, item)| (*id, item.fence)));
                continue;
            }
            let (item, fence) = claims[rng.usize(0..claims.len())];
            let number = item.0;
            next_task += 1;
            let new_task = task(next_task);
            let op = match rng.u8(0..12) {
                0..=2 => LedgerOp::Intend { item, fence },
                3 => withdraw(item, fence),
                4 => doubt(item, fence),
                5 => {
                    told.push(new_task);
                    LedgerOp::Created {
                        item,
                        fence,
                        task: new_task,
                    }
                }
                6 => LedgerOp::Beat,
                7 => LedgerOp::Settle {
                    key: key(number),
                    verdict: Verdict::SendAgain,
                },
                8 => LedgerOp::Pause(key(number)),
                9 => LedgerOp::Resume(key(number)),
                10 if !told.is_empty() => LedgerOp::End {
                    item,
                    task: told[rng.usize(0..told.len())],
                    ending: Ending::Again("it failed".to_owned(), Duration::ZERO),
                },
                _ => LedgerOp::Edit(key(number), Box::new(download(2))),
            };
            let answer = case.ask(by, op.clone());
            match op {
                _ if answer != LedgerAnswer::Done => {}
                LedgerOp::Intend { item, fence } => {
                    assert!(!withdrawn.contains(&fence), "{}: {fence} again", case.name);
                    let earlier = sent.insert(item, fence).unwrap_or(fence);
                    assert_eq!(earlier, fence, "{}: {item} is sent twice", case.name);
                }
                LedgerOp::Created { item, fence, .. } => {
                    sent.insert(item, fence);
                }
                LedgerOp::Withdraw { fence, .. } => {
                    withdrawn.insert(fence);
                }
                _ => {}
            }
            case.check_counts();
            let items = case.items();
            for (id, _) in items
                .iter()
                .filter(|(_, item)| item.state == ItemState::Queued)
            {
                sent.remove(id);
            }
            for &task in &told {
                let knows =
                    |item: &Item| item.task == Some(task) || item.other_tasks.contains(&task);
                let found = items.iter().filter(|(_, item)| knows(item)).count();
                assert_eq!(found, 1, "{}: task {task} is lost", case.name);
            }
            let mut fences: Vec<_> = items.iter().map(|(_, item)| item.fence.0).collect();
            fences.retain(|&fence| fence > 0);
            fences.sort_unstable();
            let count = fences.len();
            fences.dedup();
            assert_eq!(fences.len(), count, "{}: a fence of two items", case.name);
        }
    }
}
