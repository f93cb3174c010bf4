//! Counts of what a call costs.

use std::process::{Command, Stdio};

use crate::cases::{Case, Kind};
use crate::clients::URL;
use crate::stub::Stub;

/// Whether this program is installed.
pub(crate) fn has(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version");
    version
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Allocations a call, of the first thread.
pub(crate) fn allocations(run: fn(usize)) -> u64 {
    const CALLS: usize = 20;
    let count = |calls| allocation_counter::measure(|| run(calls)).count_total;
    count(CALLS);
    (count(2 * CALLS) - count(CALLS)) / CALLS as u64
}

/// One side of a case, in a child process.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) case: &'a Case,
    pub(crate) subject: &'a str,
}

impl Side<'_> {
    /// Instructions a call, by valgrind.
    pub(crate) fn instructions(self) -> f64 {
        self.difference(
            &[
                "valgrind",
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
            ],
            instructions,
        )
    }

    /// System calls a call, by strace.
    pub(crate) fn system_calls(self) -> f64 {
        self.difference(&["strace", "-f", "-c", "-q"], system_calls)
    }

    /// Connections and requests of one run with these calls.
    pub(crate) fn connections(self, calls: usize) -> (usize, usize) {
        let stub = Stub::start();
        self.output(&[], &stub.url(), calls);
        stub.counts()
    }

    fn difference(self, under: &[&str], read: fn(&str) -> Option<u64>) -> f64 {
        let stub = (self.case.kind == Kind::Network).then(Stub::start);
        let url = stub.as_ref().map_or(String::new(), Stub::url);
        let calls = self.case.calls;
        let count = |calls| {
            let printed = self.output(under, &url, calls);
            read(&printed).unwrap_or_else(|| panic!("no count in: {printed}"))
        };
        let (once, twice) = (count(calls), count(2 * calls));
        per_call(twice.saturating_sub(once), calls)
    }

    /// Runs it under another program, and returns what that printed on standard error.
    fn output(self, under: &[&str], url: &str, calls: usize) -> String {
        let program = std::env::current_exe().expect("this program");
        let program = program.to_str().expect("a path of characters");
        let calls = calls.to_string();
        let line = under.iter().copied();
        let line = line.chain([program, "run", self.case.name, self.subject, &calls]);
        let line: Vec<&str> = line.collect();
        let output = Command::new(line[0])
            .args(&line[1..])
            .env(URL, url)
            .output()
            .expect("it starts");
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{printed}");
        printed
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts are far below what a float holds exactly"
)]
fn per_call(count: u64, calls: usize) -> f64 {
    count as f64 / calls as f64
}

/// The line of valgrind that says `Collected : 123`.
fn instructions(printed: &str) -> Option<u64> {
    let (_, after) = printed.split_once("Collected :")?;
    after.split_whitespace().next()?.parse().ok()
}

/// The number of calls in the last line of strace's table.
fn system_calls(printed: &str) -> Option<u64> {
    let total = printed.lines().rfind(|line| line.ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}
