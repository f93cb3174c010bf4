//! What benchmarks print.

use std::time::Duration;

/// Returns the median and what 99 % take at most.
pub(crate) fn summary(mut latencies: Vec<Duration>) -> String {
    if latencies.is_empty() {
        return "-".to_owned();
    }
    latencies.sort_unstable();
    let millis = |percent: usize| latencies[latencies.len() * percent / 100].as_secs_f64() * 1e3;
    format!("{:.1} / {:.1} ms", millis(50), millis(99))
}
