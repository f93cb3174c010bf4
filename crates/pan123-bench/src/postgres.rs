//! What the shared pace and the workers of an account cost one PostgreSQL server, which `PAN123_TEST_POSTGRES` names. With its data on
//! a disk:
//!
//! ```sh
//! PAN123_POSTGRES_FOLDER=/var/tmp PAN123_POSTGRES_SETTINGS=max_connections=400 .ci/postgres \
//!     cargo run --release -p pan123-bench -- workers [SECONDS]
//! ```

mod pace;
mod workers;

use std::io::{self, Write};
use std::time::Duration;

use pan123_ledger::Postgres;

pub(crate) fn pace(out: &mut dyn Write, _: &[&str]) -> io::Result<()> {
    match server(out)? {
        Some(url) => pace::table(out, &url),
        None => Ok(()),
    }
}

pub(crate) fn workers(out: &mut dyn Write, arguments: &[&str]) -> io::Result<()> {
    match server(out)? {
        Some(url) => workers::table(out, &url, arguments),
        None => Ok(()),
    }
}

/// Says so where there is none.
fn server(out: &mut dyn Write) -> io::Result<Option<String>> {
    let url = std::env::var("PAN123_TEST_POSTGRES").ok();
    if url.is_none() {
        writeln!(
            out,
            "Skipped: `PAN123_TEST_POSTGRES` names no server; `.ci/postgres` starts one."
        )?;
    }
    Ok(url)
}

/// A schema of its own.
fn database(url: &str) -> Postgres {
    let schema = format!("pan123_bench_{:x}", fastrand::u64(..));
    let database = Postgres::new(url).expect("a URL");
    database.schema(schema).expect("a name")
}

/// Returns the median and what 99 % take at most.
fn summary(mut latencies: Vec<Duration>) -> String {
    if latencies.is_empty() {
        return "-".to_owned();
    }
    latencies.sort_unstable();
    let millis = |percent: usize| latencies[latencies.len() * percent / 100].as_secs_f64() * 1e3;
    format!("{:.1} / {:.1} ms", millis(50), millis(99))
}
