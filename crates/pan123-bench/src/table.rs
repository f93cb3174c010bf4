//! The tables, as Markdown.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cases::{CASES, Case, Kind, find};
use crate::measure::{Side, allocations, has};

pub(crate) fn names(out: &mut impl Write) -> io::Result<()> {
    for case in CASES {
        writeln!(out, "{:16} {}", case.name, case.title)?;
    }
    Ok(())
}

pub(crate) fn one(out: &mut impl Write, name: &str) -> io::Result<()> {
    if let Some(case) = find(name) {
        return cases(out, &[case]);
    }
    writeln!(out, "no case `{name}`; these are there:")?;
    names(out)
}

pub(crate) fn full(out: &mut impl Write) -> io::Result<()> {
    cases(out, &CASES.iter().collect::<Vec<_>>())
}

fn cases(out: &mut impl Write, cases: &[&Case]) -> io::Result<()> {
    let (valgrind, strace) = (has("valgrind"), has("strace"));
    writeln!(out, "| | ours | floor | ratio |\n|---|---|---|---|")?;
    for case in cases {
        let ours = Side {
            case,
            subject: "ours",
        };
        let floor = Side {
            case,
            subject: "floor",
        };
        if valgrind {
            let beside = case.beside.map_or(0.0, |_| {
                let beside = Side {
                    case,
                    subject: "beside",
                };
                beside.instructions()
            });
            let (ours, floor) = (ours.instructions() - beside, floor.instructions());
            let ratio = ours / floor;
            writeln!(
                out,
                "| {}: instructions | {ours:.0} | {floor:.0} | {ratio:.2} |",
                case.title
            )?;
        }
        match case.kind {
            Kind::Memory => {
                let (ours, floor) = (of_ours(case), allocations(case.floor));
                writeln!(out, "| {}: allocations | {ours} | {floor} | |", case.title)?;
            }
            Kind::Network => {
                if strace {
                    let (ours, floor) = (ours.system_calls(), floor.system_calls());
                    writeln!(
                        out,
                        "| {}: system calls | {ours:.1} | {floor:.1} | |",
                        case.title
                    )?;
                }
                let (ours, _) = ours.connections(case.calls);
                let (floor, _) = floor.connections(case.calls);
                let (title, calls) = (case.title, case.calls);
                writeln!(
                    out,
                    "| {title}: connections for {calls} calls | {ours} | {floor} | |"
                )?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn of_ours(case: &Case) -> u64 {
    allocations(case.ours) - case.beside.map_or(0, allocations)
}

/// Counts only, against their limits.
pub(crate) fn short(out: &mut impl Write) -> ExitCode {
    let mut is_kept = true;
    for case in CASES {
        let Some(max) = case.max_allocations else {
            continue;
        };
        let counted = of_ours(case);
        let _ = writeln!(
            out,
            "{}: {counted} allocations of at most {max}",
            case.title
        );
        is_kept &= counted <= max;
    }
    if is_kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
