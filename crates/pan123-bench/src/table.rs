//! The tables, as Markdown.

use std::io::{self, Write};

use crate::cases::{CASES, Case, find};
use crate::measure::{Ratio, Side, allocations, has, pairs};
use crate::{batch, ledger, mock, polls, postgres, scale, sizes, start, tasks};

pub(crate) fn names(out: &mut impl Write) -> io::Result<()> {
    for case in CASES {
        writeln!(out, "{:16} {}", case.name, case.title)?;
    }
    Ok(())
}

/// Prints the counts of one case.
pub(crate) fn one(out: &mut impl Write, name: &str) -> io::Result<()> {
    if let Some(case) = find(name) {
        return counts(out, &[case]);
    }
    writeln!(out, "no case `{name}`; these are there:")?;
    names(out)
}

pub(crate) fn full(out: &mut impl Write) -> io::Result<()> {
    let cases: Vec<&Case> = CASES.iter().collect();
    counts(out, &cases)?;
    writeln!(out)?;
    times(out)?;
    for (name, title, print) in OTHERS {
        writeln!(out, "\n### {title}\n\n`{name}`\n")?;
        out.flush()?;
        print(out, &[])?;
    }
    Ok(())
}

type Print = fn(&mut dyn Write, &[&str]) -> io::Result<()>;

/// The tables beside that of a call: the command of each, and its title.
const OTHERS: [(&str, &str, Print); 10] = [
    ("scale", "Many watches of one rate class", |mut out, _| {
        scale::table(&mut out)
    }),
    ("tasks", "10,000 tasks that wait", |mut out, _| {
        tasks::table(&mut out)
    }),
    ("start", "Start to first answer", |mut out, _| {
        start::table(&mut out)
    }),
    ("sizes", "Sizes of programs", |mut out, _| {
        sizes::table(&mut out)
    }),
    ("batch", "Whole batches", batch::table),
    ("ledger", "A ledger in a file", ledger::table),
    ("pace", "The shared pace in PostgreSQL", postgres::pace),
    (
        "workers",
        "Workers on one PostgreSQL server",
        postgres::workers,
    ),
    ("polls", "How soon a batch knows", polls::table),
    ("mock", "The mock", mock::table),
];

pub(crate) fn is_other(name: &str) -> bool {
    OTHERS.iter().any(|(of, ..)| *of == name)
}

pub(crate) fn other(out: &mut dyn Write, name: &str, arguments: &[&str]) -> io::Result<()> {
    let mut tables = OTHERS.iter().filter(|(of, ..)| *of == name);
    tables.try_for_each(|(.., print)| print(out, arguments))
}

/// The sides of a case.
impl Case {
    pub(crate) fn side<'a>(&'a self, subject: &'a str) -> Side<'a> {
        Side {
            case: self,
            subject,
        }
    }
}

fn counts(out: &mut impl Write, cases: &[&Case]) -> io::Result<()> {
    let (valgrind, strace) = (has("valgrind"), has("strace"));
    for (program, is_there) in [("valgrind", valgrind), ("strace", strace)] {
        if !is_there {
            writeln!(
                out,
                "`{program}` is not installed: its counts are left out.\n"
            )?;
        }
    }
    writeln!(out, "| counts | ours | floor | ratio |\n|---|---|---|---|")?;
    for case in cases {
        let (title, calls) = (case.title, case.calls);
        let (ours, floor) = (case.side("ours"), case.side("floor"));
        if valgrind {
            let beside = case
                .beside
                .map_or(0.0, |_| case.side("beside").instructions());
            let (ours, floor) = (ours.instructions() - beside, floor.instructions());
            let ratio = ours / floor;
            writeln!(
                out,
                "| {title}: instructions | {ours:.0} | {floor:.0} | {ratio:.2} |"
            )?;
        }
        if !case.needs_stub() {
            let (ours, floor) = (of_ours(case), allocations(case.floor));
            writeln!(out, "| {title}: allocations | {ours} | {floor} | |")?;
            out.flush()?;
            continue;
        }
        if strace {
            let (ours, floor) = (ours.system_calls(calls), floor.system_calls(calls));
            writeln!(out, "| {title}: system calls | {ours:.1} | {floor:.1} | |")?;
        }
        let ((ours, _), (floor, _)) = (ours.connections(), floor.connections());
        writeln!(
            out,
            "| {title}: connections for {calls} calls | {ours} | {floor} | |"
        )?;
        out.flush()?;
    }
    Ok(())
}

pub(crate) fn of_ours(case: &Case) -> u64 {
    allocations(case.ours).saturating_sub(case.beside.map_or(0, allocations))
}

/// What is compared with which floor: a blocking client with the bare async one, too.
const PAIRS: [(&str, &str); 6] = [
    ("async", "async"),
    ("async-64", "async-64"),
    ("blocking", "blocking"),
    ("blocking-64", "blocking-64"),
    ("blocking", "async"),
    ("blocking-64", "async-64"),
];

fn times(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| times | beside the floor of | CPU | wall |\n|---|---|---|---|"
    )?;
    for (ours, floor) in PAIRS {
        let [ours, floor] = [ours, floor].map(|name| find(name).expect("a case"));
        let ratios = pairs(ours.side("ours"), floor.side("floor"));
        let shown = |ratio: Ratio| {
            let Ratio {
                median,
                least,
                most,
            } = ratio;
            format!("{median:.2} [{least:.2} to {most:.2}]")
        };
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            ours.title,
            floor.title,
            shown(ratios.cpu),
            shown(ratios.wall)
        )?;
        out.flush()?;
    }
    Ok(())
}
