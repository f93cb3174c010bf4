//! What the server's planner makes of the statements.

use std::io::Write;

use pan123_proto::ledger::{ItemState, ListItems};

use super::session::Session;
use super::settings::Settings;
use super::{schema, statement, worker};

/// Every statement that looks for rows, with the index that finds them.
fn look_ups() -> Vec<(String, &'static str)> {
    let mut all: Vec<(String, &str)> = [
        (statement::LEDGER, "ledgers_account_key"),
        (statement::SERVERS, "ledgers_pkey"),
        (statement::SET_SERVERS, "ledgers_pkey"),
        (statement::HEAD, "ledgers_pkey"),
        (statement::LOCK_HEAD, "ledgers_pkey"),
        (statement::SET_HEAD, "ledgers_pkey"),
        (statement::FIND, "items_key"),
        (statement::LOAD, "items_pkey"),
        (statement::UPDATE, "items_pkey"),
        (statement::EDIT, "items_pkey"),
        (statement::DELETE, "items_pkey"),
        (statement::QUEUED, "items_queued"),
        (statement::NEXT_QUEUED, "items_delayed"),
        (statement::HELD_BY, "items_held"),
        (statement::NOTICED, "items_noticed"),
        (statement::UNCONFIRMED_SINCE, "items_unconfirmed"),
        (statement::BEAT, "workers_pkey"),
        (statement::START_LEASES, "workers_pkey"),
        (statement::DEAD, "workers_pkey"),
        (statement::FORGET_WORKER, "workers_pkey"),
        (statement::SET_LAPSED, "workers_pkey"),
        (statement::LOCK_PACE, "paces_pkey"),
        (statement::SET_PACE, "paces_pkey"),
        (statement::TOKEN, "tokens_pkey"),
        (statement::RENEW_TOKEN, "tokens_pkey"),
        (statement::SAVE_TOKEN, "tokens_pkey"),
        (statement::UNLOCK_TOKEN, "tokens_pkey"),
        (statement::NOTE, "notes_pkey"),
        (statement::NOTES, "notes_version"),
    ]
    .map(|(statement, index)| (statement.to_owned(), index))
    .into();
    all.push((statement::list(&ListItems::first(10)), "items_pkey"));
    for state in ItemState::ALL {
        all.push((
            statement::list(&ListItems::first(10).state(state)),
            "items_state",
        ));
    }
    all
}

fn plan(session: &mut Session, statement: &str) -> String {
    let count = (1..=18).rfind(|number| statement.contains(&format!("${number}")));
    let values = vec!["'1'"; count.unwrap_or(0)].join(", ");
    session
        .batch(&format!("PREPARE planned AS {statement}"))
        .unwrap();
    let explain = format!("EXPLAIN EXECUTE planned ({values})");
    let rows = session.query(&explain, &[]).unwrap();
    session.batch("DEALLOCATE planned").unwrap();
    let lines = rows.iter().map(|row| row.get::<_, &str>(0).to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn assert_indexed(session: &mut Session, what: &str) {
    for (statement, index) in look_ups() {
        let plan = plan(session, &statement);
        // While there are few rows, any index will do.
        let is_indexed = what == EMPTY || plan.contains(&format!(" using {index} on "));
        let is_sorted = ["Seq Scan", "Bitmap", "Sort"]
            .iter()
            .all(|node| !plan.contains(node));
        assert!(is_indexed && is_sorted, "{what}: {statement}\n{plan}");
    }
}

const EMPTY: &str = "an empty ledger";

/// Half of them wait, and nearly all of the others have ended.
const MILLION: &str = "
INSERT INTO items SELECT 1, id, decode(md5(id::text), 'hex'), '{}', state, 1, 0, id, NULL, NULL, NULL, id, \
    CASE id % 50 WHEN 0 THEN id ELSE 0 END, id, id, id % 100, id % 1000 = 1, false \
FROM (SELECT id, CASE WHEN id % 2 = 0 THEN 'queued' WHEN id % 1000 = 1 THEN 'running' \
    WHEN id % 1000 = 3 THEN 'unconfirmed' WHEN id % 1000 = 5 THEN 'failed' ELSE 'succeeded' END AS state \
    FROM generate_series(1, 1000000) AS id) AS numbered;
INSERT INTO ledgers SELECT id, id::text, '{}', '[]' FROM generate_series(1, 1000) AS id;
INSERT INTO workers SELECT 1, id, id, false, false FROM generate_series(1, 1000) AS id;
INSERT INTO paces SELECT id / 10, id % 10, '{}' FROM generate_series(1, 10000) AS id;
INSERT INTO tokens SELECT id, '{}', 0, id, id FROM generate_series(1, 1000) AS id;
";

#[test]
fn each_look_up_uses_its_index_in_a_ledger_of_a_million_items() {
    let Ok(url) = std::env::var("PAN123_TEST_POSTGRES") else {
        let line =
            b"the planner of PostgreSQL is not asked, since PAN123_TEST_POSTGRES is not set\n";
        return std::io::stderr().write_all(line).unwrap();
    };
    let mut settings = Settings::new(&url).unwrap();
    settings.place.schema = format!("pan123_test_{:x}", fastrand::u64(..));
    settings.timeout = std::time::Duration::from_secs(300);
    let runtime = worker::runtime().unwrap();
    let (mut session, _) = Session::connect(&runtime, &settings).unwrap();
    // Nothing of it stays.
    session.batch("BEGIN").unwrap();
    schema::prepare(&mut session, &settings.place).unwrap();
    assert_indexed(&mut session, EMPTY);
    session.batch(MILLION).unwrap();
    assert_indexed(&mut session, "full, without statistics");
    session
        .batch("ANALYZE items; ANALYZE ledgers; ANALYZE workers; ANALYZE paces; ANALYZE tokens")
        .unwrap();
    assert_indexed(&mut session, "full");
    session.batch("ROLLBACK").unwrap();
}
