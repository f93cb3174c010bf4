//! Counts beside their limits: the short form of the table.

use std::fmt::{Arguments, Display};
use std::io::Write;
use std::process::ExitCode;

use crate::cases::{CASES, Case, Limits};
use crate::measure::has;
use crate::table::of_ours;
use crate::{scale, tasks};

/// What a watch that waits may take on the heap.
const MAX_BYTES: u64 = 512;
/// How much more a step of a watch may cost among ten times as many.
const MAX_GROWTH: f64 = 2.0;
const WATCHES: usize = 1_000;
const TASKS: usize = 300;
/// Those of the requests at once, and a few that a pool opens while one comes free.
const MAX_CONNECTIONS: usize = 110;

/// Prints counts only, and fails past a limit.
pub(crate) fn all(out: &mut dyn Write) -> ExitCode {
    let mut check = Check { out, exceeded: 0 };
    for case in CASES {
        check.case(case);
    }
    check.scale();
    check.tasks();
    match check.exceeded {
        0 => ExitCode::SUCCESS,
        number => {
            let _ = writeln!(
                check.out,
                "{number} of these counts exceed their limits, which are in `crates/pan123-bench/src/{{cases,check}}.rs`"
            );
            ExitCode::FAILURE
        }
    }
}

/// Compares counts with their limits.
struct Check<'a> {
    out: &'a mut dyn Write,
    exceeded: usize,
}

impl Check<'_> {
    fn case(&mut self, case: &Case) {
        let title = case.title;
        match case.limits {
            Limits::Memory { allocations } => {
                self.at_most(title, "allocations", of_ours(case), allocations);
            }
            Limits::Network {
                connections,
                system_calls,
            } => {
                let side = case.side("ours");
                let (connected, requests) = side.connections();
                self.at_most(title, "connections", connected, connections);
                self.exactly(title, "requests", requests, case.calls);
                if has("strace") {
                    // Under strace a call takes ten times as long.
                    let counted = side.system_calls(case.calls / 4);
                    self.at_most(title, "system calls", counted, system_calls);
                }
            }
        }
    }

    fn scale(&mut self) {
        for (waits_for, bytes) in scale::bytes(WATCHES) {
            let title = format!("a watch that waits for its {waits_for}");
            self.at_most(&title, "bytes", bytes, MAX_BYTES);
        }
        if has("valgrind") {
            let few = scale::instructions_each(WATCHES);
            let many = scale::instructions_each(10 * WATCHES);
            for (at, step) in ["booked", "asked, polled and dropped"].iter().enumerate() {
                let title = format!("a watch is {step} among ten times as many");
                self.at_most(
                    &title,
                    "times as many instructions",
                    many[at] / few[at],
                    MAX_GROWTH,
                );
            }
        }
    }

    fn tasks(&mut self) {
        let title = format!("{TASKS} tasks that wait");
        let used = tasks::used("ours", TASKS);
        self.exactly(&title, "requests", used.requests, 3 * TASKS);
        self.at_most(&title, "connections", used.connections, MAX_CONNECTIONS);
    }

    fn at_most<N: Copy + PartialOrd + Display>(
        &mut self,
        title: &str,
        what: &str,
        count: N,
        limit: N,
    ) {
        let line = format_args!("{title}: {count:.4} {what} of at most {limit}");
        self.print(count <= limit, line);
    }

    fn exactly<N: Copy + PartialEq + Display>(
        &mut self,
        title: &str,
        what: &str,
        count: N,
        limit: N,
    ) {
        let line = format_args!("{title}: {count} {what} of exactly {limit}");
        self.print(count == limit, line);
    }

    fn print(&mut self, is_kept: bool, line: Arguments) {
        let mark = if is_kept { "" } else { "  EXCEEDED" };
        let _ = writeln!(self.out, "{line}{mark}");
        self.exceeded += usize::from(!is_kept);
    }
}
