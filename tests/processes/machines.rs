//! Real processes that share an account and a PostgreSQL server, as on several machines: killed and stopped at any moment, the server
//! killed, the token pushed out.
//!
//! `PAN123_BATCH_ITEMS` sets the number of items, `PAN123_BATCH_PACE` the creates per second, `PAN123_BATCH_OUTAGES` for how many seconds
//! the server is away each time, such as `8,60`. With `PAN123_BATCH_CONTROLS`, what these tests must find is done on purpose.
//! With `PAN123_BATCH_WORKERS`, such as `1,8,100`, the load of the server is measured at so many idle and working machines.
//! `two_hosts.sh` runs them in two network namespaces, one of which is cut off for a while.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::thread;
use std::time::{Duration, SystemTime};

use pan123_ledger::Postgres;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, RateLimits, path};
use pan123_proto::Pacing;
use pan123_proto::ledger::Ledger;
use pan123_store::Account;
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

use super::fleet::{Audit, Fleet, audit, read};
use super::{LONG_TIMEOUT, WORKER};

const WORKERS: usize = 8;
const ITEMS: usize = 120;
/// Creates per second.
const PACE: u32 = 25;
const LEASE_MILLIS: u64 = 700;
/// A worker that issued a token so shortly before it was killed or stopped may not have saved it.
const SAVE_TIME: Duration = Duration::from_secs(1);
/// When somebody else pushes the token out, in tenths of the items.
const PUSHES: [usize; 2] = [2, 6];
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
            static SKIPPED: Once = Once::new();
            // Past the capture of the test's output.
            let line = "the test of machines is skipped, since PAN123_TEST_POSTGRES is not set\n";
            SKIPPED.call_once(|| std::io::stderr().write_all(line.as_bytes()).unwrap());
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
        self.ask(statements);
    }

    /// Returns the first column of the last rows.
    fn ask(&self, statements: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::spawn(connection);
            let messages = client.simple_query(statements).await.unwrap();
            let texts = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            texts.collect()
        })
    }
}

/// How long a host is cut off.
const CUT_SECONDS: u32 = 10;

/// Two network namespaces on a bridge, in which the machines run instead.
#[derive(Clone)]
struct Hosts {
    /// The address of the test on the bridge.
    address: String,
    names: [String; 2],
}

/// The bridge.
const BRIDGE: &str = "pan123";

impl Hosts {
    fn find() -> Option<Hosts> {
        let address = std::env::var("PAN123_BATCH_ADDRESS").ok()?;
        let names = ["pan123-a", "pan123-b"].map(str::to_owned);
        Some(Hosts { address, names })
    }

    fn reached(&self, url: &str) -> String {
        url.replace("127.0.0.1", &self.address)
    }

    fn command(&self, machine: usize) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[machine % 2], WORKER]);
        let database = std::env::var("PAN123_TEST_POSTGRES").unwrap();
        command.env("PAN123_TEST_POSTGRES", self.reached(&database));
        command
    }

    /// Lets the machines reach a server on loopback at its own port.
    fn relay(&self, url: &str) {
        let (_, rest) = url.rsplit_once("127.0.0.1:").unwrap();
        let port = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        let port: u16 = port.parse().unwrap();
        let listener = TcpListener::bind((self.address.as_str(), port)).unwrap();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // The server may be away: the client's connection ends then.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    copy(client.try_clone(), server.try_clone());
                    copy(Ok(server), Ok(client));
                }
            }
        });
    }

    /// What one of them sends is lost, and what is sent to it.
    fn cut_off(&self, meanwhile: impl FnOnce()) {
        let link = |change: &[&str]| {
            let set = ["link", "set", self.names[1].as_str()];
            let status = Command::new("ip").args(set).args(change).status().unwrap();
            assert!(status.success(), "{change:?}");
        };
        link(&["nomaster"]);
        meanwhile();
        link(&["master", BRIDGE]);
    }
}

fn copy(from: std::io::Result<TcpStream>, to: std::io::Result<TcpStream>) {
    let (mut from, mut to) = (from.unwrap(), to.unwrap());
    thread::spawn(move || {
        // How it ends is for the two ends to notice.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A batch that several machines have worked on.
struct Run {
    database: Database,
    mock: MockPan123,
    folder: TempDir,
    items: usize,
    pace: u32,
    hosts: Option<Hosts>,
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
        let mock = mock.start_blocking();
        let hosts = Hosts::find();
        if let Some(hosts) = &hosts {
            hosts.relay(&mock.base_url());
            hosts.relay(&database.url);
        }
        Run {
            database,
            mock,
            hosts,
            folder: tempfile::tempdir().unwrap(),
            items: number("PAN123_BATCH_ITEMS", u32::try_from(ITEMS).unwrap()) as usize,
            pace,
        }
    }

    /// The service, as the machines reach it.
    fn url(&self) -> String {
        match &self.hosts {
            Some(hosts) => hosts.reached(&self.mock.base_url()),
            None => self.mock.base_url(),
        }
    }

    fn fleet(&self, fences: &'static str) -> Fleet<'_> {
        self.fleet_of(WORKERS, LEASE_MILLIS, fences)
    }

    fn fleet_of(&self, machines: usize, lease: u64, fences: &'static str) -> Fleet<'_> {
        let url = self.url();
        let hosts = self.hosts.clone();
        let folder = self.folder.path().to_owned();
        let schema = self.database.schema.clone();
        let numbers = [
            self.items.to_string(),
            lease.to_string(),
            (1000 / self.pace).to_string(),
        ];
        Fleet::start(&self.mock, machines, self.items, move |machine| {
            let mut command = hosts
                .as_ref()
                .map_or_else(|| Command::new(WORKER), |hosts| hosts.command(machine));
            command.args(["machine", &url]);
            command.arg(folder.join(format!("machine-{machine}")));
            command.args(&numbers).arg(fences);
            command.env("PAN123_TEST_SCHEMA", &schema);
            command.stdout(Stdio::piped());
            command
        })
    }

    /// Kills, stops and wakes machines while they create, with the server away for so many seconds each time and the token pushed out.
    fn disturb(&self, fleet: &mut Fleet<'_>, outages: &[u64]) {
        let items = self.items;
        // About every 0.4 s, or oftener where there are few.
        let between = (self.pace as usize * 2 / 5).min(items / 30);
        let mut outages = (1..)
            .map(|nth| items * 8 * nth / (10 * (outages.len() + 1)))
            .zip(outages)
            .peekable();
        // Between the outages: a token that cannot be saved is issued again.
        let mut pushes = PUSHES
            .map(|tenths| items * tenths / 10)
            .into_iter()
            .peekable();
        let mut cut = Some(items / 4);
        let mut target = between;
        // The last ones are left alone: an item whose worker was killed before it sent it is never created.
        while target < items * 8 / 10 {
            fleet.await_created(target);
            fleet.disturb();
            if pushes.next_if(|at| target >= *at).is_some() {
                self.push_token_out();
            }
            if let Some((_, seconds)) = outages.next_if(|(at, _)| target >= *at) {
                self.database.kill(|| {
                    for _ in 0..*seconds {
                        fleet.disturb();
                        thread::sleep(Duration::from_secs(1));
                    }
                });
            }
            if let Some(hosts) = self
                .hosts
                .as_ref()
                .filter(|_| cut.take_if(|at| target >= *at).is_some())
            {
                hosts.cut_off(|| {
                    for _ in 0..CUT_SECONDS {
                        fleet.disturb();
                        thread::sleep(Duration::from_secs(1));
                    }
                });
            }
            target += between;
        }
    }

    fn read(&self) -> Audit {
        let database = Postgres::new(&self.database.url).unwrap();
        let database = database.schema(&self.database.schema).unwrap();
        let account = Account::new(self.url(), CLIENT_ID);
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

    /// How many tokens the machines had issued, and how many of those may have been lost with a machine that was killed or stopped.
    fn mints(&self, fleet: &Fleet<'_>) -> (usize, usize) {
        let issued = self.received(path::ACCESS_TOKEN);
        let issued = issued.iter().filter(|(_, agent)| agent != "somebody else");
        let is_lost = |(at, agent): &&(SystemTime, String)| {
            let was_interrupted = |(pid, interrupted): &(u32, SystemTime)| {
                let after = interrupted.duration_since(*at);
                *agent == format!("machine-{pid}") && after.is_ok_and(|after| after < SAVE_TIME)
            };
            fleet.interrupted.iter().any(was_interrupted)
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
    let mut fleet = run.fleet("fenced");
    run.disturb(&mut fleet, &outages);
    fleet.end();

    let audit = run.read();
    let most = run.most_in_a_second();
    let (mints, lost) = run.mints(&fleet);
    println!(
        "{} kills, {} stops: {audit}; at most {most} creates in a second, {mints} tokens, {lost} of those maybe lost with a machine",
        fleet.kills, fleet.stops
    );
    audit.check(items);
    assert!(most <= run.pace as usize + 1, "{most} creates in a second");
    assert!(
        mints <= 1 + PUSHES.len() + lost,
        "{mints} tokens, {lost} lost"
    );
}

/// Whether what these tests must find is done on purpose.
fn control() -> Option<Run> {
    let database = std::env::var("PAN123_BATCH_CONTROLS").ok();
    database.and_then(|_| Database::find()).map(Run::new)
}

#[test]
fn control_leases_without_fences_send_twice() {
    let Some(run) = control() else { return };
    let mut fleet = run.fleet("unfenced");
    run.disturb(&mut fleet, &[]);
    fleet.end();
    let audit = run.read();
    println!("{audit}");
    assert!(!audit.twice.is_empty(), "the test finds nothing: {audit}");
}

#[test]
fn control_server_that_forgets_makes_machines_send_twice() {
    let Some(run) = control() else { return };
    let mut fleet = run.fleet("fenced");
    fleet.await_created(1);
    make_forgetful(&run.database);
    fleet.await_created(run.items / 2);
    run.database.kill(|| ());
    fleet.end();
    run.database.admin("ALTER SYSTEM RESET ALL");
    let audit = run.read();
    println!("{audit}");
    assert!(!audit.twice.is_empty(), "the test finds nothing: {audit}");
}

/// Lets the server answer before a change is durable, as `synchronous_commit = off` does. The ledger refuses a server with that setting,
/// so that triggers set it.
fn make_forgetful(database: &Database) {
    database.admin("ALTER SYSTEM SET wal_writer_delay = '10s'");
    database.admin("ALTER SYSTEM SET wal_writer_flush_after = '1GB'");
    database.admin("SELECT pg_reload_conf()");
    let schema = &database.schema;
    database.admin(&format!(
        "CREATE FUNCTION {schema}.forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM set_config('synchronous_commit', 'off', true);
            RETURN coalesce(NEW, OLD);
        END $$"
    ));
    // One transaction each: the machines use these tables meanwhile.
    for table in ["items", "ledgers", "workers", "paces", "tokens"] {
        database.admin(&format!(
            "CREATE TRIGGER forget BEFORE INSERT OR UPDATE OR DELETE ON {schema}.{table}
                FOR EACH ROW EXECUTE FUNCTION {schema}.forget()"
        ));
    }
}

/// How long the server is looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What the server has done so far: transactions, and seconds of a core.
fn work_done(database: &Database) -> (f64, f64) {
    let commits = "SELECT sum(xact_commit) FROM pg_stat_database";
    let commits: f64 = database.ask(commits)[0].parse().unwrap();
    let ticks = |stat: &str| -> Option<f64> {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let number = |index: usize| fields[index].parse::<f64>().ok();
        // User and system time, of a process and of its children that have ended.
        let times = (11..15).filter_map(number).sum();
        (name == "postgres").then_some(times)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let stats =
        processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    let ticks: f64 = stats.filter_map(|stat| ticks(&stat)).sum();
    (commits, ticks / 100.0)
}

#[test]
fn figures_of_the_load_of_the_server() {
    let Ok(machines) = std::env::var("PAN123_BATCH_WORKERS") else {
        return;
    };
    let Some(database) = Database::find() else {
        return;
    };
    database.admin("ALTER SYSTEM SET max_connections = 1000");
    database.kill(|| ());
    println!("| machines | connections | transactions a second | CPU of the server | creates |");
    println!("| --- | --- | --- | --- | --- |");
    for machines in machines.split(',').map(|number| number.parse().unwrap()) {
        let run = Run::new(Database::find().unwrap());
        let fleet = run.fleet_of(machines, 30_000, "fenced");
        run.mock.wait_for(LONG_TIMEOUT, |service| {
            (!service.tasks().is_empty()).then_some(())
        });
        // All have opened the ledger by then.
        let are_there = format!("SELECT count(*) FROM {}.workers", run.database.schema);
        while run.database.ask(&are_there)[0] != machines.to_string() {}
        let count = || run.mock.service(|service| service.tasks().len());
        let (before, created) = (work_done(&run.database), count());
        thread::sleep(LOOK);
        let (after, created) = (work_done(&run.database), count() - created);
        let connections =
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
        let connections: usize = run.database.ask(connections)[0].parse().unwrap();
        let seconds = LOOK.as_secs_f64();
        println!(
            "| {machines} | {} | {:.0} | {:.1} % of a core | {created} in {seconds} s |",
            connections - 1,
            (after.0 - before.0) / seconds,
            100.0 * (after.1 - before.1) / seconds
        );
        drop(fleet);
    }
    database.admin("ALTER SYSTEM RESET ALL");
}
