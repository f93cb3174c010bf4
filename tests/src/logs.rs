//! Captures everything that any crate logs, by `tracing` or `log`, down to TRACE.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

static SET_UP: Once = Once::new();
static TURN: Mutex<()> = Mutex::new(());
static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Returns what is logged while this runs: events, and the end of each span. Only one test at a time runs in it.
///
/// # Panics
///
/// If a line is not JSON.
pub fn logged(work: impl FnOnce()) -> Vec<Value> {
    SET_UP.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .with_max_level(LevelFilter::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(Capture)
            .init();
    });
    let _turn = lock(&TURN);
    lock(&WRITTEN).clear();
    work();
    let written = std::mem::take(&mut *lock(&WRITTEN));
    let lines = written.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line is JSON"))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Capture;

impl MakeWriter<'_> for Capture {
    type Writer = Capture;

    fn make_writer(&self) -> Capture {
        Capture
    }
}

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&WRITTEN).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
