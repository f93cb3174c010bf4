//! What many workers cost one PostgreSQL server. Each has a ledger and a pace, and asks them what a batch asks; requests to the service
//! take no time. Tasks end after 2 s.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pan123_ledger::{Postgres, PostgresPace};
use pan123_proto::ledger::{
    Ending, Fence, ItemId, ItemKey, Ledger, LedgerAnswer, LedgerOp, NewItem, OpenLedger,
    Transaction,
};
use pan123_proto::offline::Download;
use pan123_proto::{Account, PaceOp, PaceResult, RateClass, SharedPace, TaskId};
use tokio_postgres::{Client, NoTls};

use crate::process::{stat_fields, ticks};

/// As in a batch.
const BEAT: Duration = Duration::from_secs(2);
const CLAIM: Duration = Duration::from_secs(5);
const CREATES: usize = 4;
/// How long a task runs.
const RUNS: Duration = Duration::from_secs(2);
/// How often all workers together may poll.
const POLL: RateClass = RateClass::new("progress", Duration::from_millis(200));
/// In milliseconds, how often all workers together may create; 0 is never, and polls are none, either.
const CASES: [(usize, u64); 7] = [
    (100, 0),
    (1, 1000),
    (8, 1000),
    (100, 1000),
    (1, 20),
    (8, 20),
    (100, 20),
];

/// Prints a row for each case; the argument is how many seconds one lasts.
pub(crate) fn table(out: &mut dyn Write, url: &str, arguments: &[&str]) -> io::Result<()> {
    let seconds = arguments.first().and_then(|seconds| seconds.parse().ok());
    let lasts = Duration::from_secs(seconds.unwrap_or(8));
    writeln!(
        out,
        "| workers | creates a second | connections | transactions a second | CPU of the server | reserve | Intend | Created, End | Beat, Claim | creates of a worker |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for (workers, every) in CASES {
        row(out, url, workers, Duration::from_millis(every), lasts)?;
    }
    Ok(())
}

/// Runs one case in a schema of its own, and prints what it took.
fn row(
    out: &mut dyn Write,
    url: &str,
    count: usize,
    every: Duration,
    lasts: Duration,
) -> io::Result<()> {
    let database = super::database(url);
    let folder = tempfile::tempdir()?;
    let mut workers: Vec<_> = (0..count)
        .map(|_| Worker::new(&database, folder.path(), every))
        .collect();
    if !every.is_zero() {
        let items = lasts.as_millis() / every.as_millis();
        workers[0].add(usize::try_from(items).expect("few") + count * CREATES);
    }
    let mut server = Server::connect(url);
    let start = Barrier::new(count + 1);
    let (tallies, used) = thread::scope(|scope| {
        let work = |worker: Worker| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                worker.work(lasts)
            })
        };
        let threads: Vec<_> = workers.into_iter().map(work).collect();
        start.wait();
        let (before, began) = (server.time(), Instant::now());
        thread::sleep(lasts / 2);
        let connections = server.connections();
        thread::sleep(lasts / 2);
        let taken = server.time().saturating_sub(before);
        let used = Used {
            connections,
            cores: taken.as_secs_f64() / began.elapsed().as_secs_f64(),
        };
        let tallies = threads
            .into_iter()
            .map(|thread| thread.join().expect("it ends well"));
        (tallies.collect::<Vec<_>>(), used)
    });
    report(out, &tallies, &used, lasts.as_secs_f64())
}

struct Used {
    connections: i64,
    cores: f64,
}

fn report(out: &mut dyn Write, tallies: &[Tally], used: &Used, seconds: f64) -> io::Result<()> {
    let all =
        |of: fn(&Tally) -> &Vec<Duration>| tallies.iter().flat_map(of).copied().collect::<Vec<_>>();
    let latencies = [
        all(|tally| &tally.reserve),
        all(|tally| &tally.intend),
        all(|tally| &tally.record),
        all(|tally| &tally.other),
    ];
    let each = tallies.iter().map(|tally| tally.intend.len());
    let least = each.clone().min().unwrap_or_default();
    let most = each.clone().max().unwrap_or_default();
    let a_second = |count: usize| f64::from(u32::try_from(count).expect("few")) / seconds;
    let transactions = latencies.iter().map(Vec::len).sum();
    writeln!(
        out,
        "| {} | {:.1} | {} | {:.0} | {:.0} % of a core | {} | {least} to {most} |",
        tallies.len(),
        a_second(each.sum()),
        used.connections,
        a_second(transactions),
        used.cores * 100.0,
        latencies.map(super::summary).join(" | ")
    )
}

/// How long each transaction took.
#[derive(Default)]
struct Tally {
    reserve: Vec<Duration>,
    intend: Vec<Duration>,
    record: Vec<Duration>,
    other: Vec<Duration>,
}

struct Worker {
    ledger: Box<dyn OpenLedger>,
    pace: PostgresPace,
    every: Duration,
    claimed: VecDeque<(ItemId, Fence)>,
    /// By when they end.
    running: VecDeque<(Instant, ItemId)>,
    tally: Tally,
}

impl Worker {
    fn new(database: &Postgres, folder: &Path, every: Duration) -> Worker {
        let ledger = database.ledger(folder).open(&account()).expect("it opens");
        let pace = database.pace();
        // It connects with its first use.
        let connect = PaceOp::Reserve {
            class: POLL,
            every: Duration::ZERO,
        };
        pace.run(&account(), connect);
        Worker {
            ledger,
            pace,
            every,
            claimed: VecDeque::new(),
            running: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    fn add(&mut self, items: usize) {
        let item = |number: usize| {
            let url = format!("https://example.com/files/{number:08}/archive-{number:08}.tar.zst");
            let key = ItemKey::new(format!("row-{number}")).expect("a key");
            NewItem::new(key, Download::new(url).expect("a URL"))
        };
        self.ask(vec![LedgerOp::Add((0..items).map(item).collect())]);
    }

    fn work(mut self, lasts: Duration) -> Tally {
        let start = Instant::now();
        let end = start + lasts;
        // Workers do not start together.
        let mut beat_at = start + BEAT.mul_f64(fastrand::f64());
        let mut claim_at = start + BEAT.mul_f64(fastrand::f64());
        let (mut create_at, mut poll_at) = (None, None);
        loop {
            let now = Instant::now();
            if now >= end {
                return self.tally;
            }
            if now >= beat_at {
                beat_at = now + BEAT;
                self.other(vec![LedgerOp::Beat]);
            }
            if now >= claim_at {
                claim_at = now + CLAIM;
                self.claim();
            }
            if self.running.front().is_some_and(|(ends, _)| now >= *ends) {
                self.end();
                claim_at = now;
            }
            if create_at.is_some_and(|at| now >= at) {
                self.create();
                create_at = None;
                claim_at = now;
            }
            if create_at.is_none() && !self.claimed.is_empty() {
                create_at = Some(self.reserve(RateClass::new("create", self.every)));
            }
            if !self.every.is_zero() && poll_at.is_none_or(|at| now >= at) {
                poll_at = Some(self.reserve(POLL));
            }
            let ends = self.running.front().map(|(ends, _)| *ends);
            let next = [Some(beat_at), Some(claim_at), create_at, poll_at, ends];
            let next = next.into_iter().flatten().min().unwrap_or(end).min(end);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn claim(&mut self) {
        let create = CREATES - self.claimed.len();
        let claim = LedgerOp::Claim {
            create,
            follow: 10_000,
        };
        for answer in self.other(vec![claim, LedgerOp::Counts]) {
            if let LedgerAnswer::Claimed(claimed) = answer {
                let claims = claimed.to_create.iter();
                let claims = claims.map(|(id, item)| (*id, item.fence));
                self.claimed.extend(claims);
            }
        }
    }

    fn create(&mut self) {
        let (item, fence) = self.claimed.pop_front().expect("one is claimed");
        let (took, answers) = self.ask(vec![LedgerOp::Intend { item, fence }]);
        assert_eq!(answers, [LedgerAnswer::Done]);
        self.tally.intend.push(took);
        let task = task(item);
        let (took, _) = self.ask(vec![LedgerOp::Created { item, fence, task }]);
        self.tally.record.push(took);
        self.running.push_back((Instant::now() + RUNS, item));
    }

    fn end(&mut self) {
        let (_, item) = self.running.pop_front().expect("one runs");
        let (task, ending) = (task(item), Ending::Succeeded(None));
        let (took, _) = self.ask(vec![LedgerOp::End { item, task, ending }]);
        self.tally.record.push(took);
    }

    /// Returns when the slot is.
    fn reserve(&mut self, class: RateClass) -> Instant {
        let began = Instant::now();
        let every = class.interval();
        let result = self.pace.run(&account(), PaceOp::Reserve { class, every });
        let now = Instant::now();
        self.tally.reserve.push(now - began);
        match result {
            PaceResult::Reserved(wait) => now + wait,
            other => panic!("{other:?}"),
        }
    }

    fn other(&mut self, ops: Vec<LedgerOp>) -> Vec<LedgerAnswer> {
        let (took, answers) = self.ask(ops);
        self.tally.other.push(took);
        answers
    }

    fn ask(&mut self, ops: Vec<LedgerOp>) -> (Duration, Vec<LedgerAnswer>) {
        let began = Instant::now();
        let transaction = Transaction::new(SystemTime::now(), ops);
        let answers = self.ledger.run(transaction).expect("it answers");
        (began.elapsed(), answers)
    }
}

fn account() -> Account {
    Account::new("https://open-api.123pan.com", "bench")
}

fn task(item: ItemId) -> TaskId {
    TaskId::new(item.0).expect("no zero")
}

/// A connection that asks the server about itself.
struct Server {
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// The process that started all others of the server.
    main: String,
}

impl Server {
    fn connect(url: &str) -> Server {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let connected = runtime.block_on(tokio_postgres::connect(url, NoTls));
        let (client, connection) = connected.expect("the server answers");
        runtime.spawn(connection);
        let mut server = Server {
            runtime,
            client,
            main: String::new(),
        };
        let own = server.ask("SELECT pg_backend_pid()::bigint");
        let stat = fs::read_to_string(format!("/proc/{own}/stat"));
        let stat = stat.expect("the server is on this machine");
        stat_fields(&stat)[1].clone_into(&mut server.main);
        server
    }

    fn ask(&mut self, query: &str) -> i64 {
        let row = self.runtime.block_on(self.client.query_one(query, &[]));
        row.expect("a row").get(0)
    }

    /// Without this one.
    fn connections(&mut self) -> i64 {
        self.ask("SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
    }

    /// Returns the time that the processes of the server have run, those that have ended, too.
    fn time(&self) -> Duration {
        let mut sum = Duration::ZERO;
        for process in fs::read_dir("/proc").expect("Linux").flatten() {
            // One that has ended meanwhile counts with the main one.
            let Ok(stat) = fs::read_to_string(process.path().join("stat")) else {
                continue;
            };
            let is_main = *process.file_name() == *self.main;
            let fields = stat_fields(&stat);
            if is_main || fields[1] == self.main {
                let of = if is_main { 11..15 } else { 11..13 };
                sum += ticks(&fields[of]);
            }
        }
        sum
    }
}
