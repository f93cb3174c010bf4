//! Real processes that share an account and a PostgreSQL server, as on several machines: killed and stopped at any moment, the server
//! killed, the token pushed out.
//!
//! `PAN123_BATCH_ITEMS` sets the number of items, `PAN123_BATCH_PACE` the creates per second, `PAN123_BATCH_OUTAGES` for how many seconds
//! the server is away each time, such as `8,60`. With `PAN123_BATCH_CONTROLS`, what these tests must find is done on purpose.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use pan123_ledger::Postgres;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, RateLimits, path};
use pan123_proto::Pacing;
use pan123_proto::ledger::Ledger;
use pan123_store::Account;
use tempfile::TempDir;

use super::WORKER;
use super::fleet::{Audit, Fleet, audit, read};

const WORKERS: usize = 8;
const ITEMS: usize = 120;
/// Creates per second.
const PACE: u32 = 25;
const LEASE_MILLIS: u64 = 700;
/// A worker that issued a token so shortly before it was killed may not have saved it.
const SAVE_TIME: Duration = Duration::from_secs(1);
/// How often somebody else pushes the token out.
const PUSHES: usize = 2;
/// The tokens of an account that live at once.
const LIVE_TOKENS: usize = 3;

/// The server, and a schema of its own on it.
struct Database {
    url: String,
    control: String,
    schema: String,
}

impl Database {
    fn find() -> Option<Database> {
        let variable = |name| std::env::var(name).ok();
        let (Some(url), Some(control)) = (
            variable("PAN123_TEST_POSTGRES"),
            variable("PAN123_TEST_POSTGRES_CONTROL"),
        ) else {
            eprintln!("skipped, since PAN123_TEST_POSTGRES is not set");
            return None;
        };
        let schema = format!("machines_{:x}", fastrand::u32(..));
        Some(Database {
            url,
            control,
            schema,
        })
    }

    /// Kills the server without any notice, lets this time pass, and starts it again.
    fn kill(&self, outage: impl FnOnce()) {
        let folder = Path::new(&self.control).parent().unwrap();
        let lock = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let pid = lock.lines().next().unwrap();
        let killed = Command::new("kill").args(["-9", pid]).status().unwrap();
        assert!(killed.success());
        outage();
        // Its processes end on their own, and hold its memory until then.
        let starts = || {
            let control = Command::new(&self.control).arg("start").output().unwrap();
            control.status.success()
        };
        assert!((0..50).any(|_| starts()), "the server does not start");
    }

    fn admin(&self, statements: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::spawn(connection);
            client.batch_execute(statements).await.unwrap();
        });
    }
}

/// A batch that several machines have worked on.
struct Run {
    database: Database,
    mock: MockPan123,
    folder: TempDir,
    items: usize,
    pace: u32,
}

impl Run {
    fn new(database: Database) -> Run {
        let number = |name, default| {
            let text = std::env::var(name).ok();
            text.map_or(default, |text| text.parse().unwrap())
        };
        let pace = number("PAN123_BATCH_PACE", PACE);
        let limits = RateLimits::none().limit(path::OFFLINE_DOWNLOAD, f64::from(pace));
        let mock = MockPan123::builder()
            .rate_limits(limits)
            .kept_requests(1_000_000);
        Run {
            database,
            mock: mock.start_blocking(),
            folder: tempfile::tempdir().unwrap(),
            items: number("PAN123_BATCH_ITEMS", u32::try_from(ITEMS).unwrap()) as usize,
            pace,
        }
    }

    fn fleet(&self, fences: &'static str) -> Fleet<'_> {
        let url = self.mock.base_url();
        let folder = self.folder.path().to_owned();
        let schema = self.database.schema.clone();
        let numbers = [
            self.items.to_string(),
            LEASE_MILLIS.to_string(),
            (1000 / self.pace).to_string(),
        ];
        Fleet::start(&self.mock, WORKERS, self.items, move |machine| {
            let mut command = Command::new(WORKER);
            command.args(["machine", &url]);
            command.arg(folder.join(format!("machine-{machine}")));
            command.args(&numbers).arg(fences);
            command.env("PAN123_TEST_SCHEMA", &schema);
            command.stdout(Stdio::piped());
            command
        })
    }

    fn read(&self) -> Audit {
        let database = Postgres::new(&self.database.url).unwrap();
        let database = database.schema(&self.database.schema).unwrap();
        let account = Account::new(self.mock.base_url(), CLIENT_ID);
        let ledger = database.ledger(self.folder.path().join("auditor"));
        let mut ledger = ledger.open(&account).unwrap();
        audit(&read(&mut *ledger, &self.mock), &self.mock)
    }

    /// Somebody else takes as many tokens as live at once.
    fn push_token_out(&self) {
        for _ in 0..LIVE_TOKENS {
            let somebody = pan123_blocking::Client::builder()
                .credentials(CLIENT_ID, CLIENT_SECRET)
                .base_url(self.mock.base_url())
                .pacing(Pacing::off())
                .user_agent("somebody else");
            somebody.build().unwrap().user_info().unwrap();
        }
    }

    /// When requests to this path came, with who sent them.
    fn received(&self, path: &str) -> Vec<(SystemTime, String)> {
        let requests = self.mock.requests();
        let requests = requests.iter().filter(|request| request.path() == path);
        requests
            .map(|request| {
                let agent = request.headers()["user-agent"].to_str().unwrap();
                (request.received_at(), agent.to_owned())
            })
            .collect()
    }

    /// The most creates in any second.
    fn most_in_a_second(&self) -> usize {
        let mut times: Vec<_> = self.received(path::OFFLINE_DOWNLOAD);
        times.sort();
        let in_window = |(first, (from, _)): (usize, &(SystemTime, String))| {
            let end = *from + Duration::from_secs(1);
            times[first..]
                .iter()
                .take_while(|(at, _)| *at < end)
                .count()
        };
        times.iter().enumerate().map(in_window).max().unwrap_or(0)
    }

    /// How many tokens the machines had issued, and how many of those were lost with a machine that was killed.
    fn mints(&self, fleet: &Fleet<'_>) -> (usize, usize) {
        let issued = self.received(path::ACCESS_TOKEN);
        let issued = issued.iter().filter(|(_, agent)| agent != "somebody else");
        let is_lost = |(at, agent): &&(SystemTime, String)| {
            let was_killed = |(pid, killed): &(u32, SystemTime)| {
                let after = killed.duration_since(*at);
                *agent == format!("machine-{pid}") && after.is_ok_and(|after| after < SAVE_TIME)
            };
            fleet.killed.iter().any(was_killed)
        };
        let lost = issued.clone().filter(is_lost).count();
        (issued.count(), lost)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !thread::panicking() {
            let schema = &self.database.schema;
            self.database
                .admin(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
        }
    }
}

#[test]
fn machines_that_are_killed_and_stopped_with_their_server_lose_nothing_and_send_nothing_twice() {
    let Some(database) = Database::find() else {
        return;
    };
    let run = Run::new(database);
    let items = run.items;
    let outages = std::env::var("PAN123_BATCH_OUTAGES");
    let outages = outages.as_deref().unwrap_or("0");
    let outages: Vec<u64> = outages
        .split(',')
        .map(|seconds| seconds.parse().unwrap())
        .collect();
    // About every 0.4 s, or oftener where there are few.
    let between = (run.pace as usize * 2 / 5).min(items / 30);
    let mut fleet = run.fleet("fenced");
    let mut outage_at = (1..=outages.len()).map(|n| items * 8 * n / (10 * (outages.len() + 1)));
    let mut push_at = (1..=PUSHES).map(|nth| items * 7 * nth / (10 * PUSHES));
    let (mut outages, mut next_outage, mut next_push) =
        (outages.iter(), outage_at.next(), push_at.next());
    let mut target = between;
    // The last ones are left alone: an item whose worker was killed before it sent it is never created.
    while target < items * 8 / 10 {
        fleet.await_created(target);
        fleet.disturb();
        if next_push.is_some_and(|at| target >= at) {
            run.push_token_out();
            next_push = push_at.next();
        }
        if next_outage.is_some_and(|at| target >= at) {
            run.database.kill(|| {
                for _ in 0..*outages.next().unwrap() {
                    fleet.disturb();
                    thread::sleep(Duration::from_secs(1));
                }
            });
            next_outage = outage_at.next();
        }
        target += between;
    }
    fleet.end();

    let audit = run.read();
    let most = run.most_in_a_second();
    let (mints, lost) = run.mints(&fleet);
    println!(
        "{} kills, {} stops: {audit}; at most {most} creates in a second, {mints} tokens, {lost} of those lost with a killed machine",
        fleet.kills, fleet.stops
    );
    audit.check(items);
    assert!(most <= run.pace as usize + 1, "{most} creates in a second");
    assert!(mints <= 1 + PUSHES + lost, "{mints} tokens, {lost} lost");
}
