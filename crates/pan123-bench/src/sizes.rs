//! The sizes of small programs, which are the examples of this crate: ours, and as floors the same call with the bare client. They are
//! built with the release profile of the workspace, which `cargo` is run for.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use crate::measure::{build, has, output};

pub(crate) fn table(out: &mut impl Write) -> io::Result<()> {
    let built = build(&["--package=pan123-bench", "--features=sizes", "--examples"]);
    let folder = built.join("examples");
    let strip = has("strip");
    writeln!(
        out,
        "| size of a program | ours | floor | ratio |\n|---|---|---|---|"
    )?;
    for client in ["async", "blocking"] {
        let [ours, floor] =
            ["ours", "bare"].map(|subject| folder.join(format!("{client}_{subject}")));
        row(out, client, size(&ours)?, size(&floor)?)?;
        if strip {
            let title = format!("{client}, stripped");
            row(out, &title, stripped(&ours)?, stripped(&floor)?)?;
        }
    }
    Ok(())
}

fn row(out: &mut impl Write, title: &str, ours: f64, floor: f64) -> io::Result<()> {
    let ratio = ours / floor;
    writeln!(
        out,
        "| {title} | {ours:.2} MB | {floor:.2} MB | {ratio:.2} |"
    )?;
    out.flush()
}

/// In megabytes.
fn size(program: &Path) -> io::Result<f64> {
    let kilobytes = fs::metadata(program)?.len() / 1000;
    Ok(f64::from(u32::try_from(kilobytes).unwrap_or(u32::MAX)) / 1000.0)
}

fn stripped(program: &Path) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("stripped");
    output(Command::new("strip").arg(program).arg("-o").arg(&copy));
    size(&copy)
}
