//! Measures a ledger of a million items: each group of operations is one transaction, durable before its answer.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use pan123_ledger::{SqliteLedger, export, import};
use pan123_proto::ledger::{
    Ending, Fence, ItemId, ItemKey, Ledger, LedgerAnswer, LedgerOp, ListItems, NewItem, OpenLedger,
    Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

use crate::measure::{output, this_program};
use crate::process::{self, peak_memory};

const ITEMS: usize = 1_000_000;
const GROUP: usize = 1000;
const SINGLE: usize = 1000;
const MAX_MEGABYTES: f64 = 20.0;

/// Prints what each step takes; the argument is the folder of the file.
pub(crate) fn table(out: &mut dyn Write, arguments: &[&str]) -> io::Result<()> {
    let output = output(&mut this_program(
        &[],
        &[&["ledger-rows"], arguments].concat(),
    ));
    out.write_all(&output.stdout)
}

/// What a child process does, so that its memory counts alone.
pub(crate) fn rows(out: &mut dyn Write, arguments: &[&str]) -> io::Result<()> {
    let folder = match arguments {
        [named, ..] => tempfile::tempdir_in(named)?,
        [] => process::folder(),
    };
    let path = folder.path().join("downloads.db");
    writeln!(
        out,
        "{ITEMS} items, {GROUP} in a transaction; file system {}, {:.2?} for a write of 4 KiB and its fsync.\n\n| step | took | items a second | memory at most |\n|---|---|---|---|",
        file_system(folder.path()),
        fsync_time(folder.path())
    )?;
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let open = || SqliteLedger::new(&path).open(&account).expect("it opens");
    let mut ledger = open();
    let start = Instant::now();
    for first in (0..ITEMS).step_by(GROUP) {
        let items = (first..first + GROUP).map(item);
        ask(&mut *ledger, vec![LedgerOp::Add(items.collect())]);
    }
    report(out, "add", ITEMS, start.elapsed())?;
    whole_ways(out, &mut *ledger)?;

    let start = Instant::now();
    drop(ledger);
    let mut ledger = open();
    writeln!(out, "| reopen | {:.2?} | | |", start.elapsed())?;
    let start = Instant::now();
    let page = ListItems::first(100).after(ItemId(ITEMS as u64 / 2));
    ask(&mut *ledger, vec![LedgerOp::List(page)]);
    writeln!(
        out,
        "| list 100 in the middle | {:.2?} | | |",
        start.elapsed()
    )?;

    let lines = folder.path().join("downloads.jsonl");
    let start = Instant::now();
    let to = File::create(&lines).expect("a file");
    export(&mut *ledger, &account, io::BufWriter::new(to)).expect("it writes");
    report(out, "export", ITEMS, start.elapsed())?;
    drop(ledger);
    let size = |path: &Path| megabytes(fs::metadata(path).expect("a file").len());
    let sizes = [size(&path), size(&lines)];
    fs::remove_file(&path).expect("it goes");
    let mut ledger = open();
    let start = Instant::now();
    let from = BufReader::new(File::open(&lines).expect("a file"));
    let imported = import(&mut *ledger, &account, from).expect("it reads");
    assert_eq!(imported.added, ITEMS);
    report(out, "import", ITEMS, start.elapsed())?;
    let peak = peak_memory();
    assert!(peak < MAX_MEGABYTES, "{peak:.1} MB of memory");
    let [file, export] = sizes;
    writeln!(
        out,
        "\nThe file has {file:.0} MB, the export {export:.0} MB."
    )
}

/// Claim, intend, created, end: first some items with a transaction for each intent, then the others in groups.
fn whole_ways(out: &mut dyn Write, ledger: &mut dyn OpenLedger) -> io::Result<()> {
    let start = Instant::now();
    let claims = claim(ledger, SINGLE);
    for &(item, fence) in &claims {
        ask(ledger, vec![LedgerOp::Intend { item, fence }]);
    }
    let took = start.elapsed();
    report(out, "claim together, intend one by one", SINGLE, took)?;
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
        report(out, what, ITEMS - SINGLE, took)?;
    }
    Ok(())
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

fn report(out: &mut dyn Write, what: &str, items: usize, took: Duration) -> io::Result<()> {
    let rate = f64::from(u32::try_from(items).expect("few")) / took.as_secs_f64();
    let peak = peak_memory();
    writeln!(out, "| {what} | {took:.2?} | {rate:.0} | {peak:.1} MB |")
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
