//! The rows of the ledger in one transaction.

use std::time::Duration;

use pan123_proto::ledger::{
    Fence, Head, Item, ItemId, ItemKey, ItemState, ListItems, Millis, SpilledTask, Table, WorkerId,
};
use pan123_proto::offline::Download;
use pan123_proto::{FileId, TaskId};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, ToSql, params};

use super::fault::RowError;
use super::{schema, statement};
use crate::spill::{DeadFile, LedgerName};

type Result<T> = std::result::Result<T, RowError>;

pub(super) struct Rows<'a> {
    sql: &'a Connection,
    ledger: LedgerName<'a>,
    lease: Millis,
    /// The workers whose processes are gone.
    dead: Option<Vec<(WorkerId, DeadFile)>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(sql: &'a Connection, ledger: LedgerName<'a>, lease: Duration) -> Rows<'a> {
        Rows {
            sql,
            ledger,
            lease: Millis::try_from(lease.as_millis()).unwrap_or(Millis::MAX),
            dead: None,
        }
    }

    /// What the workers whose processes are gone could not record.
    pub(super) fn kept_by_the_dead(
        &mut self,
        besides: WorkerId,
    ) -> Result<Vec<(WorkerId, Vec<SpilledTask>)>> {
        let dead = self.find_dead(besides)?;
        let kept = dead
            .iter()
            .map(|(worker, dead)| (*worker, dead.tasks.clone()));
        Ok(kept.filter(|(_, tasks)| !tasks.is_empty()).collect())
    }

    /// The files of those who were buried.
    pub(super) fn into_dead(self) -> Vec<DeadFile> {
        let dead = self.dead.unwrap_or_default();
        dead.into_iter().map(|(_, dead)| dead).collect()
    }

    fn find_dead(&mut self, besides: WorkerId) -> Result<&[(WorkerId, DeadFile)]> {
        if self.dead.is_none() {
            let mut dead = Vec::new();
            for worker in schema::workers(self.sql)? {
                if worker == besides {
                    continue;
                }
                let file = DeadFile::take(self.ledger, worker).map_err(RowError::WorkerFile)?;
                dead.extend(file.map(|file| (worker, file)));
            }
            self.dead = Some(dead);
        }
        Ok(self.dead.as_deref().unwrap_or_default())
    }

    fn ids(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<u64>> {
        let mut statement = self.sql.prepare_cached(query)?;
        let ids = statement.query_map(params, |row| row.get::<_, i64>(0))?;
        ids.map(|id| Ok(id?.cast_unsigned())).collect()
    }

    fn item_ids(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<ItemId>> {
        Ok(self.ids(query, params)?.into_iter().map(ItemId).collect())
    }

    fn execute(&self, query: &str, params: impl rusqlite::Params) -> Result<usize> {
        Ok(self.sql.prepare_cached(query)?.execute(params)?)
    }
}

fn unreadable(column: usize, text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, text.into())
}

/// Reads an item in the order of the statements.
fn read(row: &Row<'_>) -> rusqlite::Result<Item> {
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let optional = |column| {
        let number = row.get::<_, Option<i64>>(column);
        number.map(|number| number.map(i64::cast_unsigned))
    };
    let key = ItemKey::new(row.get::<_, String>(15)?).map_err(|error| unreadable(15, error))?;
    let download: Download =
        serde_json::from_str(row.get_ref(16)?.as_str()?).map_err(|error| unreadable(16, error))?;
    let mut item = Item::new(key, download);
    let state = row.get_ref(1)?.as_str()?;
    item.state = ItemState::from_name(state)
        .ok_or_else(|| unreadable(1, format!("the state {state:?} is not known")))?;
    item.attempts = row.get(2)?;
    item.failures = row.get(3)?;
    item.task = optional(4)?.and_then(|id| TaskId::new(id).ok());
    let other_tasks: Option<String> = row.get(5)?;
    let other_tasks = other_tasks.map(|tasks| serde_json::from_str::<Vec<TaskId>>(&tasks));
    item.other_tasks = other_tasks
        .transpose()
        .map_err(|error| unreadable(5, error))?
        .unwrap_or_default();
    item.file = optional(6)?.and_then(|id| FileId::new(id).ok());
    item.reason = row.get::<_, Option<String>>(7)?.map(String::into_boxed_str);
    item.intended_at = number(8)?;
    item.not_before = number(9)?;
    item.position = row.get(10)?;
    item.fence = Fence(number(11)?);
    item.owner = WorkerId(number(12)?);
    item.noticed = row.get(13)?;
    item.hidden = row.get(14)?;
    Ok(item)
}

fn encoded(json: serde_json::Result<String>) -> rusqlite::Result<String> {
    json.map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}

/// Passes an item's columns to a statement: all of them, or those that operations change.
fn write(
    sql: &Connection,
    statement: &str,
    id: ItemId,
    item: &Item,
    whole: bool,
) -> rusqlite::Result<()> {
    let other_tasks =
        (!item.other_tasks.is_empty()).then(|| encoded(serde_json::to_string(&item.other_tasks)));
    let other_tasks = other_tasks.transpose()?;
    let id = id.0.cast_signed();
    let task = item.task.map(|task| task.get().cast_signed());
    let file = item.file.map(|file| file.get().cast_signed());
    let [intended_at, not_before] = [item.intended_at, item.not_before].map(as_number);
    let [fence, owner] = [item.fence.0, item.owner.0].map(u64::cast_signed);
    let changing = params![
        id,
        item.state.name(),
        item.attempts,
        item.failures,
        task,
        other_tasks,
        file,
        item.reason.as_deref(),
        intended_at,
        not_before,
        item.position,
        fence,
        owner,
        item.noticed,
        item.hidden,
    ];
    let mut statement = sql.prepare_cached(statement)?;
    if whole {
        let download = encoded(serde_json::to_string(&item.download))?;
        let [key, download]: [&dyn ToSql; 2] = [&item.key.as_str(), &download];
        statement.execute(&*[changing, &[key, download]].concat())?;
    } else {
        statement.execute(changing)?;
    }
    Ok(())
}

impl Table for Rows<'_> {
    type Fault = RowError;

    fn head(&mut self) -> Result<Head> {
        Ok(schema::head(self.sql)?)
    }

    fn set_head(&mut self, head: &Head) -> Result<()> {
        Ok(schema::set_head(self.sql, head)?)
    }

    fn find(&mut self, key: &ItemKey) -> Result<Option<ItemId>> {
        let found = self.item_ids(statement::FIND, [key.as_str()])?;
        Ok(found.first().copied())
    }

    fn load(&mut self, id: ItemId) -> Result<Option<Item>> {
        let mut statement = self.sql.prepare_cached(statement::LOAD)?;
        Ok(statement.query_row([id.0.cast_signed()], read).optional()?)
    }

    fn insert(&mut self, id: ItemId, item: &Item) -> Result<()> {
        Ok(write(self.sql, statement::INSERT, id, item, true)?)
    }

    fn update(&mut self, id: ItemId, before: &Item, item: &Item) -> Result<()> {
        write(self.sql, statement::UPDATE, id, item, false)?;
        if item.download != before.download {
            let download = encoded(serde_json::to_string(&item.download))?;
            self.execute(statement::EDIT, params![id.0.cast_signed(), download])?;
        }
        Ok(())
    }

    fn delete(&mut self, id: ItemId, _: &Item) -> Result<()> {
        self.execute(statement::DELETE, [id.0.cast_signed()])?;
        Ok(())
    }

    fn queued(&mut self, now: Millis, limit: usize) -> Result<Vec<ItemId>> {
        let params = params![as_number(now), as_limit(limit)];
        self.item_ids(statement::QUEUED, params)
    }

    fn next_queued(&mut self, now: Millis) -> Result<Option<Millis>> {
        let next = self.ids(statement::NEXT_QUEUED, [as_number(now)])?;
        Ok(next.first().copied())
    }

    fn held_by(&mut self, owner: WorkerId, limit: usize) -> Result<Vec<ItemId>> {
        let params = params![owner.0.cast_signed(), as_limit(limit)];
        self.item_ids(statement::HELD_BY, params)
    }

    fn noticed(&mut self, owner: WorkerId) -> Result<Vec<ItemId>> {
        self.item_ids(statement::NOTICED, [owner.0.cast_signed()])
    }

    fn unconfirmed_since(&mut self, since: Millis) -> Result<u64> {
        let count = self.ids(statement::UNCONFIRMED_SINCE, [as_number(since)])?;
        Ok(count.first().copied().unwrap_or(0))
    }

    fn list(&mut self, list: &ListItems) -> Result<Vec<(ItemId, Item)>> {
        let mut statement = self.sql.prepare_cached(&statement::list(list))?;
        let page = params![list.after.0.cast_signed(), as_limit(list.limit)];
        let items = statement.query_map(page, |row| {
            let id = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((ItemId(id), read(row)?))
        })?;
        items.map(|item| Ok(item?)).collect()
    }

    fn beat(&mut self, worker: WorkerId, now: Millis) -> Result<bool> {
        let params = params![worker.0.cast_signed(), as_number(now)];
        let is_known = self.execute(statement::BEAT, params)? > 0;
        if !is_known {
            self.execute(statement::BEAT_AGAIN, params)?;
        }
        Ok(is_known)
    }

    fn dead(&mut self, besides: WorkerId, now: Millis) -> Result<Vec<WorkerId>> {
        let gone = self.find_dead(besides)?.iter().map(|(worker, _)| *worker);
        let mut dead: Vec<_> = gone.collect();
        // Of a worker that has not used the ledger yet, and of all after the clock was set back.
        self.execute(statement::START_LEASES, [as_number(now)])?;
        let oldest = as_number(now.saturating_sub(self.lease));
        let params = params![besides.0.cast_signed(), oldest];
        let frozen = self.ids(statement::LAPSED, params)?;
        dead.extend(frozen.into_iter().map(WorkerId));
        dead.sort_unstable();
        dead.dedup();
        Ok(dead)
    }

    fn bury(&mut self, worker: WorkerId) -> Result<()> {
        let is_gone = self.dead.iter().flatten().any(|(dead, _)| *dead == worker);
        let statement = if is_gone {
            statement::REMOVE_WORKER
        } else {
            statement::SET_LAPSED
        };
        self.execute(statement, [worker.0.cast_signed()])?;
        Ok(())
    }
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn as_number(millis: Millis) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
