//! Several workers, machines and accounts.

use std::time::{Duration, SystemTime};

use pan123_proto::Account;
use pan123_proto::ledger::{Ledger, LedgerAnswer, LedgerOp, Transaction};

use super::server::server;
use super::{account, add, ask, claim, intend_one, task, total};

const HOURS: Duration = Duration::from_secs(10 * 3600);

#[test]
fn clocks_of_machines_may_differ_by_hours() {
    let Some(server) = server() else {
        return;
    };
    let mut ahead = server.ledger_of(&server.url, "a").open(&account()).unwrap();
    let mut behind = server.ledger_of(&server.url, "b").open(&account()).unwrap();
    let now = SystemTime::now();
    let beat = |now| Transaction::new(now, vec![LedgerOp::Beat]);
    add(&mut *ahead, 2);
    behind.run(beat(now - HOURS)).unwrap();
    ahead.run(beat(now + HOURS)).unwrap();
    let (item, fence) = intend_one(&mut *behind);
    let claim = LedgerOp::Claim {
        create: 5,
        follow: 5,
    };
    let answers = ahead.run(Transaction::new(now + HOURS, vec![claim]));
    let Ok([LedgerAnswer::Claimed(claimed)]) = answers.as_deref() else {
        panic!("{answers:?}");
    };
    assert_eq!((claimed.to_create.len(), claimed.unconfirmed.len()), (1, 0));
    let created = LedgerOp::Created {
        item,
        fence,
        task: task(7),
    };
    assert_eq!(ask(&mut *behind, created), Ok(LedgerAnswer::Done));
}

#[test]
fn worker_whose_lease_has_lapsed_is_taken_over_and_cannot_go_on() {
    let Some(server) = server() else {
        return;
    };
    let mut first = server.ledger_of(&server.url, "a").open(&account()).unwrap();
    let second = server.ledger_of(&server.url, "b").lease(Duration::ZERO);
    let mut second = second.open(&account()).unwrap();
    add(&mut *first, 2);
    ask(&mut *first, LedgerOp::Beat).unwrap();
    let (sent, sent_fence) = intend_one(&mut *first);
    let waiting = claim(&mut *first, 1).to_create.remove(0);
    let mut unconfirmed = Vec::new();
    let mut claimed = Vec::new();
    // Once the server's clock has gone on.
    for _ in 0..10_000 {
        let found = claim(&mut *second, 5);
        unconfirmed.extend(found.unconfirmed.into_iter().map(|(id, _)| id));
        claimed.extend(found.to_create.into_iter().map(|(id, _)| id));
        if !claimed.is_empty() {
            break;
        }
    }
    assert_eq!((unconfirmed, claimed), (vec![sent], vec![waiting.0]));
    let intend = LedgerOp::Intend {
        item: waiting.0,
        fence: waiting.1.fence,
    };
    assert_eq!(ask(&mut *first, intend), Ok(LedgerAnswer::Lost));
    assert_eq!(ask(&mut *first, LedgerOp::Beat), Ok(LedgerAnswer::Lost));
    let created = LedgerOp::Created {
        item: sent,
        fence: sent_fence,
        task: task(7),
    };
    assert_eq!(ask(&mut *first, created), Ok(LedgerAnswer::Done));
}

#[test]
fn worker_that_ends_gives_up_at_once_what_it_holds() {
    let Some(server) = server() else {
        return;
    };
    let mut first = server.ledger_of(&server.url, "a").open(&account()).unwrap();
    let mut second = server.ledger_of(&server.url, "b").open(&account()).unwrap();
    add(&mut *first, 2);
    ask(&mut *first, LedgerOp::Beat).unwrap();
    intend_one(&mut *first);
    assert_eq!(claim(&mut *first, 1).to_create.len(), 1);
    let found = claim(&mut *second, 5);
    assert_eq!((found.to_create.len(), found.unconfirmed.len()), (0, 0));
    drop(first);
    let found = claim(&mut *second, 5);
    assert_eq!((found.to_create.len(), found.unconfirmed.len()), (1, 1));
    let workers = server.admin().ask("SELECT id FROM workers");
    assert_eq!(workers, ["2"]);
    let spill = server.folder.path().join("a").read_dir().unwrap();
    let names: Vec<_> = spill.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["server.json"]);
}

/// As one that was frozen for days.
#[test]
fn task_of_a_worker_that_was_forgotten_is_followed_by_another() {
    let Some(server) = server() else {
        return;
    };
    let mut forgotten = server.ledger_of(&server.url, "a").open(&account()).unwrap();
    let second = server.ledger_of(&server.url, "b").lease(Duration::ZERO);
    let mut second = second.open(&account()).unwrap();
    add(&mut *forgotten, 1);
    let (item, fence) = intend_one(&mut *forgotten);
    let admin = server.admin();
    admin.ask("UPDATE workers SET beat_at = 1, lapsed = true WHERE id = 1");
    assert_eq!(claim(&mut *second, 1).unconfirmed.len(), 1);
    assert_eq!(admin.ask("SELECT id FROM workers"), ["2"]);
    let created = LedgerOp::Created {
        item,
        fence,
        task: task(7),
    };
    assert_eq!(ask(&mut *forgotten, created), Ok(LedgerAnswer::Done));
    let followed = (0..10_000).any(|_| !claim(&mut *second, 1).to_follow.is_empty());
    assert!(followed);
    assert_eq!(ask(&mut *forgotten, LedgerOp::Beat), Ok(LedgerAnswer::Lost));
}

#[test]
fn accounts_of_one_database_do_not_meet() {
    let Some(server) = server() else {
        return;
    };
    let other = Account::new("https://open-api.123pan.com", "other-client-id");
    let mut ours = server.ledger().open(&account()).unwrap();
    let mut theirs = server
        .ledger_of(&server.url, "theirs")
        .open(&other)
        .unwrap();
    add(&mut *ours, 3);
    assert_eq!((total(&mut *ours), total(&mut *theirs)), (3, 0));
    add(&mut *theirs, 1);
    assert_eq!(claim(&mut *theirs, 10).to_create.len(), 1);
    assert_eq!(claim(&mut *ours, 10).to_create.len(), 3);
    // A folder belongs to one of them.
    let Err(fault) = server.ledger().open(&other) else {
        panic!("it opens");
    };
    assert!(fault.to_string().contains("client-id"), "{fault}");
}

/// A runtime inside of a runtime would panic.
#[test]
fn ledger_is_used_on_a_thread_of_a_runtime() {
    let Some(server) = server() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let ledger = server.ledger();
        let mut opened = ledger.open(&account()).unwrap();
        add(&mut *opened, 1);
        ledger.confirm_server(&account()).unwrap();
        drop(opened);
    });
}

#[test]
fn role_without_rights_but_those_on_its_own_schema_is_enough() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    let (role, database) = (&server.schema, admin.ask("SELECT current_database()"));
    let database = &database[0];
    let url = |user: &str| {
        let rest = server.url.split_once('@').unwrap().1;
        format!("postgres://{user}:plain@{rest}")
    };
    admin.ask(&format!("CREATE ROLE {role} LOGIN PASSWORD 'plain'"));
    let ledger = server.ledger_of(&url(role), "spill");
    let Err(fault) = ledger.open(&account()) else {
        panic!("it opens");
    };
    let text = fault.to_string();
    assert!(text.contains("let the role create the schema"), "{text}");
    admin.ask(&format!("CREATE SCHEMA {role} AUTHORIZATION {role}"));
    add(&mut *ledger.open(&account()).unwrap(), 1);
    admin.ask(&format!(
        "DROP SCHEMA {role} CASCADE; REVOKE ALL ON DATABASE {database} FROM {role}; DROP ROLE {role}"
    ));
}
