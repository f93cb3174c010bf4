//! A server that fails, is set otherwise or is another one.

use std::thread;
use std::time::Duration;

use pan123_ledger::PostgresLedger;
use pan123_proto::ledger::{Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask};
use pan123_proto::{PaceOp, PaceResult, RateClass, SharedPace};

use super::server::{Admin, TestServer, control, server, server_alone};
use super::{account, add, ask, claim, intend_one, item, task, total};

fn open(ledger: &PostgresLedger) -> Box<dyn OpenLedger> {
    ledger.open(&account()).unwrap()
}

fn refusal(ledger: &PostgresLedger) -> LedgerFault {
    match ledger.open(&account()) {
        Ok(_) => panic!("it opens"),
        Err(fault) => fault,
    }
}

/// The connections of the test, by a name of their own.
fn named(server: &TestServer, test: &str) -> PostgresLedger {
    let url = format!("{}&application_name={test}", server.url);
    server.ledger_of(&url, "spill")
}

pub(crate) fn terminate(admin: &Admin, test: &str, condition: &str) -> usize {
    let killed = admin.ask(&format!(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = '{test}' AND {condition}"
    ));
    killed.len()
}

#[test]
fn connection_that_is_lost_between_two_transactions_is_not_noticed() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    let mut ledger = open(&named(&server, "between"));
    add(&mut *ledger, 3);
    for _ in 0..3 {
        assert_eq!(terminate(&admin, "between", "true"), 1);
        assert_eq!(total(&mut *ledger), 3);
    }
    assert_eq!(terminate(&admin, "between", "true"), 1);
    intend_one(&mut *ledger);
}

#[test]
fn transaction_whose_backend_is_killed_is_down_and_did_not_happen() {
    let Some(server) = server() else {
        return;
    };
    let mut ledger = open(&named(&server, "middle"));
    add(&mut *ledger, 1);
    let admin = server.admin();
    // It waits in the middle, for a row that somebody else writes.
    admin.ask("BEGIN; LOCK TABLE items");
    let asking = thread::spawn(move || {
        let answer = ask(&mut *ledger, LedgerOp::Add(vec![item(1), item(2)]));
        (ledger, answer)
    });
    let killer = server.admin();
    while terminate(&killer, "middle", "wait_event_type = 'Lock'") == 0 {
        thread::yield_now();
    }
    let (mut ledger, answer) = asking.join().unwrap();
    let Err(LedgerFault::Down(text)) = &answer else {
        panic!("{answer:?}");
    };
    assert!(text.contains("57P01"), "{text}");
    admin.ask("ROLLBACK");
    assert_eq!(total(&mut *ledger), 1);
    let added = ask(&mut *ledger, LedgerOp::Add(vec![item(1), item(2)]));
    assert_eq!(added, Ok(LedgerAnswer::Added(1)));
}

#[test]
fn ledger_that_somebody_else_keeps_locked_is_busy() {
    let Some(server) = server() else {
        return;
    };
    let mut ledger = open(
        &server
            .database()
            .timeout(Duration::from_millis(600))
            .ledger(server.folder.path()),
    );
    add(&mut *ledger, 1);
    let admin = server.admin();
    admin.ask("BEGIN; SELECT id FROM ledgers FOR UPDATE");
    let answer = ask(&mut *ledger, LedgerOp::Beat);
    assert!(matches!(answer, Err(LedgerFault::Busy(_))), "{answer:?}");
    // Readers wait for nobody.
    assert_eq!(total(&mut *ledger), 1);
    admin.ask("ROLLBACK");
    let answer = ask(&mut *ledger, LedgerOp::Beat);
    assert!(matches!(answer, Ok(LedgerAnswer::Beaten(_))), "{answer:?}");
}

#[test]
fn task_of_a_server_that_is_away_is_kept_and_recorded_when_it_is_back() {
    let Some(server) = server_alone() else {
        return;
    };
    let ledger = server.ledger().spill_slots(2);
    let mut opened = open(&ledger);
    add(&mut *opened, 2);
    let (item, fence) = intend_one(&mut *opened);
    if !control(&["--mode", "immediate", "stop"]) {
        return;
    }
    let created = LedgerOp::Created {
        item,
        fence,
        task: task(7),
    };
    for _ in 0..2 {
        let answer = ask(&mut *opened, created.clone());
        assert!(matches!(answer, Err(LedgerFault::Down(_))), "{answer:?}");
    }
    assert!(matches!(refusal(&ledger), LedgerFault::Down(_)));
    assert_eq!(opened.spill_room(), 2);
    let spilled = SpilledTask::new(item, fence, task(7));
    assert_eq!(opened.spill(spilled), Ok(()));
    assert_eq!(opened.spill_room(), 1);
    assert!(control(&["start"]));
    assert_eq!(ask(&mut *opened, created), Ok(LedgerAnswer::Done));
    assert_eq!(opened.spill_room(), 2);
    assert_eq!(total(&mut *opened), 2);
}

#[test]
fn server_that_may_forget_is_refused() {
    let Some(server) = server_alone() else {
        return;
    };
    let url = format!("{}&options=-c%20synchronous_commit%3Doff", server.url);
    let fault = refusal(&server.ledger_of(&url, "spill"));
    let LedgerFault::Broken(text) = &fault else {
        panic!("{fault:?}");
    };
    assert!(text.contains("set synchronous_commit = on"), "{text}");

    let admin = server.admin();
    let set_fsync = |statement: &str, value: &str| {
        admin.ask(statement);
        admin.ask("SELECT pg_reload_conf()");
        while server.admin().ask("SHOW fsync") != [value] {
            thread::yield_now();
        }
    };
    set_fsync("ALTER SYSTEM SET fsync = off", "off");
    let fault = refusal(&server.ledger());
    set_fsync("ALTER SYSTEM RESET fsync", "on");
    let LedgerFault::Broken(text) = &fault else {
        panic!("{fault:?}");
    };
    assert!(text.contains("set fsync = on"), "{text}");
    open(&server.ledger());
}

fn assert_changed(fault: &LedgerFault) {
    let LedgerFault::Moved(text) = fault else {
        panic!("{fault:?}");
    };
    assert!(text.contains("confirm_server"), "{text}");
}

#[test]
fn another_server_is_refused_until_somebody_confirms_it() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    let (here, there) = (
        named(&server, "changed"),
        server.ledger_of(&server.url, "there"),
    );
    let mut opened = open(&here);
    drop(open(&there));
    // As if the ledger had been on another one until now, and this machine knew nothing of that.
    let elsewhere = r#"[{"system":"1","timeline":"00000001"}]"#;
    admin.ask(&format!("UPDATE ledgers SET servers = '{elsewhere}'"));
    assert_changed(&refusal(&here));
    // An open handle sees it when it connects again, and then is of no more use.
    assert!(terminate(&admin, "changed", "true") > 0);
    let answer = ask(&mut *opened, LedgerOp::Counts);
    assert_changed(answer.as_ref().unwrap_err());
    assert_eq!(ask(&mut *opened, LedgerOp::Counts), answer);
    here.confirm_server(&account()).unwrap();
    assert_eq!(ask(&mut *opened, LedgerOp::Counts), answer);
    // The other machine was on this server last, which was confirmed.
    for ledger in [&here, &there] {
        assert_eq!(total(&mut *open(ledger)), 0);
    }
    drop(opened);

    // The machine was on a later state than the server is.
    let known = server.folder.path().join("spill/server.json");
    let later = std::fs::read_to_string(&known).unwrap();
    let later = later.replace("\"timeline\":\"00000001\"", "\"timeline\":\"00000002\"");
    std::fs::write(&known, later).unwrap();
    assert_changed(&refusal(&here));
    here.confirm_server(&account()).unwrap();
    drop(open(&here));

    // A backup from before the ledger was made.
    admin.ask("DELETE FROM ledgers");
    for ledger in [&here, &there] {
        assert_changed(&refusal(ledger));
        ledger.confirm_server(&account()).unwrap();
        drop(open(ledger));
    }
}

#[test]
fn tables_of_another_program_or_version_are_left_alone() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    admin.ask(&format!("CREATE SCHEMA {}", server.schema));
    admin.ask("CREATE TABLE workers (id bigint)");
    let text = refusal(&server.ledger()).to_string();
    assert!(text.contains("tables of another program"), "{text}");
    admin.ask("DROP TABLE workers");
    drop(open(&server.ledger()));
    admin.ask("UPDATE pan123_ledger SET version = 99");
    let text = refusal(&server.ledger()).to_string();
    assert!(text.contains("version 99"), "{text}");
}

#[test]
fn schema_of_version_1_is_migrated_with_what_it_holds() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    let dump = include_str!("version-1.sql").replace("version_1", &server.schema);
    admin.ask(&dump);
    thread::scope(|scope| {
        for _ in 0..4 {
            let pace = server.database().pace();
            scope.spawn(move || {
                let (class, every) = (RateClass::new("create", Duration::ZERO), Duration::ZERO);
                let reserved = pace.run(&account(), PaceOp::Reserve { class, every });
                assert_eq!(reserved, PaceResult::Reserved(Duration::ZERO));
            });
        }
    });
    assert_ne!(admin.ask("SELECT version FROM pan123_ledger"), ["1"]);
    let ledger = server.ledger();
    // The dump is of another server.
    assert_changed(&refusal(&ledger));
    ledger.confirm_server(&account()).unwrap();
    let mut opened = open(&ledger);
    assert_eq!(total(&mut *opened), 3);
    let claimed = claim(&mut *opened, 5);
    assert_eq!(claimed.to_create.len(), 2);
    let [(_, running)] = &claimed.to_follow[..] else {
        panic!("{claimed:?}");
    };
    assert_eq!(running.task, Some(task(77)));
}

#[test]
fn tables_and_rows_that_are_gone_break_the_handle() {
    let Some(server) = server() else {
        return;
    };
    for lost in ["DELETE FROM ledgers", "DROP TABLE items"] {
        let mut ledger = open(&server.ledger_of(&server.url, lost));
        server.admin().ask(lost);
        let answer = ask(&mut *ledger, LedgerOp::Add(vec![item(1)]));
        assert!(matches!(answer, Err(LedgerFault::Broken(_))), "{answer:?}");
        assert_eq!(ask(&mut *ledger, LedgerOp::Counts), answer);
    }
}

#[test]
fn password_is_in_no_message() {
    let Some(server) = server() else {
        return;
    };
    let url = server
        .url
        .replacen("postgres://pan123:", "postgres://pan123:wrong-", 1);
    let database = server.database_of(&url);
    let spill = server.folder.path().join("spill");
    let ledger = database.ledger(&spill);
    let password = url.split(['@', ':']).nth(2).unwrap();
    assert!(password.starts_with("wrong-"));
    let fault = refusal(&ledger);
    assert!(matches!(fault, LedgerFault::Broken(_)), "{fault:?}");
    for text in [
        format!("{ledger:?}"),
        format!("{fault:?}"),
        fault.to_string(),
    ] {
        assert!(!text.contains("wrong"), "{text}");
    }
    let right = server.url.split(['@', ':']).nth(2).unwrap();
    assert_eq!(
        total(&mut *open(&database.password(right).ledger(spill))),
        0
    );
}

#[test]
fn certificate_of_the_server_is_checked() {
    let Some(server) = server() else {
        return;
    };
    let Ok(authority) = std::env::var("PAN123_TEST_POSTGRES_CA") else {
        return;
    };
    let url = |host: &str| {
        let url = server.url.replace("sslmode=disable", "sslmode=require");
        format!("{}&application_name=tls", url.replace("127.0.0.1", host))
    };
    let ledger = |host: &str| server.ledger_of(&url(host), "spill");
    let trusting = |host: &str| {
        let database = server.database_of(&url(host));
        let database = database.root_certificates(&authority).unwrap();
        database.ledger(server.folder.path().join("spill"))
    };
    let opened = open(&trusting("127.0.0.1"));
    let encrypted = server.admin().ask(
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'tls'",
    );
    assert_eq!(encrypted, ["t"]);
    drop(opened);
    // Of an authority that nobody knows; of another name.
    for refused in [ledger("127.0.0.1"), trusting("localhost")] {
        let fault = refusal(&refused);
        let text = fault.to_string();
        assert!(text.contains("certificate"), "{text}");
        assert!(matches!(fault, LedgerFault::Broken(_)), "{fault:?}");
    }
    let no_pem = server
        .database()
        .root_certificates(server.folder.path().join("none"));
    assert!(no_pem.unwrap_err().to_string().contains("is no PEM file"));
}
