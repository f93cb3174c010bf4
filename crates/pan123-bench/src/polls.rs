//! How soon a batch knows of the ends of its tasks, against a round robin, in virtual time.

#[path = "../../pan123-proto/tests/support/poll_mixes.rs"]
#[expect(dead_code, reason = "the core's tests use the rest")]
mod poll_mixes;

use std::io::{self, Write};
use std::time::Instant;

use poll_mixes::{MIXES, RoundRobin, Scheduled, run};

/// Prints a row for each mix and number of tasks; the argument is how many seeds.
pub(crate) fn table(out: &mut dyn Write, arguments: &[&str]) -> io::Result<()> {
    let start = Instant::now();
    let seeds = arguments.first().and_then(|seeds| seeds.parse().ok());
    let seeds: u64 = seeds.unwrap_or(10);
    writeln!(
        out,
        "{seeds} seeds; mean delay between the end of a task and the knowledge of it, in seconds.\n"
    )?;
    writeln!(
        out,
        "| mix | tasks | round robin | schedule | times sooner | latest | unseen, of the bound | polls |\n|---|---|---|---|---|---|---|---|"
    )?;
    for mix in &MIXES {
        for count in [100, 1000, 10_000] {
            let (mut robin, mut delay, mut latest) = (0.0, 0.0, 0.0_f64);
            let (mut unseen, mut polls) = (0.0_f64, 0);
            for seed in 0..seeds {
                robin += run(mix, count, seed, start, RoundRobin::default()).mean_delay;
                let outcome = run(mix, count, seed, start, Scheduled::new());
                delay += outcome.mean_delay;
                latest = latest.max(outcome.max_delay);
                unseen = unseen.max(outcome.unseen);
                polls += outcome.polls;
            }
            #[expect(clippy::cast_precision_loss, reason = "there are few seeds and polls")]
            let (each, polls) = (seeds as f64, polls as f64 / seeds as f64);
            let tuned = if mix.tuned { "" } else { " (not tuned for)" };
            writeln!(
                out,
                "| {}{tuned} | {count} | {:.2} | {:.2} | {:.1} | {latest:.0} | {unseen:.2} | {polls:.0} |",
                mix.name,
                robin / each,
                delay / each,
                robin / delay,
            )?;
        }
    }
    Ok(())
}
