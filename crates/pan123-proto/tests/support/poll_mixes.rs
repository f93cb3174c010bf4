//! Mixes of tasks, and how late their ends are known: by a round robin, and by a schedule.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fastrand::Rng;
use pan123_proto::batch::{NextPoll, PollSchedule};
use pan123_proto::offline::{Progress, TaskStatus};

/// Five polls a second, as the service allows.
pub(crate) const PACE: Duration = Duration::from_millis(200);
/// One create a second.
const CREATE_EVERY: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(100);

/// What tasks are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    /// The share of tasks of about a minute; the others take about an hour.
    pub(crate) short: f64,
    /// How much the speed of a task varies.
    pub(crate) noise: f64,
    /// The share of tasks that stand still for 30 s to 5 min.
    pub(crate) stalls: f64,
    /// The share of tasks that fail at some time.
    pub(crate) failures: f64,
    /// The share of tasks that show no percentage.
    pub(crate) silent: f64,
    /// Whether it served to choose the constants of the schedule.
    pub(crate) tuned: bool,
}

pub(crate) const MIXED: Mix = Mix {
    name: "mixed",
    short: 0.8,
    noise: 0.3,
    stalls: 0.02,
    failures: 0.02,
    silent: 0.0,
    tuned: true,
};

pub(crate) const MIXES: [Mix; 7] = [
    MIXED,
    Mix {
        name: "short only",
        short: 1.0,
        ..MIXED
    },
    Mix {
        name: "long only",
        short: 0.0,
        ..MIXED
    },
    Mix {
        name: "many failures and stalls",
        stalls: 0.2,
        failures: 0.2,
        ..MIXED
    },
    Mix {
        name: "very noisy",
        noise: 1.0,
        ..MIXED
    },
    Mix {
        name: "half long",
        short: 0.5,
        tuned: false,
        ..MIXED
    },
    Mix {
        name: "half silent",
        silent: 0.5,
        tuned: false,
        ..MIXED
    },
];

struct Task {
    created: Duration,
    /// Without its standstill.
    duration: f64,
    end: Duration,
    /// The share of the work that is done after each part of the time.
    done: Vec<f64>,
    stall: Option<(f64, f64)>,
    silent: bool,
}

impl Task {
    fn new(mix: &Mix, created: Duration, rng: &mut Rng) -> Task {
        let mean = if rng.f64() < mix.short { 60.0 } else { 3600.0 };
        let duration = mean * (0.5 * gauss(rng)).exp();
        let parts: Vec<f64> = (0..6).map(|_| (mix.noise * gauss(rng)).exp()).collect();
        let all: f64 = parts.iter().sum();
        let done = parts.iter().scan(0.0, |sum, part| {
            *sum += part / all;
            Some(*sum)
        });
        let done = done.collect();
        let stalls = rng.f64() < mix.stalls;
        let stall = (duration * rng.f64(), 30.0 + 270.0 * rng.f64());
        let stall = stalls.then_some(stall);
        let fails = rng.f64() < mix.failures;
        let share = rng.f64();
        let runs = if fails { duration * share } else { duration };
        let pause = stall.map_or(0.0, |(at, length)| if at < runs { length } else { 0.0 });
        Task {
            created,
            duration,
            end: created + Duration::from_secs_f64(runs + pause),
            done,
            stall,
            silent: rng.f64() < mix.silent,
        }
    }

    /// Its percentage, rounded down.
    fn percent(&self, now: Duration) -> Option<f64> {
        if self.silent {
            return None;
        }
        let mut ran = now.saturating_sub(self.created).as_secs_f64();
        if let Some((at, length)) = self.stall
            && ran > at
        {
            ran = at.max(ran - length);
        }
        #[expect(clippy::cast_precision_loss, reason = "there are six parts")]
        let part = self.duration / self.done.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is the number of a part"
        )]
        let index = ((ran / part) as usize).min(self.done.len() - 1);
        let before = if index == 0 {
            0.0
        } else {
            self.done[index - 1]
        };
        let within = (ran / part).fract();
        let share = before + (self.done[index] - before) * within;
        Some((share * 100.0).floor().min(99.0))
    }
}

fn gauss(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}

/// What a way of polling brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Between the end of a task and the knowledge of it, in seconds.
    pub(crate) mean_delay: f64,
    pub(crate) max_delay: f64,
    pub(crate) polls: usize,
    /// The longest time that a task stayed unseen, as a part of what is allowed.
    pub(crate) unseen: f64,
}

/// Chooses what is polled.
pub(crate) trait Chooser {
    fn add(&mut self, task: usize, now: Instant);
    fn next(&mut self, now: Instant) -> Option<usize>;
    fn goes_on(&mut self, task: usize, now: Instant, progress: &Progress);
    fn ended(&mut self, task: usize, now: Instant);
    fn max_unseen(&self) -> Duration;
}

#[derive(Default)]
pub(crate) struct RoundRobin(VecDeque<usize>);

impl Chooser for RoundRobin {
    fn add(&mut self, task: usize, _: Instant) {
        self.0.push_back(task);
    }

    fn next(&mut self, _: Instant) -> Option<usize> {
        self.0.pop_front()
    }

    fn goes_on(&mut self, task: usize, _: Instant, _: &Progress) {
        self.0.push_back(task);
    }

    fn ended(&mut self, _: usize, _: Instant) {}

    fn max_unseen(&self) -> Duration {
        Duration::MAX
    }
}

pub(crate) struct Scheduled(PollSchedule<usize>);

impl Scheduled {
    pub(crate) fn new() -> Scheduled {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(15));
        Scheduled(PollSchedule::new(min, max))
    }
}

impl Chooser for Scheduled {
    fn add(&mut self, task: usize, now: Instant) {
        self.0.add(task, now);
    }

    fn next(&mut self, now: Instant) -> Option<usize> {
        match self.0.next(now, PACE) {
            NextPoll::Poll(task) => Some(task),
            _ => None,
        }
    }

    fn goes_on(&mut self, task: usize, now: Instant, progress: &Progress) {
        self.0.answered(task, now, progress);
    }

    fn ended(&mut self, task: usize, now: Instant) {
        self.0.ended(task, now);
    }

    fn max_unseen(&self) -> Duration {
        self.0.max_unseen(PACE)
    }
}

/// Polls this many tasks of a mix until all their ends are known.
pub(crate) fn run(
    mix: &Mix,
    count: usize,
    seed: u64,
    start: Instant,
    mut chooser: impl Chooser,
) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let mut outcome = Outcome::default();
    let mut tasks: Vec<(Task, Duration)> = Vec::new();
    let mut known = 0;
    let mut now = Duration::ZERO;
    let mut next_create = Duration::ZERO;
    while known < count {
        while tasks.len() < count && next_create <= now {
            chooser.add(tasks.len(), start + next_create);
            tasks.push((Task::new(mix, next_create, &mut rng), next_create));
            next_create += CREATE_EVERY;
        }
        if let Some(polled) = chooser.next(start + now) {
            let allowed = chooser.max_unseen().as_secs_f64();
            let (task, looked) = &mut tasks[polled];
            let unseen = now.saturating_sub(*looked).as_secs_f64() / allowed;
            outcome.unseen = outcome.unseen.max(unseen);
            *looked = now;
            outcome.polls += 1;
            if now >= task.end {
                let delay = (now + LATENCY).saturating_sub(task.end).as_secs_f64();
                outcome.mean_delay += delay;
                outcome.max_delay = outcome.max_delay.max(delay);
                known += 1;
                chooser.ended(polled, start + now);
            } else {
                let progress = Progress::new(task.percent(now), TaskStatus::Running);
                chooser.goes_on(polled, start + now, &progress);
            }
        }
        now += PACE;
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few tasks")]
    let count = count as f64;
    outcome.mean_delay /= count;
    outcome
}
