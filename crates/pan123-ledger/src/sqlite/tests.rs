//! What only this module can bring about: a file that may not grow.

use std::time::SystemTime;

use pan123_proto::ledger::{
    Counts, Fence, ItemId, ItemKey, LedgerAnswer, LedgerFault, LedgerOp, NewItem, OpenLedger,
    SpilledTask, Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

use super::{Opened, SqliteLedger, place};

fn open(path: &std::path::Path) -> Opened {
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let path = place::prepare(path).unwrap();
    let ledger = SqliteLedger::new(&path);
    ledger.open_worker(&path, &account).unwrap()
}

fn ask(ledger: &mut Opened, op: LedgerOp) -> Result<LedgerAnswer, LedgerFault> {
    let transaction = Transaction::new(SystemTime::UNIX_EPOCH, vec![op]);
    Ok(ledger.run(transaction)?.remove(0))
}

fn counts(ledger: &mut Opened) -> Counts {
    match ask(ledger, LedgerOp::Counts) {
        Ok(LedgerAnswer::Counts(counts)) => counts,
        other => panic!("{other:?}"),
    }
}

fn add(from: usize) -> LedgerOp {
    let items = (from..from + 100).map(|number| {
        let download = Download::new(format!("https://example.com/{number}")).unwrap();
        NewItem::new(ItemKey::new(number.to_string()).unwrap(), download)
    });
    LedgerOp::Add(items.collect())
}

#[test]
fn full_ledger_takes_nothing_more_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("downloads.db"));
    let limit = |ledger: &Opened, pages: u32| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        ledger
            .connection
            .query_row(&pragma, [], |_| Ok(()))
            .unwrap();
    };
    assert_eq!(ask(&mut ledger, add(0)), Ok(LedgerAnswer::Added(100)));
    limit(&ledger, 1);
    for _ in 0..2 {
        let full = ask(&mut ledger, add(100));
        assert!(matches!(full, Err(LedgerFault::Full(_))), "{full:?}");
        assert_eq!(counts(&mut ledger).total(), 100, "all or nothing");
    }
    let task = SpilledTask::new(ItemId(1), Fence(1), TaskId::new(1).unwrap());
    assert_eq!(ledger.spill(task), Ok(()));
    limit(&ledger, 1_000_000);
    assert_eq!(ask(&mut ledger, add(50)), Ok(LedgerAnswer::Added(50)));
}

#[test]
fn row_that_cannot_be_read_breaks_the_handle_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("downloads.db"));
    ask(&mut ledger, add(0)).unwrap();
    let set_head = |ledger: &Opened, head: &str| {
        let changed = ledger
            .connection
            .execute("UPDATE head SET head = ?1", [head]);
        assert_eq!(changed, Ok(1));
    };
    let head: String = ledger
        .connection
        .query_row("SELECT head FROM head", [], |row| row.get(0))
        .unwrap();
    set_head(&ledger, "{}");
    let broken = ask(&mut ledger, LedgerOp::Counts);
    assert!(matches!(broken, Err(LedgerFault::Broken(_))), "{broken:?}");
    set_head(&ledger, &head);
    assert_eq!(ask(&mut ledger, LedgerOp::Counts), broken);
}
