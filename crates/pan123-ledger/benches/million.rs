//! Measures a ledger of a million items: each group of operations is one transaction, durable before its answer.
//!
//! `cargo bench -p pan123-ledger --bench million -- [FOLDER]`

#![allow(clippy::print_stdout, reason = "that is what a benchmark is for")]

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use pan123_ledger::{SqliteLedger, export, import};
use pan123_proto::ledger::{
    Ending, Fence, ItemId, ItemKey, Ledger, LedgerAnswer, LedgerOp, ListItems, NewItem, OpenLedger,
    Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

const ITEMS: usize = 1_000_000;
const GROUP: usize = 1000;
const SINGLE: usize = 1000;
const MAX_MEGABYTES: f64 = 20.0;

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let path = folder.path().join("downloads.db");
    println!(
        "{ITEMS} items, {GROUP} in a transaction; file system {}, {:.2?} for a write of 4 KiB and its fsync",
        file_system(folder.path()),
        fsync_time(folder.path())
    );
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let open = || SqliteLedger::new(&path).open(&account).expect("it opens");
    let mut ledger = open();
    let start = Instant::now();
    for first in (0..ITEMS).step_by(GROUP) {
        let items = (first..first + GROUP).map(item);
        ask(&mut *ledger, vec![LedgerOp::Add(items.collect())]);
    }
    report("add", ITEMS, start.elapsed());
    whole_ways(&mut *ledger);

    let start = Instant::now();
    drop(ledger);
    let mut ledger = open();
    println!("reopen: {:.2?}", start.elapsed());
    let start = Instant::now();
    let page = ListItems::first(100).after(ItemId(ITEMS as u64 / 2));
    ask(&mut *ledger, vec![LedgerOp::List(page)]);
    println!("a page of 100 in the middle: {:.2?}", start.elapsed());

    let lines = folder.path().join("downloads.jsonl");
    let start = Instant::now();
    let to = File::create(&lines).expect("a file");
    export(&mut *ledger, &account, io::BufWriter::new(to)).expect("it writes");
    report("export", ITEMS, start.elapsed());
    drop(ledger);
    let size = |path: &Path| megabytes(fs::metadata(path).expect("a file").len());
    println!(
        "file: {:.0} MB, export: {:.0} MB",
        size(&path),
        size(&lines)
    );
    fs::remove_file(&path).expect("it goes");
    let mut ledger = open();
    let start = Instant::now();
    let from = BufReader::new(File::open(&lines).expect("a file"));
    let imported = import(&mut *ledger, &account, from).expect("it reads");
    assert_eq!(imported.added, ITEMS);
    report("import", ITEMS, start.elapsed());
    if let Some(peak) = peak_memory() {
        assert!(peak < MAX_MEGABYTES, "{peak:.1} MB of memory");
    }
}

/// Claim, intend, created, end: first some items with a transaction for each intent, then the others in groups.
fn whole_ways(ledger: &mut dyn OpenLedger) {
    let start = Instant::now();
    let claims = claim(ledger, SINGLE);
    for &(item, fence) in &claims {
        ask(ledger, vec![LedgerOp::Intend { item, fence }]);
    }
    report("claim together, intend one by one", SINGLE, start.elapsed());
    finish(ledger, &claims);
    let mut took = [Duration::ZERO; 4];
    for _ in (SINGLE..ITEMS).step_by(GROUP) {
        let start = Instant::now();
        let claims = claim(ledger, GROUP);
        took[0] += start.elapsed();
        let start = Instant::now();
        let intend = |&(item, fence)| LedgerOp::Intend { item, fence };
        ask(ledger, claims.iter().map(intend).collect());
        took[1] += start.elapsed();
        let [created, ended] = finish(ledger, &claims);
        took[2] += created;
        took[3] += ended;
    }
    for (what, took) in ["claim", "intend", "created", "end"].into_iter().zip(took) {
        report(what, ITEMS - SINGLE, took);
    }
}

fn claim(ledger: &mut dyn OpenLedger, create: usize) -> Vec<(ItemId, Fence)> {
    let claim = LedgerOp::Claim { create, follow: 0 };
    match ask(ledger, vec![claim]).remove(0) {
        LedgerAnswer::Claimed(claimed) => {
            let claims = claimed.to_create.iter();
            claims.map(|(id, item)| (*id, item.fence)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn finish(ledger: &mut dyn OpenLedger, claims: &[(ItemId, Fence)]) -> [Duration; 2] {
    let task = |item: ItemId| TaskId::new(item.0).expect("no zero");
    let start = Instant::now();
    let created = |&(item, fence)| LedgerOp::Created {
        item,
        fence,
        task: task(item),
    };
    ask(ledger, claims.iter().map(created).collect());
    let took = start.elapsed();
    let start = Instant::now();
    let end = |&(item, _): &(ItemId, Fence)| LedgerOp::End {
        item,
        task: task(item),
        ending: Ending::Succeeded(None),
    };
    ask(ledger, claims.iter().map(end).collect());
    [took, start.elapsed()]
}

fn item(number: usize) -> NewItem {
    let url = format!("https://example.com/files/{number:08}/archive-{number:08}.tar.zst");
    let key = ItemKey::new(format!("row-{number}")).expect("a key");
    NewItem::new(key, Download::new(url).expect("a URL"))
}

fn ask(ledger: &mut dyn OpenLedger, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
    let transaction = Transaction::new(SystemTime::now(), ops);
    ledger.run(transaction).expect("it answers")
}

fn report(what: &str, items: usize, took: Duration) {
    let rate = f64::from(u32::try_from(items).expect("few")) / took.as_secs_f64();
    let memory = peak_memory().map_or_else(String::new, |peak| {
        format!(", {peak:.1} MB of memory at most")
    });
    println!("{what}: {took:.2?}, {rate:.0} items/s{memory}");
}

/// The most memory that this process had, in MB, where the system tells it.
fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(megabytes(kilobytes << 10))
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

fn fsync_time(folder: &Path) -> Duration {
    const TIMES: u32 = 50;
    let mut file = File::create(folder.join("probe")).expect("a file");
    let start = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&[1; 4096]).expect("it is written");
        file.sync_data().expect("it is durable");
    }
    start.elapsed() / TIMES
}

/// The kind of the file system, where the system tells it.
fn file_system(folder: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' '));
    let places = fields.filter_map(|mut fields| Some((fields.nth(1)?, fields.next()?)));
    let holding = places.filter(|(place, _)| folder.starts_with(place));
    let nearest = holding.max_by_key(|(place, _)| place.len());
    nearest.map_or("unknown", |(_, kind)| kind).to_owned()
}
