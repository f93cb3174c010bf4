//! What must hold of every run, whatever happened.

use std::collections::HashMap;

use pan123_proto::ledger::{
    Counts, Item, ItemId, ItemState, LedgerAnswer, LedgerOp, ListItems, Transaction,
};

use super::sim::{Sim, account};
use crate::support::at;

/// The ledger after a run.
pub(crate) struct Books {
    pub(crate) items: Vec<Item>,
    pub(crate) counts: Counts,
}

pub(crate) fn books(sim: &Sim) -> Books {
    let mut ledger = sim.ledger.open(&account()).expect("a ledger");
    let mut items = Vec::new();
    let mut after = ItemId(0);
    loop {
        let ops = vec![
            LedgerOp::List(ListItems::first(500).after(after).with_hidden()),
            LedgerOp::Counts,
        ];
        let transaction = Transaction::new(at(sim.now).wall, ops);
        let mut answers = ledger.run(transaction).expect("it answers").into_iter();
        let Some(LedgerAnswer::Page(page)) = answers.next() else {
            panic!("no page");
        };
        let Some(LedgerAnswer::Counts(counts)) = answers.next() else {
            panic!("no counts");
        };
        let Some((last, _)) = page.last() else {
            return Books { items, counts };
        };
        after = *last;
        items.extend(page.into_iter().map(|(_, item)| item));
    }
}

/// Checks that nothing was sent twice, that no task is lost, and that the counts add up. Returns how many items are unconfirmed.
pub(crate) fn check(sim: &Sim, added: usize) -> usize {
    let seed = sim.seed;
    let books = books(sim);
    let spilled = sim.spilled();
    let by_key: HashMap<&str, &Item> = books
        .items
        .iter()
        .map(|item| (item.key.as_str(), item))
        .collect();
    let mut earlier: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, task) in sim.service.tasks.iter().enumerate() {
        let before = earlier.entry(&task.key).or_default();
        for &other in before.iter() {
            let other = &sim.service.tasks[other];
            assert!(
                other.fails && !other.runs_at(task.from),
                "seed {seed}: {} was sent at {:?} and again at {:?}",
                task.key,
                other.from,
                task.from
            );
        }
        before.push(index);
        let item = by_key.get(task.key.as_str());
        let item = item.unwrap_or_else(|| panic!("seed {seed}: no item {}", task.key));
        let id = index as u64 + 1;
        let is_known = item.task.is_some_and(|task| task.get() == id)
            || item.other_tasks.iter().any(|task| task.get() == id)
            || item.state == ItemState::Unconfirmed
            || spilled.contains(&id);
        assert!(is_known, "seed {seed}: task {id} is lost: {item:?}");
    }
    let of = |state| {
        books
            .items
            .iter()
            .filter(|item| item.state == state)
            .count()
    };
    for state in ItemState::ALL {
        let counted = books.counts.of(state);
        assert_eq!(counted, of(state) as u64, "seed {seed}: {state}");
    }
    assert_eq!(books.items.len(), added, "seed {seed}: an item is missing");
    of(ItemState::Unconfirmed)
}
