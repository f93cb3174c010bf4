//! The tables, in a schema of their own, and the accounts in them.

use pan123_proto::Account;
use pan123_proto::ledger::{Head, LedgerFault, WorkerId, header_line};

use super::fault::RowError;
use super::server::Server;
use super::session::Session;
use super::settings::Place;
use super::statement;

/// Each step leads to the version of its number, from 1.
const STEPS: [&str; 3] = ["
CREATE TABLE ledgers (
    id bigint PRIMARY KEY,
    account text NOT NULL UNIQUE,
    head text NOT NULL,
    servers text NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE items (
    ledger bigint NOT NULL,
    id bigint NOT NULL,
    key bytea NOT NULL,
    download text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    failures bigint NOT NULL,
    task bigint,
    other_tasks text,
    file bigint,
    reason text,
    intended_at bigint NOT NULL,
    not_before bigint NOT NULL,
    position bigint NOT NULL,
    fence bigint NOT NULL,
    owner bigint NOT NULL,
    noticed boolean NOT NULL,
    hidden boolean NOT NULL,
    PRIMARY KEY (ledger, id)
);
CREATE UNIQUE INDEX items_key ON items (ledger, key);
CREATE INDEX items_state ON items (ledger, state, id);
CREATE INDEX items_queued ON items (ledger, position, not_before) WHERE state = 'queued';
CREATE INDEX items_delayed ON items (ledger, not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX items_held ON items (ledger, owner, id) WHERE state IN ('claimed', 'intended', 'running');
CREATE INDEX items_noticed ON items (ledger, owner, id) WHERE noticed;
CREATE INDEX items_unconfirmed ON items (ledger, intended_at) WHERE state = 'unconfirmed';
CREATE TABLE workers (
    ledger bigint NOT NULL,
    id bigint NOT NULL,
    beat_at bigint,
    lapsed boolean NOT NULL,
    gone boolean NOT NULL,
    PRIMARY KEY (ledger, id)
) WITH (fillfactor = 50);
", "
CREATE TABLE paces (
    account text NOT NULL,
    class text NOT NULL,
    pace text NOT NULL,
    PRIMARY KEY (account, class)
) WITH (fillfactor = 50);
CREATE TABLE tokens (
    account text PRIMARY KEY,
    token text,
    fence bigint NOT NULL,
    held_at bigint NOT NULL,
    held_for bigint NOT NULL
) WITH (fillfactor = 50);
", "
CREATE TABLE notes (
    account text NOT NULL,
    name text NOT NULL,
    content text NOT NULL,
    version bigserial,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, name)
);
CREATE INDEX notes_version ON notes (account, version);
"];

/// Creates the schema, or brings it to this version, inside a transaction. What belongs to another program is left as it is.
pub(super) fn prepare(session: &mut Session, place: &Place) -> Result<(), RowError> {
    // One process at a time. "p123" in ASCII; a lock of another program with this number does no harm.
    session.batch("SELECT pg_advisory_xact_lock(1882272307)")?;
    let schema = &place.schema;
    let found = |session: &mut Session, query: &str| -> Result<bool, RowError> {
        Ok(session.query_once(query, &[schema])?.try_get(0)?)
    };
    if !found(
        session,
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text)",
    )? {
        session.batch(&format!("CREATE SCHEMA \"{schema}\""))?;
    }
    let is_ours = found(
        session,
        "SELECT to_regclass(quote_ident($1::text) || '.pan123_ledger') IS NOT NULL",
    )?;
    let version = if is_ours {
        let row = session.query_once("SELECT version FROM pan123_ledger", &[])?;
        row.try_get::<_, i32>(0)?
    } else if found(
        session,
        "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1::text)))",
    )? {
        return Err(RowError::Fault(LedgerFault::Broken(format!(
            "{place}: the schema {schema:?} has tables of another program, and is left as it is; choose another schema"
        ))));
    } else {
        session.batch("CREATE TABLE pan123_ledger (version integer NOT NULL); INSERT INTO pan123_ledger VALUES (0)")?;
        0
    };
    let Some(steps) = usize::try_from(version)
        .ok()
        .and_then(|done| STEPS.get(done..))
    else {
        return Err(RowError::Fault(LedgerFault::Broken(format!(
            "{place}: the schema {schema:?} has version {version}; this program knows versions up to {} only. Use a newer program",
            STEPS.len()
        ))));
    };
    for step in steps {
        session.batch(step)?;
        session.batch("UPDATE pan123_ledger SET version = version + 1")?;
    }
    Ok(())
}

/// The ledger of an account, as it stands.
pub(super) struct LedgerRow {
    pub(super) number: i64,
    pub(super) head: Head,
    /// The servers that it was on, one after the other.
    pub(super) servers: Vec<Server>,
}

/// Locks the ledger of an account inside a transaction, and creates it if there is none.
pub(super) fn enter(
    session: &mut Session,
    account: &Account,
    server: &Server,
) -> Result<LedgerRow, RowError> {
    let account = header_line(account);
    session.execute(
        statement::ADD_LEDGER,
        &[
            &fastrand::i64(1..),
            &account,
            &encode(&Head::default())?,
            &encode(&[server])?,
        ],
    )?;
    let row = session.one(statement::LEDGER, &[&account])?;
    Ok(LedgerRow {
        number: row.try_get(0)?,
        head: decode(row.try_get(1)?)?,
        servers: decode(row.try_get(2)?)?,
    })
}

/// Gives a new worker its number.
pub(super) fn register(
    session: &mut Session,
    ledger: &mut LedgerRow,
) -> Result<WorkerId, RowError> {
    let worker = ledger.head.next_worker();
    session.execute(
        statement::SET_HEAD,
        &[&ledger.number, &encode(&ledger.head)?],
    )?;
    session.execute(
        statement::ADD_WORKER,
        &[&ledger.number, &worker.0.cast_signed()],
    )?;
    Ok(worker)
}

pub(super) fn encode(value: &(impl serde::Serialize + ?Sized)) -> Result<String, RowError> {
    serde_json::to_string(value).map_err(|error| RowError::Unreadable(error.to_string()))
}

pub(super) fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, RowError> {
    serde_json::from_str(text).map_err(|error| {
        RowError::Unreadable(format!("what a row holds is not understood: {error}"))
    })
}
