//! What Linux tells about a process; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use crate::measure::number;

/// How long a tick of `/proc/PID/stat` is.
const TICK: Duration = Duration::from_millis(10);

/// Returns the user and system time of a process with all its threads, to a hundredth of a second.
pub(crate) fn cpu(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(ticks(stat_fields(&stat).get(11..13)?))
}

/// Returns what follows the name of a process in its `stat`: the name may have spaces.
pub(crate) fn stat_fields(stat: &str) -> Vec<&str> {
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    fields.split_whitespace().collect()
}

/// Returns the time that these fields add up to.
pub(crate) fn ticks(fields: &[&str]) -> Duration {
    let ticks = fields.iter().map(|field| field.parse().unwrap_or(0));
    TICK * ticks.sum::<u32>()
}

/// Returns a number of `/proc/PID/status`, such as `VmHWM` (in KiB) or `Threads`.
pub(crate) fn status(process: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.strip_prefix(':')?.split_whitespace().next()?;
    number.parse().ok()
}

/// Returns the most memory that this process has had, in MB.
pub(crate) fn peak_memory() -> f64 {
    number(status("self", "VmHWM").unwrap_or(0)) / 1024.0
}

/// A temporary folder beside this program: where it is built is a disk with room.
pub(crate) fn folder() -> TempDir {
    let program = std::env::current_exe().expect("this program");
    let beside = program.parent().expect("a folder");
    tempfile::tempdir_in(beside).expect("a folder")
}
