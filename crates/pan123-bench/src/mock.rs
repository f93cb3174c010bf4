//! What the mock costs.

mod in_memory;
mod program;

use std::io::{self, Write};

pub(crate) fn table(out: &mut dyn Write, _: &[&str]) -> io::Result<()> {
    in_memory::table(out)?;
    writeln!(out)?;
    program::table(out)
}
