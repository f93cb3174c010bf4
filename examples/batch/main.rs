//! Downloads 200 files as one batch. The program is killed in the middle and started again: each file arrives exactly once.
//!
//! [`worker`] is the program. This file starts it, kills it, and is the world around it: a mock of the service that really downloads,
//! and the server of the files. No account is needed.

mod worker;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use pan123_async::proto::ledger::{ItemState, Ledger};
use pan123_examples::demo::LOOPBACK;
use pan123_examples::exit_code;
use pan123_mock::{Fault, MockPan123, path};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::sleep;

use crate::worker::{FILES, Settings, client, key_file, ledger};

/// How long the server of the files takes for one: the tasks are followed for that long.
const SOURCE_DELAY: Duration = Duration::from_millis(300);
/// How many tasks the service runs at once. It does not tell.
const RUNNING_LIMIT: usize = 8;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match &arguments[..] {
        [] => match demonstrate().await {
            // Nobody reads the output any more.
            Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
            result => exit_code(result),
        },
        [folder, base_url, source, callbacks] => {
            exit_code(work(folder, base_url, source, callbacks).await)
        }
        _ => exit_code(Err("usage: batch".into())),
    }
}

async fn work(
    folder: &str,
    base_url: &str,
    source: &str,
    callbacks: &str,
) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        folder: folder.into(),
        base_url: base_url.to_owned(),
        source: source.to_owned(),
        callbacks: callbacks.parse()?,
    };
    worker::run(&settings).await
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let world = World::start().await?;

    let (mut killed, mut output) = world.start_worker()?;
    tokio::select! {
        ended = forward(&mut output) => {
            ended?;
            return Err("the worker ended before it was killed".into());
        }
        () = world.half_sent_and_one_unanswered() => {}
    }
    killed.kill().await?;
    say("killed, while the service had not answered a create")?;

    let (mut worker, mut output) = world.start_worker()?;
    forward(&mut output).await?;
    if !worker.wait().await?.success() {
        return Err("the second worker failed".into());
    }

    let client = client(&world.folder.0, &world.mock.base_url())?;
    let ledger = ledger(&world.folder.0);
    let mut ledger = ledger.open(&client.session().ledger_account())?;
    let counts = ledger.counts(SystemTime::now())?;
    say(&format!("ledger: {counts:?}"))?;
    if counts.of(ItemState::Succeeded) != FILES as u64 {
        return Err("not every item succeeded".into());
    }
    check_files(&world.downloads())?;
    say(&format!("each of the {FILES} files arrived exactly once"))?;
    Ok(())
}

/// What is around the program.
struct World {
    mock: MockPan123,
    source: String,
    callbacks: SocketAddr,
    folder: Folder,
}

impl World {
    async fn start() -> Result<World, Box<dyn Error>> {
        let folder = Folder::create()?;
        let downloads = folder.0.join("drive");
        fs::create_dir(&downloads)?;
        let mock = MockPan123::builder()
            .fetch_loopback(true)
            .fetch_into(downloads)
            .running_limit(RUNNING_LIMIT)
            .start()
            .await;
        let listener = TcpListener::bind(LOOPBACK).await?;
        let source = format!("http://{}", listener.local_addr()?);
        let files = Router::new().route("/files/{number}", get(file));
        tokio::spawn(async move { axum::serve(listener, files).await });
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        fs::write(key_file(&folder.0), secret)?;
        Ok(World {
            mock,
            source,
            // A free port, for both runs of the worker.
            callbacks: TcpListener::bind(LOOPBACK).await?.local_addr()?,
            folder,
        })
    }

    fn downloads(&self) -> PathBuf {
        self.folder.0.join("drive")
    }

    fn start_worker(&self) -> io::Result<(Child, Lines<BufReader<ChildStdout>>)> {
        let mut worker = Command::new(env::current_exe()?)
            .arg(&self.folder.0)
            .args([&self.mock.base_url(), &self.source])
            .arg(self.callbacks.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = worker.stdout.take();
        let output = output.ok_or_else(|| io::Error::other("the worker has no output"))?;
        Ok((worker, BufReader::new(output).lines()))
    }

    /// Waits for the moment at which a kill is worst: a task is created, and the program does not know.
    async fn half_sent_and_one_unanswered(&self) {
        while self.tasks() < FILES / 2 {
            sleep(Duration::from_millis(5)).await;
        }
        let before = self.mock.service(|service| {
            service.fault(Fault::late().on(path::OFFLINE_DOWNLOAD));
            service.tasks().len()
        });
        while self.tasks() == before {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn tasks(&self) -> usize {
        self.mock.service(|service| service.tasks().len())
    }
}

async fn file() -> &'static [u8] {
    sleep(SOURCE_DELAY).await;
    &[0x7b; 2048]
}

/// Checks that the service has downloaded each file once, no more and no less.
fn check_files(downloads: &Path) -> Result<(), Box<dyn Error>> {
    let mut times = BTreeMap::new();
    for entry in fs::read_dir(downloads)? {
        let stored = entry?.file_name().to_string_lossy().into_owned();
        // `<task id>-<name>`
        let name = stored.split_once('-').map_or("", |(_, name)| name);
        *times.entry(name.to_owned()).or_insert(0) += 1;
    }
    for number in 1..=FILES {
        match times.remove(&format!("file-{number}.bin")) {
            Some(1) => {}
            Some(times) => return Err(format!("file {number} arrived {times} times").into()),
            None => return Err(format!("file {number} did not arrive").into()),
        }
    }
    if let Some(name) = times.keys().next() {
        return Err(format!("{name:?} is no file of the batch").into());
    }
    Ok(())
}

/// Prints what the worker prints.
async fn forward(output: &mut Lines<BufReader<ChildStdout>>) -> io::Result<()> {
    while let Some(line) = output.next_line().await? {
        say(&line)?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// A temporary folder, which is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn create() -> io::Result<Folder> {
        let folder = env::temp_dir().join(format!("pan123-batch-{}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
