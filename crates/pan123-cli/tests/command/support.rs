//! A user of the command: folders of its own, an environment of its own, and the mock.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
use serde_json::Value;
use tempfile::TempDir;

use crate::schema;

/// Longer than any command of a test takes, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A user of the command.
pub(crate) struct User {
    home: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl User {
    /// Without credentials, and at no service.
    pub(crate) fn new() -> User {
        User {
            home: tempfile::tempdir().expect("a folder"),
            environment: Vec::new(),
        }
    }

    /// At the mock, with its credentials in the environment.
    pub(crate) fn of(mock: &MockPan123) -> User {
        User::new()
            .set("PAN123_BASE_URL", mock.base_url())
            .set("PAN123_CLIENT_ID", CLIENT_ID)
            .set("PAN123_CLIENT_SECRET", CLIENT_SECRET)
    }

    /// At the mock, and without credentials.
    pub(crate) fn at(mock: &MockPan123) -> User {
        User::new().set("PAN123_BASE_URL", mock.base_url())
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<OsString>) -> User {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.path().join("config")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Writes a file into the folder that commands run in.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    }

    /// Returns the command with these arguments, and nothing of the environment of the test.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pan123"));
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("TZ", "UTC")
            .env("PAN123_CONFIG_DIR", self.config())
            .env("PAN123_STATE_DIR", self.state())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the command to its end, without input.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ended {
        self.run_with_input(arguments, "")
    }

    /// Runs the command to its end, with this input.
    pub(crate) fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Ended {
        let mut running = self.start(arguments);
        let mut stdin = running.child.stdin.take().expect("an input");
        // A command that reads nothing may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        running.end()
    }

    /// Starts the command.
    pub(crate) fn start<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Running {
        Running::start(&mut self.command(arguments))
    }
}

/// A command that runs. It is killed when it is dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        Running {
            stdout: Lines::of(child.stdout.take().expect("an output")),
            stderr: Lines::of(child.stderr.take().expect("an output for errors")),
            child,
        }
    }

    /// Waits for a line of standard output that contains this text, and returns it.
    pub(crate) fn wait_for_output(&mut self, text: &str) -> String {
        self.stdout.wait_for(text)
    }

    /// Waits for a line of standard error that contains this text, and returns it.
    pub(crate) fn wait_for_note(&mut self, text: &str) -> String {
        self.stderr.wait_for(text)
    }

    /// Sends a signal, such as `INT`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("`kill` runs").success());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = self.stdout.rest();
        let stderr = self.stderr.rest();
        Ended {
            // Both outputs are closed, so it has ended or is about to.
            status: self.child.wait().expect("the command ends"),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of an output, as they come.
struct Lines {
    lines: Receiver<String>,
    seen: String,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Lines {
        let (send, lines) = channel();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line).into_owned();
                line.clear();
                if send.send(text).is_err() {
                    return;
                }
            }
        });
        Lines {
            lines,
            seen: String::new(),
        }
    }

    /// The next line; `None` at the end.
    fn next(&mut self, until: Instant) -> Option<String> {
        let left = until.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.seen.push_str(&line);
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more came after:\n{}", self.seen),
        }
    }

    fn wait_for(&mut self, text: &str) -> String {
        let until = Instant::now() + LIMIT;
        while let Some(line) = self.next(until) {
            if line.contains(text) {
                return line;
            }
        }
        panic!("it ended without {text:?}:\n{}", self.seen);
    }

    /// All that was printed, at the end.
    fn rest(&mut self) -> String {
        let until = Instant::now() + LIMIT;
        while self.next(until).is_some() {}
        std::mem::take(&mut self.seen)
    }
}

/// What a command has printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Returns the objects that `--json` printed, each of which fits the schema.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        let objects = self.stdout.lines().map(|line| {
            let object = serde_json::from_str(line).unwrap_or_else(|error| {
                panic!("{error}: {line:?}");
            });
            schema::check(&object);
            object
        });
        objects.collect()
    }

    /// Returns the only object that `--json` printed, which fits the schema.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let mut objects = self.objects();
        assert_eq!(objects.len(), 1, "{self:#?}");
        objects.remove(0)
    }
}
