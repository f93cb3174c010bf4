//! The rows of the ledger in one transaction.

use pan123_proto::ledger::{
    Fence, Head, Item, ItemId, ItemKey, ItemState, ListItems, Millis, Table, WorkerId,
};
use pan123_proto::{FileId, TaskId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::RowError;
use super::schema::{decode, encode};
use super::session::Session;
use super::statement;

type Result<T> = std::result::Result<T, RowError>;

/// After this time, a worker that was taken for dead is forgotten, in milliseconds.
const FORGET_AFTER: Millis = 24 * 3600 * 1000;

pub(super) struct Rows<'a> {
    pub(super) session: &'a mut Session,
    pub(super) ledger: i64,
    pub(super) head: Head,
    pub(super) lease: Millis,
    pub(super) now: Millis,
}

impl Rows<'_> {
    fn numbers(&mut self, query: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<i64>> {
        let rows = self.session.query(query, params)?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    fn item_ids(&mut self, query: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<ItemId>> {
        let ids = self.numbers(query, params)?.into_iter();
        Ok(ids.map(|id| ItemId(id.cast_unsigned())).collect())
    }

    /// Takes a worker of this machine, whose process is gone, for dead without waiting for its lease.
    pub(super) fn set_gone(&mut self, worker: WorkerId) -> Result<()> {
        let params: [&(dyn ToSql + Sync); 2] = [&self.ledger, &worker.0.cast_signed()];
        self.session.execute(statement::SET_GONE, &params)?;
        Ok(())
    }

    /// Passes an item's columns to a statement: all of them, or those that operations change.
    fn write(&mut self, statement: &str, id: ItemId, item: &Item, is_new: bool) -> Result<()> {
        let other_tasks = &item.other_tasks;
        let other_tasks = (!other_tasks.is_empty()).then(|| encode(other_tasks));
        let other_tasks = other_tasks.transpose()?;
        let id = id.0.cast_signed();
        let [attempts, failures] = [item.attempts, item.failures].map(i64::from);
        let task = item.task.map(|task| task.get().cast_signed());
        let file = item.file.map(|file| file.get().cast_signed());
        // PostgreSQL's texts cannot hold it.
        let reason = item
            .reason
            .as_deref()
            .map(|text| text.replace('\0', "\u{fffd}"));
        let [intended_at, not_before] = [item.intended_at, item.not_before].map(as_number);
        let [fence, owner] = [item.fence.0, item.owner.0].map(u64::cast_signed);
        let state = item.state.name();
        let changing: [&(dyn ToSql + Sync); 16] = [
            &self.ledger,
            &id,
            &state,
            &attempts,
            &failures,
            &task,
            &other_tasks,
            &file,
            &reason,
            &intended_at,
            &not_before,
            &item.position,
            &fence,
            &owner,
            &item.noticed,
            &item.hidden,
        ];
        if is_new {
            let (key, download) = (item.key.as_str().as_bytes(), encode(&item.download)?);
            let rest: [&(dyn ToSql + Sync); 2] = [&key, &download];
            self.session
                .execute(statement, &[&changing[..], &rest].concat())?;
        } else {
            self.session.execute(statement, &changing)?;
        }
        Ok(())
    }
}

/// Reads an item in the order of the statements.
fn read(row: &Row) -> Result<(ItemId, Item)> {
    let number = |column| -> Result<u64> { Ok(row.try_get::<_, i64>(column)?.cast_unsigned()) };
    let optional = |column| -> Result<Option<u64>> {
        Ok(row
            .try_get::<_, Option<i64>>(column)?
            .map(i64::cast_unsigned))
    };
    let count = |column| -> Result<u32> {
        u32::try_from(number(column)?).map_err(|error| RowError::Unreadable(error.to_string()))
    };
    let key = String::from_utf8(row.try_get(15)?).ok();
    let key = key.and_then(|key| ItemKey::new(key).ok());
    let key = key.ok_or_else(|| RowError::Unreadable("the key of an item is none".to_owned()))?;
    let mut item = Item::new(key, decode(row.try_get(16)?)?);
    let state = row.try_get(1)?;
    item.state = ItemState::from_name(state)
        .ok_or_else(|| RowError::Unreadable(format!("the state {state:?} is not known")))?;
    item.attempts = count(2)?;
    item.failures = count(3)?;
    item.task = optional(4)?.and_then(|id| TaskId::new(id).ok());
    let other_tasks = row.try_get::<_, Option<&str>>(5)?.map(decode);
    item.other_tasks = other_tasks.transpose()?.unwrap_or_default();
    item.file = optional(6)?.and_then(|id| FileId::new(id).ok());
    item.reason = row.try_get::<_, Option<&str>>(7)?.map(Box::from);
    item.intended_at = number(8)?;
    item.not_before = number(9)?;
    item.position = row.try_get(10)?;
    item.fence = Fence(number(11)?);
    item.owner = WorkerId(number(12)?);
    item.noticed = row.try_get(13)?;
    item.hidden = row.try_get(14)?;
    Ok((ItemId(number(0)?), item))
}

impl Table for Rows<'_> {
    type Fault = RowError;

    fn head(&mut self) -> Result<Head> {
        Ok(self.head)
    }

    fn set_head(&mut self, head: &Head) -> Result<()> {
        self.session
            .execute(statement::SET_HEAD, &[&self.ledger, &encode(head)?])?;
        self.head = *head;
        Ok(())
    }

    fn find(&mut self, key: &ItemKey) -> Result<Option<ItemId>> {
        let key = key.as_str().as_bytes();
        let found = self.item_ids(statement::FIND, &[&self.ledger.clone(), &key])?;
        Ok(found.first().copied())
    }

    fn load(&mut self, id: ItemId) -> Result<Option<Item>> {
        let params: [&(dyn ToSql + Sync); 2] = [&self.ledger, &id.0.cast_signed()];
        let rows = self.session.query(statement::LOAD, &params)?;
        let item = rows.first().map(read).transpose()?;
        Ok(item.map(|(_, item)| item))
    }

    fn insert(&mut self, id: ItemId, item: &Item) -> Result<()> {
        self.write(statement::INSERT, id, item, true)
    }

    fn update(&mut self, id: ItemId, before: &Item, item: &Item) -> Result<()> {
        self.write(statement::UPDATE, id, item, false)?;
        if item.download != before.download {
            let download = encode(&item.download)?;
            let params: [&(dyn ToSql + Sync); 3] = [&self.ledger, &id.0.cast_signed(), &download];
            self.session.execute(statement::EDIT, &params)?;
        }
        Ok(())
    }

    fn delete(&mut self, id: ItemId, _: &Item) -> Result<()> {
        let params: [&(dyn ToSql + Sync); 2] = [&self.ledger, &id.0.cast_signed()];
        self.session.execute(statement::DELETE, &params)?;
        Ok(())
    }

    fn queued(&mut self, now: Millis, limit: usize) -> Result<Vec<ItemId>> {
        let ledger = self.ledger;
        self.item_ids(
            statement::QUEUED,
            &[&ledger, &as_number(now), &as_limit(limit)],
        )
    }

    fn next_queued(&mut self, now: Millis) -> Result<Option<Millis>> {
        let ledger = self.ledger;
        let next = self.numbers(statement::NEXT_QUEUED, &[&ledger, &as_number(now)])?;
        Ok(next.first().map(|next| next.cast_unsigned()))
    }

    fn held_by(&mut self, owner: WorkerId, limit: usize) -> Result<Vec<ItemId>> {
        let ledger = self.ledger;
        let owner = owner.0.cast_signed();
        self.item_ids(statement::HELD_BY, &[&ledger, &owner, &as_limit(limit)])
    }

    fn noticed(&mut self, owner: WorkerId) -> Result<Vec<ItemId>> {
        let ledger = self.ledger;
        self.item_ids(statement::NOTICED, &[&ledger, &owner.0.cast_signed()])
    }

    fn unconfirmed_since(&mut self, since: Millis) -> Result<u64> {
        let ledger = self.ledger;
        let count = self.numbers(statement::UNCONFIRMED_SINCE, &[&ledger, &as_number(since)])?;
        Ok(count.first().map_or(0, |count| count.cast_unsigned()))
    }

    fn list(&mut self, list: &ListItems) -> Result<Vec<(ItemId, Item)>> {
        let after = list.after.0.cast_signed();
        let params: [&(dyn ToSql + Sync); 3] = [&self.ledger, &after, &as_limit(list.limit)];
        let rows = self.session.query(&statement::list(list), &params)?;
        rows.iter().map(read).collect()
    }

    fn beat(&mut self, worker: WorkerId, now: Millis) -> Result<bool> {
        let worker = worker.0.cast_signed();
        let params: [&(dyn ToSql + Sync); 3] = [&self.ledger, &worker, &as_number(now)];
        let is_known = self.session.execute(statement::BEAT, &params)? > 0;
        if !is_known {
            self.session.execute(statement::BEAT_AGAIN, &params)?;
        }
        Ok(is_known)
    }

    fn dead(&mut self, besides: WorkerId, now: Millis) -> Result<Vec<WorkerId>> {
        let ledger = self.ledger;
        self.session
            .execute(statement::START_LEASES, &[&ledger, &as_number(now)])?;
        let oldest = as_number(now.saturating_sub(self.lease));
        let besides = besides.0.cast_signed();
        let dead = self.numbers(statement::DEAD, &[&ledger, &besides, &oldest])?;
        Ok(dead
            .into_iter()
            .map(|id| WorkerId(id.cast_unsigned()))
            .collect())
    }

    fn bury(&mut self, worker: WorkerId) -> Result<()> {
        let worker = worker.0.cast_signed();
        let oldest = as_number(self.now.saturating_sub(FORGET_AFTER));
        self.session
            .execute(statement::FORGET_WORKER, &[&self.ledger, &worker, &oldest])?;
        self.session
            .execute(statement::SET_LAPSED, &[&self.ledger, &worker])?;
        Ok(())
    }
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn as_number(millis: Millis) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
