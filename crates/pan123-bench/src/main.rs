//! What the crates of the workspace cost, beside floors that are written by hand: `table` prints it as Markdown.
//!
//! Instructions are counted by valgrind, system calls by strace, each as the difference between two runs of a child process of which
//! one makes twice as many calls, divided by that number. Allocations are counted in this process.

mod batch;
mod cases;
mod check;
mod clients;
mod floors;
mod ledger;
mod measure;
mod memory;
mod mock;
mod polls;
mod postgres;
mod process;
mod scale;
mod sizes;
mod start;
mod stub;
mod table;
mod tasks;

use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "\
pan123-bench table [--short]   every case as Markdown; short: counts only, which must keep to their limits
pan123-bench scale             many watches of one rate class
pan123-bench tasks             10,000 tasks that wait for their downloads
pan123-bench start             from the start of a process to its first answer
pan123-bench sizes             sizes of small programs, which it builds
pan123-bench case list         the names of the cases
pan123-bench case NAME         one case
pan123-bench batch [ITEMS]     whole batches, on a ledger in memory and on one in a file
pan123-bench ledger [FOLDER]   a ledger of a million items
pan123-bench pace              the shared pace in PostgreSQL
pan123-bench workers [SECONDS] many workers of one account on a PostgreSQL server
pan123-bench polls [SEEDS]     how soon a batch knows of the ends of its tasks
pan123-bench mock              the mock, in memory and as a program
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = io::stdout().lock();
    let written = match arguments[..] {
        ["table"] => table::full(&mut out),
        ["table", "--short"] => return check::all(&mut out),
        ["case", "list"] => table::names(&mut out),
        ["case", name] => table::one(&mut out, name),
        // The child processes.
        ["start", client, subject, file] => {
            start::run(client, subject, file);
            Ok(())
        }
        ["stub"] => stub::serve(&mut out, None),
        ["stub", last] => stub::serve(&mut out, last.parse().ok()),
        ["tasks", subject, count] => tasks::run(&mut out, subject, count),
        ["batch-row", kind, items] => batch::row(&mut out, kind, items),
        ["ledger-rows", ref arguments @ ..] => ledger::rows(&mut out, arguments),
        ["run", name, subject, calls] => {
            cases::run(name, subject, calls);
            Ok(())
        }
        ["scale", waiter, step, count] => {
            writeln!(out, "{}", scale::run(waiter, step, count).as_nanos())
        }
        ["time", name, subject, calls] => {
            writeln!(out, "{}", measure::time(name, subject, calls))
        }
        [name, ref arguments @ ..] if table::is_other(name) => {
            table::other(&mut out, name, arguments)
        }
        _ => {
            let _ = out.write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
