//! The rows of the ledger in one transaction.

use std::path::Path;
use std::time::Duration;

use pan123_proto::ledger::{
    Fence, Head, Item, ItemId, ItemKey, ItemState, ListItems, Millis, SpilledTask, Table, WorkerId,
};
use pan123_proto::offline::Download;
use pan123_proto::{FileId, TaskId};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Row, ToSql, params};

use super::schema;
use super::spill::{Dead, WorkerFile};

type Result<T> = std::result::Result<T, Error>;

pub(super) struct Rows<'a> {
    sql: &'a Connection,
    ledger: &'a Path,
    lease: Millis,
    /// The workers whose processes are gone.
    dead: Option<Vec<(WorkerId, Dead)>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(sql: &'a Connection, ledger: &'a Path, lease: Duration) -> Rows<'a> {
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

    /// The files of those whose items were taken over.
    pub(super) fn into_dead(self) -> Vec<Dead> {
        let dead = self.dead.unwrap_or_default();
        dead.into_iter().map(|(_, dead)| dead).collect()
    }

    fn find_dead(&mut self, besides: WorkerId) -> Result<&[(WorkerId, Dead)]> {
        if self.dead.is_none() {
            let mut dead = Vec::new();
            for worker in self.ids("SELECT id FROM workers", [])? {
                let worker = WorkerId(worker);
                if worker == besides {
                    continue;
                }
                let file = WorkerFile::of_the_dead(self.ledger, worker);
                let file = file.map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))?;
                dead.extend(file.map(|file| (worker, file)));
            }
            self.dead = Some(dead);
        }
        Ok(self.dead.as_deref().unwrap_or_default())
    }

    fn ids(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<u64>> {
        let mut statement = self.sql.prepare_cached(query)?;
        let ids = statement.query_map(params, |row| row.get::<_, i64>(0))?;
        ids.map(|id| id.map(i64::cast_unsigned)).collect()
    }

    fn item_ids(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<ItemId>> {
        Ok(self.ids(query, params)?.into_iter().map(ItemId).collect())
    }

    fn execute(&self, query: &str, params: impl rusqlite::Params) -> Result<usize> {
        self.sql.prepare_cached(query)?.execute(params)
    }
}

/// The columns of an item after its id.
const COLUMNS: &str = "key, download, state, attempts, failures, task, other_tasks, file, reason, \
    intended_at, not_before, position, fence, owner, noticed, hidden";

fn unreadable(column: usize, text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, text.into())
}

/// Reads an item whose columns begin at 1.
fn read(row: &Row<'_>) -> Result<Item> {
    let key = ItemKey::new(row.get::<_, String>(1)?).map_err(|error| unreadable(1, error))?;
    let download: Download =
        serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(|error| unreadable(2, error))?;
    let state = row.get_ref(3)?.as_str()?;
    let state = ItemState::from_name(state)
        .ok_or_else(|| unreadable(3, format!("the state {state:?} is not known")))?;
    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let optional = |column| {
        let number = row.get::<_, Option<i64>>(column);
        number.map(|number| number.map(i64::cast_unsigned))
    };
    let count = |column| row.get::<_, u32>(column);
    let other_tasks: Option<String> = row.get(7)?;
    let other_tasks = other_tasks.map(|tasks| serde_json::from_str::<Vec<TaskId>>(&tasks));
    let mut item = Item::new(key, download);
    item.state = state;
    item.attempts = count(4)?;
    item.failures = count(5)?;
    item.task = optional(6)?.and_then(|id| TaskId::new(id).ok());
    item.other_tasks = other_tasks
        .transpose()
        .map_err(|error| unreadable(7, error))?
        .unwrap_or_default();
    item.file = optional(8)?.and_then(|id| FileId::new(id).ok());
    item.reason = row.get::<_, Option<String>>(9)?.map(String::into_boxed_str);
    item.intended_at = number(10)?;
    item.not_before = number(11)?;
    item.position = row.get(12)?;
    item.fence = Fence(number(13)?);
    item.owner = WorkerId(number(14)?);
    item.noticed = row.get(15)?;
    item.hidden = row.get(16)?;
    Ok(item)
}

/// Passes an item's columns, after its id, to a statement.
fn write(id: ItemId, item: &Item, run: impl FnOnce(&[&dyn ToSql]) -> Result<usize>) -> Result<()> {
    let json = |error: serde_json::Error| Error::ToSqlConversionFailure(Box::new(error));
    let download = serde_json::to_string(&item.download).map_err(json)?;
    let other_tasks = if item.other_tasks.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&item.other_tasks).map_err(json)?)
    };
    run(params![
        id.0.cast_signed(),
        item.key.as_str(),
        download,
        item.state.name(),
        item.attempts,
        item.failures,
        item.task.map(|task| task.get().cast_signed()),
        other_tasks,
        item.file.map(|file| file.get().cast_signed()),
        item.reason.as_deref(),
        item.intended_at.cast_signed(),
        item.not_before.cast_signed(),
        item.position,
        item.fence.0.cast_signed(),
        item.owner.0.cast_signed(),
        item.noticed,
        item.hidden,
    ])?;
    Ok(())
}

impl Table for Rows<'_> {
    type Fault = Error;

    fn head(&mut self) -> Result<Head> {
        schema::head(self.sql)
    }

    fn set_head(&mut self, head: &Head) -> Result<()> {
        schema::set_head(self.sql, head)
    }

    fn find(&mut self, key: &ItemKey) -> Result<Option<ItemId>> {
        let found = self.ids("SELECT id FROM items WHERE key = ?1", [key.as_str()])?;
        Ok(found.first().copied().map(ItemId))
    }

    fn load(&mut self, id: ItemId) -> Result<Option<Item>> {
        let query = format!("SELECT id, {COLUMNS} FROM items WHERE id = ?1");
        let mut statement = self.sql.prepare_cached(&query)?;
        statement.query_row([id.0.cast_signed()], read).optional()
    }

    fn insert(&mut self, id: ItemId, item: &Item) -> Result<()> {
        let query = format!(
            "INSERT INTO items (id, {COLUMNS}) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        );
        write(id, item, |columns| self.execute(&query, columns))
    }

    fn update(&mut self, id: ItemId, _: &Item, item: &Item) -> Result<()> {
        let query = format!(
            "UPDATE items SET ({COLUMNS}) \
            = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) WHERE id = ?1"
        );
        write(id, item, |columns| self.execute(&query, columns))
    }

    fn delete(&mut self, id: ItemId, _: &Item) -> Result<()> {
        self.execute("DELETE FROM items WHERE id = ?1", [id.0.cast_signed()])?;
        Ok(())
    }

    fn queued(&mut self, now: Millis, limit: usize) -> Result<Vec<ItemId>> {
        self.item_ids(
            "SELECT id FROM items WHERE state = 'queued' AND not_before <= ?1 ORDER BY position LIMIT ?2",
            params![now.cast_signed(), as_limit(limit)],
        )
    }

    fn next_queued(&mut self, now: Millis) -> Result<Option<Millis>> {
        let next = self.ids(
            "SELECT min(not_before) FROM items WHERE state = 'queued' AND not_before > 0 \
            AND not_before > ?1 HAVING count(*) > 0",
            [now.cast_signed()],
        )?;
        Ok(next.first().copied())
    }

    fn held_by(&mut self, owner: WorkerId, limit: usize) -> Result<Vec<ItemId>> {
        self.item_ids(
            "SELECT id FROM items WHERE owner = ?1 AND state IN ('claimed', 'intended', 'running') LIMIT ?2",
            params![owner.0.cast_signed(), as_limit(limit)],
        )
    }

    fn noticed(&mut self, owner: WorkerId) -> Result<Vec<ItemId>> {
        self.item_ids(
            "SELECT id FROM items WHERE owner = ?1 AND noticed = 1 AND state = 'running'",
            [owner.0.cast_signed()],
        )
    }

    fn unconfirmed_since(&mut self, since: Millis) -> Result<u64> {
        let count = self.ids(
            "SELECT count(*) FROM items WHERE state = 'unconfirmed' AND intended_at >= ?1",
            [since.cast_signed()],
        )?;
        Ok(count.first().copied().unwrap_or(0))
    }

    fn list(&mut self, list: &ListItems) -> Result<Vec<(ItemId, Item)>> {
        let state = match list.state {
            None => String::new(),
            Some(
                state @ (ItemState::Paused
                | ItemState::Unconfirmed
                | ItemState::Failed
                | ItemState::Dropped),
            ) => format!(
                "AND state IN ('paused', 'unconfirmed', 'failed', 'dropped') AND state = '{state}'"
            ),
            Some(state) => format!("AND state = '{state}'"),
        };
        let hidden = if list.hidden { "" } else { "AND hidden = 0" };
        let query = format!(
            "SELECT id, {COLUMNS} FROM items WHERE id > ?1 {state} {hidden} ORDER BY id LIMIT ?2"
        );
        let mut statement = self.sql.prepare_cached(&query)?;
        let page = params![list.after.0.cast_signed(), as_limit(list.limit)];
        let items = statement.query_map(page, |row| {
            let id = row.get::<_, i64>(0)?.cast_unsigned();
            Ok((ItemId(id), read(row)?))
        })?;
        items.collect()
    }

    fn beat(&mut self, worker: WorkerId, now: Millis) -> Result<bool> {
        let known = self.execute(
            "UPDATE workers SET beat_at = ?2 WHERE id = ?1 AND lapsed = 0",
            params![worker.0.cast_signed(), now.cast_signed()],
        )?;
        if known == 0 {
            self.execute(
                "INSERT INTO workers (id, beat_at, lapsed) VALUES (?1, ?2, 0) \
                ON CONFLICT (id) DO UPDATE SET beat_at = ?2, lapsed = 0",
                params![worker.0.cast_signed(), now.cast_signed()],
            )?;
        }
        Ok(known > 0)
    }

    fn dead(&mut self, besides: WorkerId, now: Millis) -> Result<Vec<WorkerId>> {
        let gone = self.find_dead(besides)?.iter().map(|(worker, _)| *worker);
        let mut dead: Vec<_> = gone.collect();
        self.execute(
            "UPDATE workers SET beat_at = ?1 WHERE beat_at IS NULL",
            [now.cast_signed()],
        )?;
        let frozen = self.ids(
            "SELECT id FROM workers WHERE id <> ?1 AND beat_at < ?2",
            params![
                besides.0.cast_signed(),
                now.saturating_sub(self.lease).cast_signed()
            ],
        )?;
        dead.extend(frozen.into_iter().map(WorkerId));
        dead.sort_unstable();
        dead.dedup();
        Ok(dead)
    }

    fn bury(&mut self, worker: WorkerId) -> Result<()> {
        let id = worker.0.cast_signed();
        let is_gone = self.dead.iter().flatten().any(|(dead, _)| *dead == worker);
        if is_gone {
            self.execute("DELETE FROM workers WHERE id = ?1", [id])?;
        } else {
            self.execute("UPDATE workers SET lapsed = 1 WHERE id = ?1", [id])?;
        }
        Ok(())
    }
}

fn as_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
