//! The file passes the suite of every ledger, and answers as the ledger in memory does, whatever is asked.

use pan123_ledger::SqliteLedger;
use pan123_proto::ledger::conformance;

use crate::common::model::assert_answers_as_memory;

const SEEDS: u64 = 3;

#[test]
fn file_passes_the_suite_of_every_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::run(&mut || {
        count += 1;
        let path = folder.path().join(format!("{count}.db"));
        Box::new(SqliteLedger::new(path))
    });
    assert!(count > 10, "{count} cases");
}

#[test]
fn file_answers_as_the_ledger_in_memory_does() {
    for seed in 0..SEEDS {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteLedger::new(folder.path().join("downloads.db"));
        assert_answers_as_memory(&file, seed);
    }
}
