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
/// After a poll that failed.
const BACKOFF: Duration = Duration::from_secs(2);

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
    /// The share of tasks that show 0 % for a fifth to four fifths of their time.
    pub(crate) late: f64,
    /// The share of tasks that show 99 % for a tenth to half of their time.
    pub(crate) stuck: f64,
    /// The share of tasks that begin anew once.
    pub(crate) restarts: f64,
    /// The share of answers without a percentage.
    pub(crate) untold: f64,
    /// The share of polls that fail.
    pub(crate) failed_polls: f64,
    /// When the tasks are created.
    pub(crate) created: Created,
    /// How many times sooner than by a round robin the ends of 1,000 tasks are known, at least.
    pub(crate) times_sooner: f64,
    /// Whether it served to choose the constants of the schedule.
    pub(crate) tuned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    OneASecond,
    AtOnce,
    /// Some time before: a batch was resumed.
    Before,
}

pub(crate) const MIXED: Mix = Mix {
    name: "mixed",
    short: 0.8,
    noise: 0.3,
    stalls: 0.02,
    failures: 0.02,
    silent: 0.0,
    late: 0.0,
    stuck: 0.0,
    restarts: 0.0,
    untold: 0.0,
    failed_polls: 0.0,
    created: Created::OneASecond,
    times_sooner: 8.0,
    tuned: true,
};

pub(crate) const MIXES: [Mix; 16] = [
    MIXED,
    Mix {
        name: "short only",
        short: 1.0,
        times_sooner: 4.0,
        ..MIXED
    },
    Mix {
        name: "long only",
        short: 0.0,
        times_sooner: 8.0,
        ..MIXED
    },
    Mix {
        name: "many failures and stalls",
        stalls: 0.2,
        failures: 0.2,
        times_sooner: 1.8,
        ..MIXED
    },
    Mix {
        name: "very noisy",
        noise: 1.0,
        times_sooner: 1.5,
        ..MIXED
    },
    Mix {
        name: "half long",
        short: 0.5,
        times_sooner: 8.0,
        ..MIXED
    },
    Mix {
        name: "half silent",
        silent: 0.5,
        times_sooner: 1.7,
        ..MIXED
    },
    Mix {
        name: "late start",
        late: 0.5,
        times_sooner: 1.6,
        ..MIXED
    },
    Mix {
        name: "stuck at 99 %",
        stuck: 0.5,
        times_sooner: 1.8,
        ..MIXED
    },
    Mix {
        name: "begin anew",
        restarts: 0.3,
        times_sooner: 2.0,
        ..MIXED
    },
    Mix {
        name: "answers without a percentage",
        untold: 0.3,
        times_sooner: 4.0,
        ..MIXED
    },
    Mix {
        name: "polls fail",
        failed_polls: 0.2,
        times_sooner: 7.0,
        ..MIXED
    },
    Mix {
        name: "created at once",
        created: Created::AtOnce,
        times_sooner: 1.0,
        ..MIXED
    },
    Mix {
        name: "resumed",
        created: Created::Before,
        times_sooner: 1.0,
        ..MIXED
    },
    Mix {
        name: "some of everything",
        short: 0.65,
        noise: 0.5,
        stalls: 0.1,
        failures: 0.05,
        silent: 0.1,
        late: 0.1,
        stuck: 0.1,
        restarts: 0.05,
        untold: 0.05,
        failed_polls: 0.05,
        times_sooner: 1.8,
        tuned: false,
        ..MIXED
    },
    Mix {
        name: "mostly long, noisy",
        short: 0.3,
        noise: 0.6,
        stalls: 0.05,
        untold: 0.1,
        times_sooner: 4.0,
        tuned: false,
        ..MIXED
    },
];

struct Task {
    created: Duration,
    /// How long it ran before.
    before: Duration,
    /// Without its standstill.
    duration: f64,
    end: Duration,
    /// The share of the work that is done after each part of the time.
    done: Vec<f64>,
    stall: Option<(f64, f64)>,
    silent: bool,
    /// The share of its time after which it shows its first percent, 99 %, or 0 % again.
    first_percent_at: Option<f64>,
    stuck_at: Option<f64>,
    anew_at: Option<f64>,
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
        let total = Duration::from_secs_f64(runs + pause);
        let before = match mix.created {
            Created::Before => total.mul_f64(rng.f64()),
            _ => Duration::ZERO,
        };
        Task {
            created,
            before,
            duration,
            end: created + total.saturating_sub(before),
            done,
            stall,
            silent: rng.f64() < mix.silent,
            first_percent_at: (rng.f64() < mix.late).then(|| 0.2 + 0.6 * rng.f64()),
            stuck_at: (rng.f64() < mix.stuck).then(|| 0.5 + 0.4 * rng.f64()),
            anew_at: (rng.f64() < mix.restarts).then(|| 0.2 + 0.6 * rng.f64()),
        }
    }

    /// Its percentage, rounded down.
    fn percent(&self, now: Duration) -> Option<f64> {
        if self.silent {
            return None;
        }
        let mut ran = (now + self.before)
            .saturating_sub(self.created)
            .as_secs_f64();
        if let Some((at, length)) = self.stall
            && ran > at
        {
            ran = at.max(ran - length);
        }
        let share = self.done(self.shown(ran / self.duration));
        Some((share * 100.0).floor().min(99.0))
    }

    /// The share of its time that its percentage stands for.
    fn shown(&self, mut share: f64) -> f64 {
        if let Some(at) = self.stuck_at {
            share /= at;
        }
        if let Some(at) = self.first_percent_at {
            share = ((share - at) / (1.0 - at)).max(0.0);
        }
        match self.anew_at {
            Some(at) if share >= at => (share - at) / (1.0 - at),
            _ => share,
        }
    }

    /// The share of the work that is done after this share of the time.
    fn done(&self, time: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are six parts")]
        let parts = time.min(1.0) * self.done.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is the number of a part"
        )]
        let index = (parts as usize).min(self.done.len() - 1);
        let before = index.checked_sub(1).map_or(0.0, |index| self.done[index]);
        #[expect(clippy::cast_precision_loss, reason = "there are six parts")]
        let within = parts - index as f64;
        before + (self.done[index] - before) * within
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
    fn add(&mut self, task: usize, now: Instant, created: Created);
    fn next(&mut self, now: Instant) -> NextPoll<usize>;
    fn goes_on(&mut self, task: usize, now: Instant, progress: &Progress);
    fn failed(&mut self, task: usize, now: Instant);
    fn ended(&mut self, task: usize, now: Instant);
    fn max_unseen(&self) -> Duration;
}

#[derive(Default)]
pub(crate) struct RoundRobin(VecDeque<usize>);

impl Chooser for RoundRobin {
    fn add(&mut self, task: usize, _: Instant, _: Created) {
        self.0.push_back(task);
    }

    fn next(&mut self, _: Instant) -> NextPoll<usize> {
        self.0.pop_front().map_or(NextPoll::Nothing, NextPoll::Poll)
    }

    fn goes_on(&mut self, task: usize, _: Instant, _: &Progress) {
        self.0.push_back(task);
    }

    fn failed(&mut self, task: usize, _: Instant) {
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
    fn add(&mut self, task: usize, now: Instant, created: Created) {
        if created == Created::Before {
            self.0.add_older(task, now);
        } else {
            self.0.add(task, now);
        }
    }

    fn next(&mut self, now: Instant) -> NextPoll<usize> {
        self.0.next(now, PACE)
    }

    fn goes_on(&mut self, task: usize, now: Instant, progress: &Progress) {
        self.0.answered(task, now, progress);
    }

    fn failed(&mut self, task: usize, now: Instant) {
        self.0.failed(task, now, BACKOFF);
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
    let mut answers = rng.fork();
    let mut outcome = Outcome::default();
    let mut tasks: Vec<(Task, Look)> = Vec::new();
    let mut known = 0;
    let mut now = Duration::ZERO;
    let mut next_create = Duration::ZERO;
    while known < count {
        while tasks.len() < count && next_create <= now {
            chooser.add(tasks.len(), start + next_create, mix.created);
            let look = Look {
                at: next_create,
                max_unseen: chooser.max_unseen(),
            };
            tasks.push((Task::new(mix, next_create, &mut rng), look));
            if mix.created == Created::OneASecond {
                next_create += CREATE_EVERY;
            }
        }
        let polled = match chooser.next(start + now) {
            NextPoll::Poll(polled) => polled,
            NextPoll::At(at) => {
                // The next slot, unless a task is created before.
                let idle = at.saturating_duration_since(start + now);
                let slots = idle.as_millis().div_ceil(PACE.as_millis());
                now += PACE.saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX));
                if tasks.len() < count {
                    now = now.min(next_create);
                }
                continue;
            }
            _ => {
                now += PACE;
                continue;
            }
        };
        outcome.polls += 1;
        let (task, look) = &mut tasks[polled];
        if answers.f64() < mix.failed_polls {
            chooser.failed(polled, start + now);
        } else {
            // There may be fewer tasks now than when it was last seen.
            let max_unseen = chooser.max_unseen().max(look.max_unseen);
            let unseen = now.saturating_sub(look.at).div_duration_f64(max_unseen);
            outcome.unseen = outcome.unseen.max(unseen);
            *look = Look {
                at: now,
                max_unseen: chooser.max_unseen(),
            };
            if now >= task.end {
                let delay = (now + LATENCY).saturating_sub(task.end).as_secs_f64();
                outcome.mean_delay += delay;
                outcome.max_delay = outcome.max_delay.max(delay);
                known += 1;
                chooser.ended(polled, start + now);
            } else {
                let percent = task.percent(now);
                let percent = percent.filter(|_| answers.f64() >= mix.untold);
                let progress = Progress::new(percent, TaskStatus::Running);
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

/// When a task was last seen, and for how long it might stay unseen then.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Duration,
    max_unseen: Duration,
}
