//! The SQL of the ledger, the pace and the token store. Each partial index is used only if its condition follows from the statement's; a test asks the planner.

use pan123_proto::ledger::ListItems;

/// The columns of an item that operations change.
macro_rules! changing {
    () => {
        "state, attempts, failures, task, other_tasks, file, reason, intended_at, not_before, \
        position, fence, owner, noticed, hidden"
    };
}

macro_rules! changing_parameters {
    () => {
        "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16"
    };
}

/// Which server it is. The name of the file that it writes its log to begins with its timeline.
pub(super) const SERVER: &str = "SELECT system_identifier::text, \
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) FROM pg_control_system()";
pub(super) const SETTINGS: &str = "SELECT pg_is_in_recovery(), \
    current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
    current_setting('fsync'), current_setting('synchronous_commit')";

pub(super) const ADD_LEDGER: &str = "INSERT INTO ledgers (id, account, head, servers) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (account) DO NOTHING";
pub(super) const LEDGER: &str =
    "SELECT id, head, servers FROM ledgers WHERE account = $1 FOR UPDATE";
pub(super) const SET_SERVERS: &str = "UPDATE ledgers SET servers = $2 WHERE id = $1";
pub(super) const SERVERS: &str = "SELECT servers FROM ledgers WHERE id = $1";
pub(super) const HEAD: &str = "SELECT head FROM ledgers WHERE id = $1";
pub(super) const LOCK_HEAD: &str = "SELECT head FROM ledgers WHERE id = $1 FOR UPDATE";
pub(super) const SET_HEAD: &str = "UPDATE ledgers SET head = $2 WHERE id = $1";
/// The time now, not that of the transaction's begin.
pub(super) const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

pub(super) const FIND: &str = "SELECT id FROM items WHERE ledger = $1 AND key = $2";
pub(super) const LOAD: &str = concat!(
    "SELECT id, ",
    changing!(),
    ", key, download FROM items WHERE ledger = $1 AND id = $2"
);
pub(super) const INSERT: &str = concat!(
    "INSERT INTO items (ledger, id, ",
    changing!(),
    ", key, download) VALUES ($1, $2, ",
    changing_parameters!(),
    ", $17, $18)"
);
pub(super) const UPDATE: &str = concat!(
    "UPDATE items SET (",
    changing!(),
    ") = (",
    changing_parameters!(),
    ") WHERE ledger = $1 AND id = $2"
);
pub(super) const EDIT: &str = "UPDATE items SET download = $3 WHERE ledger = $1 AND id = $2";
pub(super) const DELETE: &str = "DELETE FROM items WHERE ledger = $1 AND id = $2";

pub(super) const QUEUED: &str = "SELECT id FROM items WHERE ledger = $1 AND state = 'queued' \
    AND not_before <= $2 ORDER BY position LIMIT $3";
pub(super) const NEXT_QUEUED: &str = "SELECT not_before FROM items WHERE ledger = $1 \
    AND state = 'queued' AND not_before > 0 AND not_before > $2 ORDER BY not_before LIMIT 1";
pub(super) const HELD_BY: &str = "SELECT id FROM items WHERE ledger = $1 AND owner = $2 \
    AND state IN ('claimed', 'intended', 'running') ORDER BY id LIMIT $3";
/// Without `IS TRUE`, the planner may take the index of all that the worker holds.
pub(super) const NOTICED: &str = "SELECT id FROM items WHERE ledger = $1 AND owner = $2 \
    AND noticed AND (state = 'running') IS TRUE ORDER BY id";
pub(super) const UNCONFIRMED_SINCE: &str = "SELECT count(*) FROM items WHERE ledger = $1 \
    AND state = 'unconfirmed' AND intended_at >= $2";

pub(super) const ADD_WORKER: &str =
    "INSERT INTO workers (ledger, id, beat_at, lapsed, gone) VALUES ($1, $2, NULL, false, false)";
/// For a worker that was taken for dead so long ago that it was forgotten.
pub(super) const REMEMBER_WORKER: &str = "INSERT INTO workers (ledger, id, beat_at, lapsed, gone) \
    VALUES ($1, $2, NULL, true, false) ON CONFLICT (ledger, id) DO NOTHING";
pub(super) const BEAT: &str =
    "UPDATE workers SET beat_at = $3 WHERE ledger = $1 AND id = $2 AND NOT lapsed";
pub(super) const BEAT_AGAIN: &str = "INSERT INTO workers (ledger, id, beat_at, lapsed, gone) \
    VALUES ($1, $2, $3, false, false) ON CONFLICT (ledger, id) DO UPDATE SET beat_at = $3, lapsed = false";
/// Of workers that have not used the ledger yet, and of all after the clock was set back.
pub(super) const START_LEASES: &str = "UPDATE workers SET beat_at = $2 WHERE ledger = $1 \
    AND (beat_at IS NULL OR beat_at > $2)";
pub(super) const DEAD: &str =
    "SELECT id FROM workers WHERE ledger = $1 AND id <> $2 AND (gone OR beat_at < $3) ORDER BY id";
pub(super) const SET_GONE: &str = "INSERT INTO workers (ledger, id, beat_at, lapsed, gone) \
    VALUES ($1, $2, NULL, false, true) ON CONFLICT (ledger, id) DO UPDATE SET gone = true";
pub(super) const FORGET_WORKER: &str =
    "DELETE FROM workers WHERE ledger = $1 AND id = $2 AND (gone OR beat_at < $3)";
pub(super) const SET_LAPSED: &str =
    "UPDATE workers SET lapsed = true WHERE ledger = $1 AND id = $2 AND NOT lapsed";

/// Durable before its answer, as all that is committed here: two machines would send at once if a reservation was forgotten.
pub(super) const LOCK_PACE: &str =
    "SELECT pace FROM paces WHERE account = $1 AND class = $2 FOR UPDATE";
/// In microseconds. It is a statement of its own, since the time is read after the wait for the row.
pub(super) const PACE_CLOCK: &str =
    "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
pub(super) const ADD_PACE: &str = "INSERT INTO paces (account, class, pace) VALUES ($1, $2, $3) \
    ON CONFLICT (account, class) DO NOTHING";
pub(super) const SET_PACE: &str = "UPDATE paces SET pace = $3 WHERE account = $1 AND class = $2";

/// The time of the server in milliseconds.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}

pub(super) const TOKEN: &str = "SELECT token, fence FROM tokens WHERE account = $1";
/// One statement, so that nobody waits for a lock. A clock that is set back counts for no longer than a lease.
pub(super) const LOCK_TOKEN: &str = concat!(
    "INSERT INTO tokens AS held (account, fence, held_at, held_for) VALUES ($1, $2, ",
    now!(),
    ", $3) ON CONFLICT (account) DO UPDATE SET (fence, held_at, held_for) = ($2, ",
    now!(),
    ", $3) WHERE held.fence = $2 OR abs(held.held_at - ",
    now!(),
    ") >= held.held_for"
);
pub(super) const RENEW_TOKEN: &str = concat!(
    "UPDATE tokens SET held_at = ",
    now!(),
    " WHERE account = $1 AND fence = $2"
);
pub(super) const SAVE_TOKEN: &str = concat!(
    "UPDATE tokens SET token = $3, held_at = ",
    now!(),
    " WHERE account = $1 AND fence = $2"
);
pub(super) const UNLOCK_TOKEN: &str =
    "UPDATE tokens SET fence = 0, held_for = 0 WHERE account = $1 AND fence = $2";

/// "p124" in ASCII, besides the number of the account: a lock of another program with these numbers does no harm.
pub(super) const LOCK_NOTES: &str =
    "SELECT pg_advisory_xact_lock(1882272308, hashtext($1::text))::text";
pub(super) const SET_NOTE: &str = "INSERT INTO notes (account, name, content) VALUES ($1, $2, $3) \
    ON CONFLICT (account, name) DO UPDATE SET content = $3, version = DEFAULT, kept_at = DEFAULT";
pub(super) const ADD_NOTE: &str = "INSERT INTO notes (account, name, content) VALUES ($1, $2, $3) \
    ON CONFLICT (account, name) DO NOTHING";
pub(super) const NOTE: &str = "SELECT content FROM notes WHERE account = $1 AND name = $2";
pub(super) const NOTES: &str = "SELECT name, content, version FROM notes WHERE account = $1 AND version > $2 \
    ORDER BY version";
pub(super) const FORGET_NOTES: &str = "DELETE FROM notes WHERE account = $1 \
    AND kept_at < clock_timestamp() - interval '1 day' AND name <> ALL ($2)";

/// Items in the order of their ids.
pub(super) fn list(list: &ListItems) -> String {
    let state = list.state.map(|state| format!("AND state = '{state}'"));
    let state = state.unwrap_or_default();
    let hidden = if list.hidden { "" } else { "AND NOT hidden" };
    let changing = changing!();
    format!(
        "SELECT id, {changing}, key, download FROM items WHERE ledger = $1 AND id > $2 {state} {hidden} ORDER BY id LIMIT $3"
    )
}
