//! The SQL of the ledger. SQLite uses a partial index only if its condition is repeated word for word; a test asks its planner.

use pan123_proto::ledger::{ItemState, ListItems};

/// The columns of an item that operations change.
macro_rules! changing {
    () => {
        "state, attempts, failures, task, other_tasks, file, reason, intended_at, not_before, \
        position, fence, owner, noticed, hidden"
    };
}

macro_rules! changing_parameters {
    () => {
        "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15"
    };
}

pub(super) const LEDGER: &str = "SELECT ledger, account FROM head WHERE id = 1";
pub(super) const HEAD: &str = "SELECT head FROM head WHERE id = 1";
pub(super) const SET_HEAD: &str = "UPDATE head SET head = ?1 WHERE id = 1";

pub(super) const FIND: &str = "SELECT id FROM items WHERE key = ?1";
pub(super) const LOAD: &str = concat!(
    "SELECT id, ",
    changing!(),
    ", key, download FROM items WHERE id = ?1"
);
pub(super) const INSERT: &str = concat!(
    "INSERT INTO items (id, ",
    changing!(),
    ", key, download) VALUES (?1, ",
    changing_parameters!(),
    ", ?16, ?17)"
);
/// Naming the key or the download would write all of it again, and the index of the keys.
pub(super) const UPDATE: &str = concat!(
    "UPDATE items SET (",
    changing!(),
    ") = (",
    changing_parameters!(),
    ") WHERE id = ?1"
);
pub(super) const EDIT: &str = "UPDATE items SET download = ?2 WHERE id = ?1";
pub(super) const DELETE: &str = "DELETE FROM items WHERE id = ?1";

pub(super) const QUEUED: &str = "SELECT id FROM items WHERE state = 'queued' AND not_before <= ?1 \
    ORDER BY position LIMIT ?2";
pub(super) const NEXT_QUEUED: &str = "SELECT not_before FROM items WHERE state = 'queued' \
    AND not_before > 0 AND not_before > ?1 ORDER BY not_before LIMIT 1";
pub(super) const HELD_BY: &str = "SELECT id FROM items WHERE owner = ?1 \
    AND state IN ('claimed', 'intended', 'running') ORDER BY id LIMIT ?2";
pub(super) const NOTICED: &str =
    "SELECT id FROM items WHERE owner = ?1 AND noticed = 1 AND state = 'running'";
pub(super) const UNCONFIRMED_SINCE: &str =
    "SELECT count(*) FROM items WHERE state = 'unconfirmed' AND intended_at >= ?1";

pub(super) const WORKERS: &str = "SELECT id FROM workers";
pub(super) const ADD_WORKER: &str =
    "INSERT INTO workers (id, beat_at, lapsed) VALUES (?1, NULL, 0)";
pub(super) const BEAT: &str = "UPDATE workers SET beat_at = ?2 WHERE id = ?1 AND lapsed = 0";
pub(super) const BEAT_AGAIN: &str = "INSERT INTO workers (id, beat_at, lapsed) VALUES (?1, ?2, 0) \
    ON CONFLICT (id) DO UPDATE SET beat_at = ?2, lapsed = 0";
pub(super) const START_LEASES: &str =
    "UPDATE workers SET beat_at = ?1 WHERE beat_at IS NULL OR beat_at > ?1";
pub(super) const LAPSED: &str = "SELECT id FROM workers WHERE id <> ?1 AND beat_at < ?2";
pub(super) const SET_LAPSED: &str = "UPDATE workers SET lapsed = 1 WHERE id = ?1 AND lapsed = 0";
pub(super) const REMOVE_WORKER: &str = "DELETE FROM workers WHERE id = ?1";

/// Items in the order of their ids. States that few items are in have an index; of the others, a page is read from its start.
pub(super) fn list(list: &ListItems) -> String {
    let (index, condition) = match list.state {
        None => ("", String::new()),
        Some(
            state @ (ItemState::Paused
            | ItemState::Unconfirmed
            | ItemState::Failed
            | ItemState::Dropped),
        ) => (
            "",
            format!(
                "AND state IN ('paused', 'unconfirmed', 'failed', 'dropped') AND state = '{state}'"
            ),
        ),
        Some(state @ (ItemState::Claimed | ItemState::Intended | ItemState::Running)) => (
            "INDEXED BY items_held",
            format!("AND state IN ('claimed', 'intended', 'running') AND state = '{state}'"),
        ),
        Some(state) => ("", format!("AND state = '{state}'")),
    };
    let hidden = if list.hidden { "" } else { "AND hidden = 0" };
    let changing = changing!();
    format!(
        "SELECT id, {changing}, key, download FROM items {index} WHERE id > ?1 {condition} {hidden} ORDER BY id LIMIT ?2"
    )
}

#[cfg(test)]
mod tests {
    use super::super::schema::TABLES;
    use super::*;

    /// The plan of a statement for an empty ledger, for which a scan would be cheapest.
    fn plan(sql: &rusqlite::Connection, statement: &str) -> String {
        let mut plan = sql
            .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
            .unwrap_or_else(|error| panic!("{statement}: {error}"));
        let count = plan.parameter_count();
        let steps = plan.query_map(rusqlite::params_from_iter(vec![1; count]), |row| {
            row.get::<_, String>(3)
        });
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("; ")
    }

    #[test]
    fn each_statement_finds_its_items_by_an_index() {
        let sql = rusqlite::Connection::open_in_memory().unwrap();
        sql.execute_batch(TABLES).unwrap();
        for (statement, expected) in [
            (
                FIND,
                "SEARCH items USING COVERING INDEX sqlite_autoindex_items_1 (key=?)",
            ),
            (LOAD, "SEARCH items USING INTEGER PRIMARY KEY (rowid=?)"),
            (UPDATE, "SEARCH items USING INTEGER PRIMARY KEY (rowid=?)"),
            (DELETE, "SEARCH items USING INTEGER PRIMARY KEY (rowid=?)"),
            (INSERT, ""),
            // In the order of the queue, up to the limit.
            (QUEUED, "SCAN items USING COVERING INDEX items_queued"),
            (
                NEXT_QUEUED,
                "SEARCH items USING COVERING INDEX items_delayed (not_before>?)",
            ),
            (HELD_BY, "SEARCH items USING INDEX items_held (owner=?)"),
            (NOTICED, "SEARCH items USING INDEX items_noticed (owner=?)"),
            (
                UNCONFIRMED_SINCE,
                "SEARCH items USING COVERING INDEX items_unconfirmed (intended_at>?)",
            ),
            (HEAD, "SEARCH head USING INTEGER PRIMARY KEY (rowid=?)"),
            (SET_HEAD, "SEARCH head USING INTEGER PRIMARY KEY (rowid=?)"),
            (BEAT, "SEARCH workers USING INTEGER PRIMARY KEY (rowid=?)"),
        ] {
            assert_eq!(plan(&sql, statement), expected, "{statement}");
        }
    }

    #[test]
    fn lists_of_few_items_read_no_others() {
        let sql = rusqlite::Connection::open_in_memory().unwrap();
        sql.execute_batch(TABLES).unwrap();
        for state in ItemState::ALL {
            let plan = plan(&sql, &list(&ListItems::first(10).state(state)));
            let expected = match state {
                ItemState::Queued | ItemState::Succeeded => {
                    "SEARCH items USING INTEGER PRIMARY KEY (rowid>?)"
                }
                ItemState::Claimed | ItemState::Intended | ItemState::Running => {
                    "SCAN items USING INDEX items_held"
                }
                _ => "SEARCH items USING INDEX items_resting (state=? AND rowid>?)",
            };
            assert!(plan.starts_with(expected), "{state}: {plan}");
        }
    }
}
