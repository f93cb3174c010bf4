//! What Linux tells about a process; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// How long a tick of `/proc/PID/stat` is.
const TICK: Duration = Duration::from_millis(10);

/// Returns the user and system time of a process with all its threads, to a hundredth of a second.
pub(crate) fn cpu(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may have spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2);
    let ticks: u32 = ticks.map(|field| field.parse().unwrap_or(0)).sum();
    Some(TICK * ticks)
}

/// Returns a number of `/proc/PID/status`, such as `VmHWM` (in KiB) or `Threads`.
pub(crate) fn status(process: &str, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.strip_prefix(':')?.split_whitespace().next()?;
    number.parse().ok()
}
