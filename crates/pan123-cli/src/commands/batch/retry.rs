//! `--retry-failed`: what failed is sent again, and what was given up is followed again.

use std::time::SystemTime;

use pan123_async::NewItem;
use pan123_async::proto::ledger::{Item, ItemState, LedgerOp, ListItems, OpenLedger, Transaction};

use crate::failure::Failure;

/// How many items are taken at once.
const PAGE: usize = 500;

/// Queues all that failed, and lets what was given up run again. Returns how many there were.
pub(super) fn retry_failed(ledger: &mut dyn OpenLedger) -> Result<usize, Failure> {
    let mut wanted = ListItems::first(PAGE).state(ItemState::Failed);
    let mut count = 0;
    loop {
        let page = ledger.list(SystemTime::now(), wanted)?;
        let Some((last, _)) = page.last() else {
            return Ok(count);
        };
        wanted = wanted.after(*last);
        count += page.len();
        let ops = page.into_iter().flat_map(|(_, item)| anew(item)).collect();
        ledger.run(Transaction::new(SystemTime::now(), ops))?;
    }
}

/// Replaces an item that failed, in one transaction. A task that was given up may still succeed, so it is not ordered again.
fn anew(mut item: Item) -> [LedgerOp; 2] {
    let remove = LedgerOp::Remove(item.key.clone());
    if item.is_given_up() && item.task.is_some() {
        item.state = ItemState::Running;
        item.reason = None;
        return [remove, LedgerOp::Import(vec![item])];
    }
    let new = NewItem::new(item.key, item.download);
    [remove, LedgerOp::Add(vec![new])]
}
