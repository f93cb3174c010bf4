//! What a program asks of a ledger besides a batch.

use std::time::SystemTime;

use super::OpenLedger;
use super::item::{Item, ItemId, ItemKey};
use super::op::{Counts, LedgerAnswer, LedgerFault, LedgerOp, ListItems, Transaction};
use super::rules::{Refusal, Verdict};

/// Why somebody could not change an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The item does not take the change, so nothing has changed.
    #[error("the item stays as it is: {0}")]
    Refused(Refusal),
    /// The ledger does not answer as it should.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
}

/// For programs that look into a ledger. Any number of them may do so while batches work on it.
impl dyn OpenLedger + '_ {
    /// Returns the totals.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the ledger cannot be read.
    pub fn counts(&mut self, now: SystemTime) -> Result<Counts, LedgerFault> {
        match self.ask(now, LedgerOp::Counts)? {
            LedgerAnswer::Counts(counts) => Ok(counts),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Returns a page of items, in the order in which they were added; an empty one is the last.
    ///
    /// ```
    /// use pan123_proto::ledger::{Item, ItemState, LedgerFault, ListItems, OpenLedger};
    /// # use std::time::SystemTime;
    ///
    /// fn failed(ledger: &mut dyn OpenLedger, now: SystemTime) -> Result<Vec<Item>, LedgerFault> {
    ///     let mut failed = Vec::new();
    ///     let mut list = ListItems::first(500).state(ItemState::Failed);
    ///     loop {
    ///         let page = ledger.list(now, list)?;
    ///         let Some((last, _)) = page.last() else {
    ///             return Ok(failed); // `reason` says why
    ///         };
    ///         list = list.after(*last);
    ///         failed.extend(page.into_iter().map(|(_, item)| item));
    ///     }
    /// }
    /// # use pan123_proto::{Account, ledger::{Ledger, MemoryLedger}};
    /// # let mut ledger = MemoryLedger::new().open(&Account::new("https://open-api.123pan.com", ""))?;
    /// # assert_eq!(failed(ledger.as_mut(), SystemTime::UNIX_EPOCH)?, []);
    /// # Ok::<(), LedgerFault>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the ledger cannot be read.
    pub fn list(
        &mut self,
        now: SystemTime,
        list: ListItems,
    ) -> Result<Vec<(ItemId, Item)>, LedgerFault> {
        match self.ask(now, LedgerOp::List(list))? {
            LedgerAnswer::Page(page) => Ok(page),
            answer => Err(unexpected(&answer)),
        }
    }

    /// Settles an unconfirmed item. A batch on the ledger acts on it within seconds. Settling it in the same way again does nothing.
    ///
    /// ```
    /// use pan123_proto::ledger::{ChangeError, ItemKey, OpenLedger, Refusal, Verdict};
    /// # use std::time::SystemTime;
    ///
    /// // Somebody has made sure that it was not created.
    /// fn send_again(ledger: &mut dyn OpenLedger, key: ItemKey, now: SystemTime) {
    ///     match ledger.settle(now, key, Verdict::SendAgain) {
    ///         Ok(()) => println!("queued"),
    ///         Err(ChangeError::Refused(Refusal::TooEarly(millis))) => println!("in {millis} ms"),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ChangeError::Refused`] if there is no such item, if it is not unconfirmed, or if it is to be sent again while its request may
    /// still be on its way; [`ChangeError::Ledger`] if the ledger fails.
    pub fn settle(
        &mut self,
        now: SystemTime,
        key: ItemKey,
        verdict: Verdict,
    ) -> Result<(), ChangeError> {
        match self.ask(now, LedgerOp::Settle { key, verdict })? {
            LedgerAnswer::Done => Ok(()),
            LedgerAnswer::Refused(refusal) => Err(ChangeError::Refused(refusal)),
            answer => Err(unexpected(&answer).into()),
        }
    }

    fn ask(&mut self, now: SystemTime, op: LedgerOp) -> Result<LedgerAnswer, LedgerFault> {
        let answers = self.run(Transaction::new(now, vec![op]))?;
        let answer = answers.into_iter().next();
        Ok(answer.unwrap_or(LedgerAnswer::Unsupported))
    }
}

pub(crate) fn unexpected(answer: &LedgerAnswer) -> LedgerFault {
    LedgerFault::Broken(match answer {
        LedgerAnswer::Unsupported => "it does not know this operation".to_owned(),
        _ => "its answer does not fit the question".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Account;
    use crate::api::offline::Download;
    use crate::ids::TaskId;
    use crate::ledger::{ItemState, Ledger, MemoryLedger, NewItem};

    fn key(name: &str) -> ItemKey {
        ItemKey::new(name).unwrap()
    }

    /// Returns a ledger in which `a` is queued and `b` is unconfirmed since the epoch.
    fn ledger() -> Box<dyn OpenLedger> {
        let account = Account::new("https://open-api.123pan.com", "client id");
        let mut ledger = MemoryLedger::new().open(&account).unwrap();
        let mut run = |op| ledger.ask(SystemTime::UNIX_EPOCH, op).unwrap();
        let new = |name| NewItem::new(key(name), Download::new("https://example.com/").unwrap());
        run(LedgerOp::Add(vec![new("b"), new("a")]));
        let LedgerAnswer::Claimed(claimed) = run(LedgerOp::Claim {
            create: 1,
            follow: 0,
        }) else {
            panic!();
        };
        let (item, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
        run(LedgerOp::Intend { item, fence });
        run(LedgerOp::Doubt {
            item,
            fence,
            candidates: vec![],
            reason: "the connection was lost".to_owned(),
        });
        ledger
    }

    #[test]
    fn an_unconfirmed_item_is_found_and_settled() {
        let mut ledger = ledger();
        let ledger = ledger.as_mut();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(50);
        let unconfirmed = ListItems::first(10).state(ItemState::Unconfirmed);
        let page = ledger.list(now, unconfirmed).unwrap();
        let [(id, item)] = &page[..] else {
            panic!("{page:?}");
        };
        assert_eq!(item.reason.as_deref(), Some("the connection was lost"));
        assert_eq!(ledger.list(now, unconfirmed.after(*id)), Ok(vec![]));

        let mut settle = |name, now, verdict| ledger.settle(now, key(name), verdict);
        let was = Verdict::Was(TaskId::new(7).unwrap());
        for (name, verdict, refusal, text) in [
            (
                "b",
                Verdict::SendAgain,
                Refusal::TooEarly(10_000),
                "its request may still be on its way; try again in 10 s",
            ),
            (
                "a",
                was,
                Refusal::State(ItemState::Queued),
                "it is queued, which does not allow this",
            ),
            ("c", was, Refusal::Unknown, "no item has this key"),
        ] {
            let error = settle(name, now, verdict).unwrap_err();
            assert_eq!(error, ChangeError::Refused(refusal));
            assert_eq!(
                error.to_string(),
                format!("the item stays as it is: {text}")
            );
        }
        let later = now + Duration::from_secs(10);
        settle("b", later, Verdict::SendAgain).unwrap();
        let counts = ledger.counts(later).unwrap();
        assert_eq!((counts.of(ItemState::Queued), counts.total()), (2, 2));
    }

    #[test]
    fn a_ledger_that_does_not_know_an_operation_says_so() {
        struct Old;

        impl OpenLedger for Old {
            fn run(&mut self, _: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
                Ok(vec![LedgerAnswer::Unsupported])
            }
        }

        let old: &mut dyn OpenLedger = &mut Old;
        let error = old.counts(SystemTime::UNIX_EPOCH).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the ledger is broken: it does not know this operation"
        );
    }
}
