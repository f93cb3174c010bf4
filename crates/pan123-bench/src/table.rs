//! The tables, as Markdown.

use std::io::{self, Write};

use crate::cases::{CASES, Case, find};
use crate::measure::{Side, Spread, allocations, has, number, pairs};
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
    for program in ["valgrind", "strace"] {
        if !has(program) {
            writeln!(
                out,
                "`{program}` is not installed, or may not run: its counts are left out.\n"
            )?;
        }
    }
    writeln!(out, "| counts | ours | floor | ratio |\n|---|---|---|---|")?;
    for case in cases {
        for (what, [ours, floor]) in counted(case) {
            let title = case.title;
            let ratio = match floor {
                0.0 => String::new(),
                floor => format!("{:.2}", ours / floor),
            };
            let digits = usize::from(ours < 100.0 && ours.fract() > 0.0);
            writeln!(
                out,
                "| {title}: {what} | {ours:.digits$} | {floor:.digits$} | {ratio} |"
            )?;
        }
        out.flush()?;
    }
    Ok(())
}

/// What there is to count of a case: of ours, and of the floor.
fn counted(case: &Case) -> Vec<(String, [f64; 2])> {
    let sides = [case.side("ours"), case.side("floor")];
    let mut rows = Vec::new();
    if has("valgrind") {
        let beside = case.beside.map(|_| case.side("beside").instructions());
        let [ours, floor] = sides.map(Side::instructions);
        let ours = ours - beside.unwrap_or(0.0);
        rows.push(("instructions".to_owned(), [ours, floor]));
    }
    if !case.needs_stub() {
        let counts = [of_ours(case), allocations(case.floor)];
        rows.push(("allocations".to_owned(), counts.map(number)));
        return rows;
    }
    if has("strace") {
        let counts = sides.map(|side| side.system_calls(case.calls));
        rows.push(("system calls".to_owned(), counts));
    }
    let counts = sides.map(|side| number(side.connections().0 as u64));
    rows.push((format!("connections for {} calls", case.calls), counts));
    rows
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
        let shown = |ratio: Spread| {
            format!(
                "{:.2} [{:.2} to {:.2}]",
                ratio.median, ratio.least, ratio.most
            )
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
