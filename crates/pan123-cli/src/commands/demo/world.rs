//! What is around the commands of the demonstration: a mock of the service, the server of the files, and a home of their own.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Connection, MockPan123, Service, Task, TcpServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::ledgers::quoted;
use crate::output::Output;

/// Longer than anything takes here.
const LIMIT: Duration = Duration::from_secs(60);
/// A file: so many pieces, with a pause before each, so that there is progress to see.
const PIECES: usize = 20;
const PIECE: [u8; 16 * 1024] = [0x7b; 16 * 1024];
const PAUSE: Duration = Duration::from_millis(60);

pub(super) struct World<'a> {
    app: &'a App,
    mock: MockPan123,
    source: TcpServer,
    home: TempDir,
}

/// A command that runs. It is killed when it is dropped.
pub(super) struct Running(Child);

impl Running {
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.kill();
    }
}

impl<'a> World<'a> {
    pub(super) async fn build(app: &'a App) -> Result<World<'a>, Failure> {
        Ok(World {
            app,
            mock: MockPan123::builder().fetch_loopback(true).start().await,
            source: TcpServer::start(serve),
            home: tempfile::tempdir()?,
        })
    }

    pub(super) fn mock(&self) -> &MockPan123 {
        &self.mock
    }

    pub(super) fn base_url(&self) -> String {
        self.mock.base_url()
    }

    /// Returns the URL of a file at the source.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.source.url("http"))
    }

    pub(super) fn tasks(&self) -> usize {
        self.mock.service(|service| service.tasks().len())
    }

    /// Returns the task of a URL.
    pub(super) fn task_of(&self, url: &str) -> Option<u64> {
        self.mock.service(|service| {
            let mut tasks = service.tasks().iter();
            tasks.find(|task| task.url() == url).map(Task::id)
        })
    }

    pub(super) fn wait_until(
        &self,
        what: &str,
        holds: impl Fn(&Service) -> bool,
    ) -> Result<(), Failure> {
        let found = self
            .mock
            .wait_for(LIMIT, |service| holds(service).then_some(()));
        found.ok_or_else(|| self.failed(&format!("waited in vain for {what}")))
    }

    pub(super) fn write(&self, name: &str, content: &str) -> io::Result<()> {
        fs::write(self.home.path().join(name), content)
    }

    /// Tells what is shown.
    pub(super) fn say(&self, english: &str, chinese: &str) -> Result<(), Failure> {
        let text = self.app.out.lang.pick(english, chinese);
        let object = json!({"type": "demo", "text": text.trim()});
        Ok(self.app.out.result(text, &object)?)
    }

    /// Runs a command, which is to end with this exit code.
    pub(super) fn run(&self, arguments: &[&str], exit: i32) -> Result<(), Failure> {
        self.show(arguments)?;
        let status = self.command(arguments)?.status()?;
        self.check(arguments, status.code(), exit)
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Result<Running, Failure> {
        self.show(arguments)?;
        Ok(Running(self.command(arguments)?.spawn()?))
    }

    /// Runs a command for what it says to programs.
    pub(super) fn objects(&self, arguments: &[&str]) -> Result<Vec<Value>, Failure> {
        let mut command = self.command(arguments)?;
        command.args((!self.app.out.is_json).then_some("--json"));
        let output = command.stderr(Stdio::null()).output()?;
        self.check(arguments, output.status.code(), 0)?;
        Ok(super::objects(&output.stdout))
    }

    fn show(&self, arguments: &[&str]) -> Result<(), Failure> {
        let arguments = arguments.iter().map(|argument| quoted(argument));
        let line = format!("$ pan123 {}", arguments.collect::<Vec<_>>().join(" "));
        self.say(&line, &line)
    }

    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let Output {
            is_json, is_quiet, ..
        } = self.app.out;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .args(is_json.then_some("--json"))
            .args(is_quiet.then_some("--quiet"))
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .env_remove("PAN123_ACCESS_TOKEN")
            .env_remove("PAN123_LEDGER")
            .env("PAN123_CONFIG_DIR", self.home.path().join("config"))
            .env("PAN123_STATE_DIR", self.home.path().join("state"))
            .env("PAN123_BASE_URL", self.base_url())
            .env("PAN123_CLIENT_ID", CLIENT_ID)
            .env("PAN123_CLIENT_SECRET", CLIENT_SECRET);
        Ok(command)
    }

    fn check(&self, arguments: &[&str], code: Option<i32>, exit: i32) -> Result<(), Failure> {
        if self.app.stop.is_requested() {
            return Err(Failure::interrupted(self.app.out.lang));
        }
        if code == Some(exit) {
            return Ok(());
        }
        let command = arguments.first().copied().unwrap_or_default();
        let code = code.map_or("a signal".to_owned(), |code| code.to_string());
        Err(self.failed(&format!("`{command}` ended with {code} instead of {exit}")))
    }

    /// The demonstration did not go as it should.
    pub(super) fn failed(&self, why: &str) -> Failure {
        let text = self.app.out.lang.pick(
            format!("the demonstration failed: {why}"),
            format!("演示失败：{why}"),
        );
        Failure::new(Exit::Failed, text)
    }
}

/// Serves a file of any name, slowly, but none that is missing.
fn serve(mut connection: Connection) {
    while let Some(request) = connection.read_request() {
        if request.uri().path().contains("missing") {
            connection.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
            continue;
        }
        let length = PIECES * PIECE.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        if !connection.send(head.as_bytes()) {
            return;
        }
        for _ in 0..PIECES {
            if !connection.pause(PAUSE) || !connection.send(&PIECE) {
                return;
            }
        }
    }
}
