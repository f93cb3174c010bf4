//! How soon a batch knows of the ends of its tasks, against a round robin, in virtual time: `cargo bench -p pan123-proto --bench polls`.
//! An argument sets the number of seeds, 10 by default.

#![allow(clippy::print_stdout, reason = "the table is what one looks for")]

#[path = "../tests/support/poll_mixes.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod poll_mixes;

use std::time::Instant;

use poll_mixes::{MIXES, RoundRobin, Scheduled, run};

#[expect(
    clippy::disallowed_methods,
    reason = "a base for virtual time, and the argument"
)]
fn main() {
    let start = Instant::now();
    let seeds = std::env::args().find_map(|argument| argument.parse().ok());
    let seeds: u64 = seeds.unwrap_or(10);
    println!(
        "{seeds} seeds; mean delay between the end of a task and the knowledge of it, in seconds\n"
    );
    println!(
        "| mix | tasks | round robin | schedule | times sooner | latest | unseen, of the bound | polls |"
    );
    println!("|---|---|---|---|---|---|---|---|");
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
            println!(
                "| {}{tuned} | {count} | {:.2} | {:.2} | {:.1} | {latest:.0} | {unseen:.2} | {polls:.0} |",
                mix.name,
                robin / each,
                delay / each,
                robin / delay,
            );
        }
    }
}
