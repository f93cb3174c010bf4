//! The ledger in an SQLite file.

use std::path::Path;
use std::time::{Duration, SystemTime};

use pan123_ledger::SqliteLedger;
use pan123_proto::ledger::{
    Claimed, Counts, Ending, ItemKey, ItemState, Ledger, LedgerAnswer, LedgerFault, LedgerOp,
    NewItem, OpenLedger, SpilledTask, Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

fn account() -> Account {
    Account::new("https://open-api.123pan.com", "client-id")
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000 + seconds)
}

fn run(ledger: &mut dyn OpenLedger, seconds: u64, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
    ledger
        .run(Transaction::new(at(seconds), ops))
        .expect("it answers")
}

fn item(number: usize) -> NewItem {
    let download = Download::new(format!("https://example.com/{number}")).expect("a URL");
    NewItem::new(
        ItemKey::new(format!("item-{number}")).expect("a key"),
        download,
    )
}

fn claim(ledger: &mut dyn OpenLedger, seconds: u64) -> Claimed {
    let op = LedgerOp::Claim {
        create: 10,
        follow: 10,
    };
    match run(ledger, seconds, vec![op]).remove(0) {
        LedgerAnswer::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    }
}

fn counts(ledger: &mut dyn OpenLedger) -> Counts {
    match run(ledger, 0, vec![LedgerOp::Counts]).remove(0) {
        LedgerAnswer::Counts(counts) => counts,
        other => panic!("{other:?}"),
    }
}

fn task(number: u64) -> TaskId {
    TaskId::new(number).expect("a task id")
}

fn open(path: &Path) -> Box<dyn OpenLedger> {
    SqliteLedger::new(path).open(&account()).expect("a ledger")
}

fn refusal(path: &Path) -> String {
    match SqliteLedger::new(path).open(&account()) {
        Ok(_) => panic!("it opens"),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn item_goes_its_whole_way_and_stays_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/downloads.db");
    let mut ledger = open(&path);
    let added = run(
        &mut *ledger,
        0,
        vec![LedgerOp::Add(vec![item(1), item(2), item(1)])],
    );
    assert_eq!(added, [LedgerAnswer::Added(2)]);
    let claimed = claim(&mut *ledger, 1);
    let (id, first) = &claimed.to_create[0];
    let (id, fence) = (*id, first.fence);
    let ops = vec![
        LedgerOp::Intend { item: id, fence },
        LedgerOp::Created {
            item: id,
            fence,
            task: task(7),
        },
    ];
    assert_eq!(
        run(&mut *ledger, 2, ops),
        [LedgerAnswer::Done, LedgerAnswer::Done]
    );
    drop(ledger);
    let mut ledger = open(&path);
    let claimed = claim(&mut *ledger, 3);
    assert_eq!(claimed.to_follow.len(), 1, "{claimed:?}");
    assert_eq!(claimed.to_follow[0].1.task, Some(task(7)));
    let ending = Ending::Succeeded(None);
    let end = LedgerOp::End {
        item: id,
        task: task(7),
        ending,
    };
    assert_eq!(run(&mut *ledger, 4, vec![end]), [LedgerAnswer::Done]);
    let counts = counts(&mut *ledger);
    assert_eq!(counts.of(ItemState::Succeeded), 1, "{counts:?}");
    assert_eq!(counts.total(), 2);
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut ledger = open(&path);
    run(&mut *ledger, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let mut names = Vec::new();
    for entry in folder.path().read_dir().expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "downloads.db",
            "downloads.db-shm",
            "downloads.db-wal",
            "downloads.db-worker-1"
        ]
    );
}

#[test]
fn what_is_no_ledger_of_the_account_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but a text that is long enough for a header",
    )
    .unwrap();
    let error = refusal(&text);
    assert!(error.contains("notes.txt is not a ledger"), "{error}");
    let content = std::fs::read_to_string(&text).unwrap();
    assert!(content.starts_with("not a database"), "it is overwritten");

    let foreign = folder.path().join("foreign.db");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other
        .execute_batch("CREATE TABLE songs (name TEXT)")
        .unwrap();
    let error = refusal(&foreign);
    assert!(error.contains("database of another program"), "{error}");
    drop(other);

    let newer = folder.path().join("newer.db");
    drop(open(&newer));
    let other = rusqlite::Connection::open(&newer).unwrap();
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    drop(other);
    let error = refusal(&newer);
    assert!(error.contains("version 2"), "{error}");

    let theirs = folder.path().join("theirs.db");
    let other = Account::new("https://open-api.123pan.com", "somebody-else");
    drop(SqliteLedger::new(&theirs).open(&other).expect("a ledger"));
    let error = refusal(&theirs);
    assert!(error.contains("somebody-else"), "{error}");

    for path in [folder.path(), Path::new(""), Path::new("..")] {
        let error = refusal(path);
        assert!(error.contains("give the path of a file"), "{error}");
    }
}

#[test]
fn dead_worker_is_seen_at_once_and_a_living_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    let mut second = open(&path);
    run(
        &mut *first,
        0,
        vec![LedgerOp::Beat, LedgerOp::Add(vec![item(1), item(2)])],
    );
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *first, 1, vec![LedgerOp::Intend { item: id, fence }]);
    let none = claim(&mut *second, 2);
    assert!(
        none.to_create.is_empty() && none.unconfirmed.is_empty(),
        "{none:?}"
    );
    drop(first);
    let taken = claim(&mut *second, 3);
    assert_eq!(
        (taken.to_create.len(), taken.unconfirmed.len()),
        (1, 1),
        "{taken:?}"
    );
    assert!(!folder.path().join("downloads.db-worker-1").exists());
}

#[test]
fn frozen_worker_is_taken_over_and_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    let mut second = open(&path);
    run(
        &mut *first,
        0,
        vec![LedgerOp::Beat, LedgerOp::Add(vec![item(1)])],
    );
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *second, 10, vec![LedgerOp::Beat]);
    assert_eq!(claim(&mut *second, 29).to_create.len(), 0);
    assert_eq!(claim(&mut *second, 32).to_create.len(), 1);
    let intend = LedgerOp::Intend { item: id, fence };
    let answers = run(
        &mut *first,
        33,
        vec![intend, LedgerOp::Beat, LedgerOp::Beat],
    );
    assert_eq!(answers[..2], [LedgerAnswer::Lost, LedgerAnswer::Lost]);
    assert_eq!(answers[2], LedgerAnswer::Beaten(Vec::new()));
}

#[test]
fn full_disk_leaves_the_task_in_the_spill_and_the_next_worker_finds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let mut first = open(&path);
    run(&mut *first, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *first, 1, vec![LedgerOp::Intend { item: id, fence }]);
    let room = first.spill_room();
    first
        .spill(SpilledTask::new(id, fence, task(9)))
        .expect("there is room");
    assert_eq!(first.spill_room(), room - 1);
    drop(first);
    assert!(folder.path().join("downloads.db-worker-1").exists());
    let mut second = open(&path);
    let taken = claim(&mut *second, 2);
    assert!(taken.unconfirmed.is_empty(), "{taken:?}");
    assert_eq!(taken.to_follow[0].1.task, Some(task(9)));
    assert!(!folder.path().join("downloads.db-worker-1").exists());
}

#[test]
fn spill_frees_its_slots_when_the_ledger_takes_the_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("downloads.db");
    let ledger = SqliteLedger::new(&path).spill_slots(2);
    let mut first = ledger.open(&account()).expect("a ledger");
    run(&mut *first, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *first, 1, vec![LedgerOp::Intend { item: id, fence }]);
    first
        .spill(SpilledTask::new(id, fence, task(9)))
        .expect("room");
    first
        .spill(SpilledTask::new(id, fence, task(10)))
        .expect("room");
    let full = first.spill(SpilledTask::new(id, fence, task(11)));
    assert!(matches!(full, Err(LedgerFault::Full(_))), "{full:?}");
    let created = LedgerOp::Created {
        item: id,
        fence,
        task: task(9),
    };
    assert_eq!(run(&mut *first, 2, vec![created]), [LedgerAnswer::Done]);
    assert_eq!(first.spill_room(), 1);
}

#[test]
fn export_and_import_move_every_item() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = open(&folder.path().join("first.db"));
    let added: Vec<_> = (0..1234).map(item).collect();
    run(&mut *first, 0, vec![LedgerOp::Add(added)]);
    let claimed = claim(&mut *first, 1);
    let (id, fence) = (claimed.to_create[0].0, claimed.to_create[0].1.fence);
    run(&mut *first, 1, vec![LedgerOp::Intend { item: id, fence }]);
    let mut text = Vec::new();
    let count = pan123_ledger::export(&mut *first, &account(), &mut text).expect("it writes");
    assert_eq!(count, 1234);
    text.extend(b"{\"key\":\"bad\"}\n\nnot json\n");
    let mut second = open(&folder.path().join("second.db"));
    let imported = pan123_ledger::import(&mut *second, &account(), &text[..]).expect("it reads");
    assert_eq!((imported.added, imported.known), (1234, 0));
    let bad: Vec<_> = imported.bad_lines.iter().map(|(line, _)| *line).collect();
    assert_eq!(bad, [1236, 1238]);
    let counts = counts(&mut *second);
    assert_eq!(counts.of(ItemState::Unconfirmed), 1, "{counts:?}");
    assert_eq!(counts.of(ItemState::Queued), 1233);
    let again = pan123_ledger::import(&mut *second, &account(), &text[..]).expect("it reads");
    assert_eq!((again.added, again.known), (0, 1234));
    let other = Account::new("https://open-api.123pan.com", "somebody-else");
    let error = pan123_ledger::import(&mut *second, &other, &text[..]).unwrap_err();
    assert!(error.to_string().contains("client-id"), "{error}");
}
