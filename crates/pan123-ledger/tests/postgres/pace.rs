//! The shared pace.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pan123_ledger::PostgresPace;
use pan123_proto::{ClassPace, PaceOp, PaceResult, RateClass, SharedPace};

use super::account;
use super::faults::terminate;
use super::server::{TestServer, control, server, server_alone};

/// So long that a slow test does not reach the next slot.
const EVERY: Duration = Duration::from_secs(1000);
const CREATE: RateClass = RateClass::new("create", EVERY);
const POLL: RateClass = RateClass::new("poll", EVERY);

fn reserve(pace: &PostgresPace, class: RateClass) -> PaceResult {
    let every = class.interval();
    pace.run(&account(), PaceOp::Reserve { class, every })
}

/// Reserves a slot, and returns how many intervals it is away.
fn slot(pace: &PostgresPace, class: RateClass) -> u128 {
    match reserve(pace, class) {
        PaceResult::Reserved(wait) => {
            let every = class.interval().as_micros();
            (wait.as_micros() + every / 2) / every
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn slots_of_several_connections_never_collide() {
    let Some(server) = server() else {
        return;
    };
    let mut slots: Vec<u128> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let pace = server.database().pace();
                scope.spawn(move || (0..10).map(|_| slot(&pace, CREATE)).collect::<Vec<_>>())
            })
            .collect();
        let slots = threads.into_iter().map(|thread| thread.join().unwrap());
        slots.flatten().collect()
    });
    slots.sort_unstable();
    assert_eq!(slots, (0..80).collect::<Vec<_>>());
}

fn clients(server: &TestServer, name: &str, count: usize) -> Vec<PostgresPace> {
    let url = format!("{}&application_name={name}", server.url);
    let databases = (0..count).map(|_| server.database_of(&url).pace());
    databases.collect()
}

#[test]
#[allow(clippy::print_stdout, reason = "shown if the test fails")]
fn operations_of_several_connections_follow_the_rule_one_after_the_other() {
    let Some(server) = server() else {
        return;
    };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let admin = server.admin();
    reserve(&server.database().pace(), CREATE);
    admin.ask(LOG_CHANGES);
    let mut told: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let pace = clients(&server, &number.to_string(), 1).remove(0);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed ^ number);
                    let ops = (0..50).map(|_| random_op(&mut random));
                    let told = ops.map(|op| (op.clone(), pace.run(&account(), op)));
                    told.collect::<Vec<_>>().into_iter()
                })
            })
            .collect();
        let told = threads.into_iter().map(|thread| thread.join().unwrap());
        told.collect()
    });
    let mut stored = None;
    for change in admin.ask("SELECT change FROM changes ORDER BY number") {
        let [client, before, after] = &change.split('|').collect::<Vec<_>>()[..] else {
            panic!("{change}");
        };
        // Nobody's change was lost.
        assert_eq!(stored.get_or_insert((*before).to_owned()), before);
        stored = Some((*after).to_owned());
        let fields: serde_json::Value = serde_json::from_str(after).unwrap();
        let clock = Duration::from_micros(fields["at"].as_u64().unwrap());
        let (op, result) = told[client.parse::<usize>().unwrap()].next().unwrap();
        let mut pace: ClassPace = serde_json::from_str(before).unwrap();
        assert_eq!(pace.run(clock, &op), result);
        assert_eq!(serde_json::to_string(&pace).unwrap(), *after);
    }
    assert!(told.iter_mut().all(|told| told.next().is_none()));
}

/// In the order in which the row was locked.
const LOG_CHANGES: &str = "
CREATE TABLE changes (number bigserial, change text);
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        INSERT INTO changes (change)
            VALUES (concat_ws('|', current_setting('application_name'), OLD.pace, NEW.pace));
        RETURN NULL;
    END $$;
CREATE TRIGGER log_change AFTER UPDATE ON paces FOR EACH ROW EXECUTE FUNCTION log_change();
";

fn random_op(random: &mut fastrand::Rng) -> PaceOp {
    let class = CREATE;
    let mut millis = |most| Duration::from_millis(random.u64(..most));
    match millis(4).as_millis() {
        0 => PaceOp::HoldOff {
            class,
            wait: millis(3000),
            reserved: millis(50),
        },
        _ => PaceOp::Reserve {
            class,
            every: millis(1000),
        },
    }
}

#[test]
fn hold_off_is_for_all_connections_and_classes_and_accounts_are_apart() {
    let Some(server) = server() else {
        return;
    };
    let paces = clients(&server, "apart", 2);
    assert_eq!(slot(&paces[0], CREATE), 0);
    let hold_off = PaceOp::HoldOff {
        class: CREATE,
        wait: EVERY * 5,
        reserved: Duration::ZERO,
    };
    let held = paces[0].run(&account(), hold_off);
    assert_eq!(held, PaceResult::HeldOff);
    assert_eq!(slot(&paces[1], CREATE), 5);
    // At half the speed afterwards.
    assert_eq!(slot(&paces[0], CREATE), 7);
    assert_eq!(slot(&paces[1], POLL), 0);
    let (class, every) = (CREATE, EVERY);
    let other = paces[1].run(&account().of_user("b"), PaceOp::Reserve { class, every });
    assert_eq!(other, PaceResult::Reserved(Duration::ZERO));
}

#[test]
fn clock_of_the_server_that_is_set_back_counts_as_one_that_stood_still() {
    let Some(server) = server() else {
        return;
    };
    let pace = server.database().pace();
    assert_eq!([slot(&pace, CREATE), slot(&pace, CREATE)], [0, 1]);
    for hours in [1, -1] {
        server.admin().ask(&format!(
            "UPDATE paces SET pace = jsonb_set(pace::jsonb, '{{at}}', \
            to_jsonb((pace::jsonb->>'at')::bigint + {hours} * 3600000000))"
        ));
        let expected = if hours > 0 { 2 } else { 0 };
        assert_eq!(slot(&pace, CREATE), expected);
    }
}

#[test]
fn class_whose_row_somebody_keeps_locked_does_not_hold_up_the_others() {
    let Some(server) = server() else {
        return;
    };
    let pace = server.database().timeout(Duration::from_secs(60)).pace();
    assert_eq!([slot(&pace, CREATE), slot(&pace, POLL)], [0, 0]);
    let admin = server.admin();
    admin.ask("BEGIN; SELECT * FROM paces WHERE class = 'create' FOR UPDATE");
    let waiting = thread::spawn({
        let pace = pace.clone();
        move || slot(&pace, CREATE)
    });
    let watcher = server.admin();
    let waits = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while watcher.ask(waits).is_empty() {
        thread::yield_now();
    }
    let began = Instant::now();
    for expected in 1..6 {
        assert_eq!(slot(&pace, POLL), expected);
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    assert!(!waiting.is_finished());
    admin.ask("ROLLBACK");
    assert_eq!(waiting.join().unwrap(), 1);
}

/// Reserves on several connections while something happens to them, five times. Returns how many slots were reserved, and how often
/// there was no answer.
fn disturb(server: &TestServer, name: &str, mut disturb: impl FnMut()) -> (usize, usize) {
    let paces = clients(server, name, 4);
    slot(&paces[0], CREATE);
    let is_over = AtomicBool::new(false);
    let disturbed = RwLock::new(());
    let results: Vec<PaceResult> = thread::scope(|scope| {
        let threads: Vec<_> = paces
            .iter()
            .map(|pace| {
                let work = || {
                    let mut results = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        results.push(reserve(pace, CREATE));
                        if let Some(PaceResult::Unavailable(_)) = results.last() {
                            // Until the server is back.
                            drop(disturbed.read());
                        }
                    }
                    results
                };
                scope.spawn(work)
            })
            .collect();
        let disturb = |_| {
            let _until_it_is_over = disturbed.write();
            disturb();
        };
        let ended = catch_unwind(AssertUnwindSafe(|| (0..5).for_each(disturb)));
        is_over.store(true, Ordering::Relaxed);
        ended.unwrap();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.flatten().collect()
    });
    let (mut slots, mut unanswered) = (BTreeSet::new(), 0);
    for result in results {
        match result {
            PaceResult::Reserved(wait) => {
                let slot = (wait.as_micros() + EVERY.as_micros() / 2) / EVERY.as_micros();
                assert!(slots.insert(slot), "slot {slot} was reserved twice");
            }
            PaceResult::Unavailable(text) => {
                assert!(text.starts_with("PostgreSQL at 127.0.0.1:"), "{text}");
                unanswered += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // By itself.
    for pace in &paces {
        assert!(slots.insert(slot(pace, CREATE)));
    }
    (slots.len(), unanswered)
}

#[test]
fn reserved_slot_outlives_a_killed_server() {
    let Some(server) = server_alone() else {
        return;
    };
    let mut is_possible = true;
    let (reserved, unanswered) = disturb(&server, "killed", || {
        is_possible = is_possible && control(&["--mode", "immediate", "stop"]);
        assert!(!is_possible || control(&["start"]));
    });
    assert!(!is_possible || unanswered > 0, "{reserved} reserved");
}

#[test]
fn connections_that_are_cut_are_made_anew() {
    let Some(server) = server() else {
        return;
    };
    let admin = server.admin();
    let mut cuts = 0;
    let (reserved, _) = disturb(&server, "cut", || {
        cuts += terminate(&admin, "cut", "true");
    });
    assert!(
        cuts > 5 && reserved > 10,
        "{cuts} cuts, {reserved} reserved"
    );
}

fn failed(result: PaceResult) -> String {
    match result {
        PaceResult::Failed(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_somebody_has_to_repair_is_said_and_what_passes_is_told_apart() {
    let Some(server) = server() else {
        return;
    };
    let at = |url: &str| server.database_of(url);
    let wrong = server.url.replacen("pan123:", "pan123:wrong-", 1);
    let database = at(&wrong);
    let text = failed(reserve(&database.pace(), CREATE));
    assert!(text.contains("check the user and the password"), "{text}");
    for shown in [text, format!("{database:?} {:?}", database.pace())] {
        assert!(
            !shown.contains("wrong") && !shown.contains("pan123:"),
            "{shown}"
        );
    }
    let missing = server.url.replace("/postgres?", "/missing?");
    let text = failed(reserve(&at(&missing).pace(), CREATE));
    assert!(text.contains("create the database"), "{text}");

    let pace = server.database().pace();
    assert_eq!(slot(&pace, CREATE), 0);
    let admin = server.admin();
    let schema = &server.schema;
    let role = format!("{schema}_role");
    admin.ask(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO {role}"
    ));
    let (_, host) = server.url.split_once('@').unwrap();
    let pace_of_role = at(&format!("postgres://{role}:x@{host}")).pace();
    let text = failed(reserve(&pace_of_role, CREATE));
    admin.ask(&format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}"
    ));
    assert!(text.contains("42501"), "{text}");
    assert_eq!(slot(&pace_of_role, CREATE), 1);
    admin.ask("UPDATE pan123_ledger SET version = 99");
    let text = failed(reserve(&server.database().pace(), CREATE));
    assert!(text.contains("version 99"), "{text}");
    drop(pace_of_role);
    admin.ask(&format!("DROP OWNED BY {role}"));
    while !admin
        .ask(&format!(
            "SELECT 1 FROM pg_stat_activity WHERE usename = '{role}'"
        ))
        .is_empty()
    {
        thread::yield_now();
    }
    admin.ask(&format!("DROP ROLE {role}"));

    // A port where nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let pace = at(&format!("postgres://a@{address}/b?sslmode=disable")).pace();
    let refused = reserve(&pace, CREATE);
    assert!(matches!(refused, PaceResult::Unavailable(_)), "{refused:?}");
}

#[test]
fn server_that_does_not_answer_is_unavailable_after_the_timeout() {
    let Some(server) = server() else {
        return;
    };
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://a@{}/b?sslmode=disable",
        silent.local_addr().unwrap()
    );
    let database = server.database_of(&url).timeout(Duration::from_millis(200));
    let pace = database.pace();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let result = reserve(&pace, CREATE);
                assert!(matches!(&result, PaceResult::Unavailable(text) if text.contains("no answer in time")), "{result:?}");
            });
        }
    });
}

#[test]
fn connection_on_which_no_answer_comes_is_given_up() {
    let Some(server) = server() else {
        return;
    };
    let url = format!("{}&application_name=slow", server.url);
    let database = server.database_of(&url);
    let pace = database.timeout(Duration::from_secs(1)).pace();
    assert_eq!(slot(&pace, CREATE), 0);
    let admin = server.admin();
    admin.ask(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$; \
        CREATE TRIGGER wait BEFORE UPDATE ON paces FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    let result = reserve(&pace, CREATE);
    assert!(
        matches!(&result, PaceResult::Unavailable(text) if text.contains("no answer in time")),
        "{result:?}"
    );
    terminate(&admin, "slow", "true");
    admin.ask("DROP TRIGGER wait ON paces");
    assert_eq!(slot(&pace, CREATE), 1);
}

#[test]
fn pace_is_used_and_dropped_inside_of_a_runtime() {
    let Some(server) = server() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pace = server.database().pace();
        assert_eq!(slot(&pace, CREATE), 0);
        drop(pace);
        // The thread of one that was not used was never started.
        drop(server.database().pace());
    });
}
