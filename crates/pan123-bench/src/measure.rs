//! Counts of what a call costs, and times.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::cases::{self, Case};
use crate::clients::URL;
use crate::process;
use crate::stub::Stub;

/// Runs a program so that its instructions are counted, four times as fast as by callgrind.
pub(crate) const CACHEGRIND: [&str; 4] = [
    "valgrind",
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
];

/// Whether this program is installed, and may do its work: a container may forbid strace to trace.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    match program {
        "strace" => command.args(["-c", "true"]),
        _ => command.arg("--version"),
    };
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Allocations a call, of the first thread.
pub(crate) fn allocations(run: fn(usize)) -> u64 {
    const CALLS: usize = 20;
    let count = |calls| allocation_counter::measure(|| run(calls)).count_total;
    count(CALLS);
    (count(2 * CALLS) - count(CALLS)) / CALLS as u64
}

/// Returns this program with these arguments, run by another one if one is named.
pub(crate) fn this_program(under: &[&str], arguments: &[&str]) -> Command {
    let program = std::env::current_exe().expect("this program");
    let Some((first, rest)) = under.split_first() else {
        let mut command = Command::new(program);
        command.args(arguments);
        return command;
    };
    let mut command = Command::new(first);
    command.args(rest).arg(program).args(arguments);
    command
}

/// Runs it to its end, which must be a good one.
pub(crate) fn output(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    output
}

/// Builds other programs of the workspace with its release profile. Returns their folder.
pub(crate) fn build(what: &[&str]) -> PathBuf {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet"]);
    output(cargo.args(what).current_dir(env!("CARGO_MANIFEST_DIR")));
    let program = std::env::current_exe().expect("this program");
    // `target/release`, or `target/debug` of a debug build.
    let target = program.ancestors().nth(2).expect("a target folder");
    target.join("release")
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
        self.difference(&CACHEGRIND, self.case.calls, instructions)
    }

    /// System calls a call, by strace.
    pub(crate) fn system_calls(self, calls: usize) -> f64 {
        self.difference(&["strace", "-f", "-c", "-q"], calls, system_calls)
    }

    /// Connections and requests of one run.
    pub(crate) fn connections(self) -> (usize, usize) {
        let stub = Stub::start();
        self.run(&[], &stub.url(), self.case.calls);
        stub.counts()
    }

    fn difference(self, under: &[&str], calls: usize, read: fn(&str) -> Option<u64>) -> f64 {
        let stub = self.case.needs_stub().then(Stub::start);
        let url = stub.as_ref().map_or(String::new(), Stub::url);
        let count = |calls| {
            let printed = self.run(under, &url, calls);
            read(&printed).unwrap_or_else(|| panic!("no count in: {printed}"))
        };
        let (once, twice) = (count(calls), count(2 * calls));
        per_call(twice.saturating_sub(once), calls)
    }

    /// Returns what is printed on standard error.
    fn run(self, under: &[&str], url: &str, calls: usize) -> String {
        let arguments = ["run", self.case.name, self.subject, &calls.to_string()];
        let output = output(this_program(under, &arguments).env(URL, url));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// How long ten times as many calls as are counted take; not the start of the process.
    fn took(self, stub: &Stub) -> Took {
        let calls = (10 * self.case.calls).to_string();
        let arguments = ["time", self.case.name, self.subject, &calls];
        let output = output(this_program(on_cpu("0"), &arguments).env(URL, stub.url()));
        Took::read(&String::from_utf8_lossy(&output.stdout)).expect("two numbers")
    }
}

/// Runs a program on one CPU, if there are several, so that client and stub do not disturb each other.
pub(crate) fn on_cpu(number: &'static str) -> &'static [&'static str] {
    let has_several = std::thread::available_parallelism().is_ok_and(|number| number.get() > 1);
    match number {
        "0" if has_several && has("taskset") => &["taskset", "-c", "0"],
        "1" if has_several && has("taskset") => &["taskset", "-c", "1"],
        _ => &[],
    }
}

/// The time of a run.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl Took {
    fn read(line: &str) -> Option<Took> {
        let (wall, cpu) = line.trim().split_once(' ')?;
        Some(Took {
            wall: Duration::from_micros(wall.parse().ok()?),
            cpu: Duration::from_micros(cpu.parse().ok()?),
        })
    }
}

/// What a child process prints: how long this many calls take, in microseconds.
pub(crate) fn time(name: &str, subject: &str, calls: &str) -> String {
    let cpu = || process::cpu("self").unwrap_or_default();
    let (began, before) = (Instant::now(), cpu());
    cases::run(name, subject, calls);
    let (wall, cpu) = (began.elapsed(), cpu().saturating_sub(before));
    format!("{} {}", wall.as_micros(), cpu.as_micros())
}

/// Ratios of pairs that are made in turn.
pub(crate) struct Ratios {
    pub(crate) wall: Spread,
    pub(crate) cpu: Spread,
}

/// The median, the least and the greatest of several figures.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        Spread {
            median: figures[figures.len() / 2],
            least: figures[0],
            most: figures[figures.len() - 1],
        }
    }
}

/// Compares the times of two sides, in pairs that are made in turn, each of them with the same number of calls.
pub(crate) fn pairs(one: Side<'_>, other: Side<'_>) -> Ratios {
    const PAIRS: usize = 5;
    let stub = Stub::start_by(&mut this_program(on_cpu("1"), &["stub"]));
    let pairs: Vec<_> = (0..PAIRS)
        .map(|_| (one.took(&stub), other.took(&stub)))
        .collect();
    let ratio = |of: fn(&Took) -> Duration| {
        let ratios = pairs.iter().map(|(one, other)| {
            let (one, other) = (of(one).as_secs_f64(), of(other).as_secs_f64());
            one / other
        });
        Spread::of(ratios)
    };
    Ratios {
        wall: ratio(|took| took.wall),
        cpu: ratio(|took| took.cpu),
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "counts are far below what a float holds exactly"
)]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

pub(crate) fn per_call(count: u64, calls: usize) -> f64 {
    number(count) / number(calls as u64)
}

/// The line of valgrind that says `I refs: 1,234`.
pub(crate) fn instructions(printed: &str) -> Option<u64> {
    let line = printed.lines().find(|line| line.contains("refs:"))?;
    let (_, number) = line.rsplit_once(' ')?;
    number.replace(',', "").parse().ok()
}

/// The number of calls in the last line of strace's table.
fn system_calls(printed: &str) -> Option<u64> {
    let total = printed.lines().rfind(|line| line.ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}
