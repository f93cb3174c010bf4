//! Which of many tasks is polled next, where there are fewer polls than one would like.
//!
//! A poll is worth the most where a task has the highest chance of having ended since it was last seen. So each answered poll gives an
//! estimate of the time that the task still needs: from its speed, or, if it shows none, half as long again as it has taken. Tasks with
//! about the same estimate form a class; in each class the one that was seen longest ago has the highest chance. Of these the highest
//! wins, so that a choice costs as much as there are classes, however many tasks there are.
//!
//! A task that nobody expects to end is seen, too: a part of the chance only grows with time, since tasks fail without a sign, and
//! after the longest time that a task may stay unseen it goes first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::machine::later;
use crate::task::Progress;

/// The estimates of a class and the next one differ by this factor.
const STEP: f64 = 1.25;
/// The shortest estimate, in seconds.
const SHORTEST: f64 = 0.5;
/// About two days. As many follow for tasks that show no speed.
const CLASSES: usize = 56;
/// The longest gap between two polls of a task that shows no speed, if there are polls to spare.
const MAX_BLIND_GAP: Duration = Duration::from_secs(5);
/// The chance, a second, that a task ends that nothing announces.
const UNEXPECTED: f64 = 0.002;
/// The least time between two polls of a task, as a part of its estimate.
const MIN_GAP: f64 = 0.05;
/// A task is seen at least this often, or every fourth turn of a round robin, whichever is longer.
const UNSEEN: Duration = Duration::from_secs(60);
const UNSEEN_TURNS: u32 = 4;
/// How much longer a task needs for each second that it stands still.
const STANDSTILL: f64 = 0.5;
/// How long tasks are taken to last before any has ended.
const FIRST_DURATION: f64 = 30.0;

/// Chooses which of many tasks is polled next, so that their ends are known soon although polls are few.
///
/// A batch has one. Of 1,000 tasks, most of which take a minute and some an hour, it learns of the ends about ten times sooner than a
/// round robin. No task stays unseen for longer than [`max_unseen`](PollSchedule::max_unseen) if its polls are made when they are due.
///
/// ```
/// use std::time::Duration;
/// use pan123_proto::batch::{NextPoll, PollSchedule};
/// use pan123_proto::offline::{Progress, TaskStatus};
/// # let start = std::time::Instant::now();
///
/// // At most five polls a second, and of one task at most one a second.
/// let mut schedule = PollSchedule::new(Duration::from_secs(1), Duration::from_secs(15));
/// let pace = Duration::from_millis(200);
/// schedule.add("a", start);
/// schedule.add("b", start);
/// let later = start + Duration::from_secs(20);
/// let NextPoll::Poll(task) = schedule.next(later, pace) else { unreachable!() };
/// schedule.answered(task, later, &Progress::new(40.0, TaskStatus::Running));
/// ```
#[derive(Debug)]
pub struct PollSchedule<K> {
    min_gap: Duration,
    max_gap: Duration,
    tasks: HashMap<K, Task>,
    /// By class: who was seen longest ago comes first.
    classes: Vec<BTreeSet<(Instant, K)>>,
    /// Tasks whose next poll has to wait, by its time.
    held: BTreeSet<(Instant, K)>,
    /// Tasks to poll at once.
    urgent: VecDeque<K>,
    next_slot: Option<Instant>,
    /// How long tasks last, in seconds: about the median of those that ended.
    duration: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextPoll<K> {
    /// Poll this task now. It is not chosen again until its poll is [`answered`](PollSchedule::answered) or
    /// [`failed`](PollSchedule::failed).
    Poll(K),
    /// There is nothing to poll before this time.
    At(Instant),
    /// There is nothing to poll.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Task {
    place: Place,
    added: Instant,
    seen: Instant,
    /// When its percentage last changed, and to what.
    changed: Look,
    /// The looks from which its speed is counted; none before the first percentage of a task that ran before.
    looks: Option<Looks>,
}

/// The first look, one at about two thirds of the time since, and the one that takes its place.
#[derive(Clone, Copy, Debug)]
struct Looks {
    first: Look,
    recent: Look,
    next_recent: Look,
}

impl Looks {
    fn since(look: Look) -> Looks {
        Looks {
            first: look,
            recent: look,
            next_recent: look,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    percent: f64,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Class(usize),
    Held(Instant),
    Urgent,
    /// It is being polled, and to be polled again at once if `true`.
    Polling(bool),
}

impl<K: Copy + Eq + Hash + Ord> PollSchedule<K> {
    /// Creates an empty schedule. One task is polled at most every `min_gap`; with a long way to go, at most every `max_gap`.
    pub fn new(min_gap: Duration, max_gap: Duration) -> PollSchedule<K> {
        PollSchedule {
            min_gap,
            max_gap: max_gap.max(min_gap),
            tasks: HashMap::new(),
            classes: (0..2 * CLASSES).map(|_| BTreeSet::new()).collect(),
            held: BTreeSet::new(),
            urgent: VecDeque::new(),
            next_slot: None,
            duration: FIRST_DURATION,
        }
    }

    /// Returns how many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns how long a task may stay unseen with one poll every `pace`: four turns of a round robin, and at least a minute.
    pub fn max_unseen(&self, pace: Duration) -> Duration {
        let tasks = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let turns = tasks.saturating_mul(UNSEEN_TURNS);
        pace.saturating_mul(turns).max(UNSEEN)
    }

    /// Adds a task that was just created.
    pub fn add(&mut self, key: K, now: Instant) {
        self.insert(key, now, true);
        self.file(key, Left::Known(self.duration / 2.0));
    }

    /// Adds a task that was created before, nobody knows when: it may have ended.
    pub fn add_older(&mut self, key: K, now: Instant) {
        self.insert(key, now, false);
        self.file(key, Left::Known(SHORTEST));
    }

    fn insert(&mut self, key: K, now: Instant, is_new: bool) {
        self.remove(key);
        let look = Look {
            at: now,
            percent: 0.0,
        };
        let task = Task {
            place: Place::Polling(false),
            added: now,
            seen: now,
            changed: look,
            looks: is_new.then(|| Looks::since(look)),
        };
        self.tasks.insert(key, task);
    }

    /// Takes the answer to a poll of a task that goes on.
    pub fn answered(&mut self, key: K, now: Instant, progress: &Progress) {
        let Some(task) = self.tasks.get_mut(&key) else {
            return;
        };
        let left = task.look(now, progress.percent);
        self.polled(key, now, left);
    }

    /// Takes the failure of a poll; the next one waits for `backoff` at least.
    pub fn failed(&mut self, key: K, now: Instant, backoff: Duration) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        if task.place == Place::Polling(true) || backoff.is_zero() {
            let left = task.left_without_speed(now);
            self.polled(key, now, left);
            return;
        }
        let until = later(now, backoff);
        self.held.insert((until, key));
        self.place(key, Place::Held(until));
    }

    /// Has a task polled at once, as for a callback.
    pub fn urge(&mut self, key: K) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        match task.place {
            Place::Polling(_) => self.place(key, Place::Polling(true)),
            Place::Urgent => {}
            Place::Class(_) | Place::Held(_) => {
                self.unfile(key);
                self.urgent.push_back(key);
                self.place(key, Place::Urgent);
            }
        }
    }

    /// Removes a task that has ended, and learns how long tasks last.
    pub fn ended(&mut self, key: K, now: Instant) {
        if let Some(task) = self.tasks.get(&key) {
            let lasted = now.saturating_duration_since(task.added).as_secs_f64();
            let towards = if lasted > self.duration { 1.05 } else { 0.95 };
            self.duration = (self.duration * towards).clamp(1.0, 3600.0);
        }
        self.remove(key);
    }

    /// Removes a task.
    pub fn remove(&mut self, key: K) {
        self.unfile(key);
        self.tasks.remove(&key);
    }

    /// Returns which task to poll now, with one poll every `pace`.
    pub fn next(&mut self, now: Instant, pace: Duration) -> NextPoll<K> {
        if let Some(slot) = self.next_slot.filter(|&slot| now < slot) {
            return if self.tasks.is_empty() {
                NextPoll::Nothing
            } else {
                NextPoll::At(slot)
            };
        }
        while let Some(&(until, key)) = self.held.first()
            && until <= now
        {
            self.held.pop_first();
            let left = self.tasks[&key].left_without_speed(now);
            self.file(key, left);
        }
        let chosen = self
            .urgent
            .pop_front()
            .or_else(|| self.likeliest(now, pace));
        let Some(key) = chosen else {
            return self.wait(now);
        };
        self.unfile(key);
        self.place(key, Place::Polling(false));
        self.next_slot = Some(later(now, pace));
        NextPoll::Poll(key)
    }

    /// The task with the highest chance of having ended.
    fn likeliest(&self, now: Instant, pace: Duration) -> Option<K> {
        let max_unseen = self.max_unseen(pace);
        let mut best = None;
        for (class, tasks) in self.classes.iter().enumerate() {
            let Some(&(seen, key)) = tasks.first() else {
                continue;
            };
            let unseen = now.saturating_duration_since(seen);
            if unseen < self.gap(class) {
                continue;
            }
            let overdue = if unseen >= max_unseen { 10.0 } else { 0.0 };
            let chance = chance(unseen, estimate(class)) + overdue;
            if best.is_none_or(|(highest, _)| chance > highest) {
                best = Some((chance, key));
            }
        }
        best.map(|(_, key)| key)
    }

    /// When the next task may be polled.
    fn wait(&self, now: Instant) -> NextPoll<K> {
        let classes = self.classes.iter().enumerate();
        let first = classes.filter_map(|(class, tasks)| {
            let (seen, _) = tasks.first()?;
            Some(later(*seen, self.gap(class)))
        });
        let held = self.held.first().map(|&(until, _)| until);
        match first.chain(held).min() {
            Some(at) => NextPoll::At(at.max(now)),
            None => NextPoll::Nothing,
        }
    }

    fn gap(&self, class: usize) -> Duration {
        let gap = Duration::from_secs_f64(estimate(class) * MIN_GAP);
        let max_gap = if class < CLASSES {
            self.max_gap
        } else {
            self.max_gap.min(MAX_BLIND_GAP).max(self.min_gap)
        };
        gap.clamp(self.min_gap, max_gap)
    }

    fn polled(&mut self, key: K, now: Instant, left: Left) {
        let Some(task) = self.tasks.get_mut(&key) else {
            return;
        };
        task.seen = now;
        if task.place == Place::Polling(true) {
            self.urgent.push_back(key);
            self.place(key, Place::Urgent);
        } else {
            self.file(key, left);
        }
    }

    /// Puts a task into the class of this estimate.
    fn file(&mut self, key: K, left: Left) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        let class = class(left);
        self.classes[class].insert((task.seen, key));
        self.place(key, Place::Class(class));
    }

    fn unfile(&mut self, key: K) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        match task.place {
            Place::Class(class) => drop(self.classes[class].remove(&(task.seen, key))),
            Place::Held(until) => drop(self.held.remove(&(until, key))),
            Place::Urgent => self.urgent.retain(|&other| other != key),
            Place::Polling(_) => {}
        }
    }

    fn place(&mut self, key: K, place: Place) {
        if let Some(task) = self.tasks.get_mut(&key) {
            task.place = place;
        }
    }
}

impl Task {
    /// Takes a look, and returns how long the task still needs.
    fn look(&mut self, now: Instant, percent: Option<f64>) -> Left {
        let Some(percent) = percent else {
            return self.left_without_speed(now);
        };
        let look = Look { at: now, percent };
        let began_anew = percent < self.changed.percent;
        let looks = self.looks.get_or_insert_with(|| Looks::since(look));
        if began_anew {
            *looks = Looks::since(look);
        }
        if (percent - self.changed.percent).abs() > f64::EPSILON {
            self.changed = look;
            let Looks { first, .. } = *looks;
            if seconds(looks.next_recent.at, now) > seconds(first.at, now) / 3.0 {
                looks.recent = std::mem::replace(&mut looks.next_recent, look);
            }
        }
        let Some(overall) = speed(looks.first, self.changed) else {
            return self.left_without_speed(now);
        };
        let recent = speed(looks.recent, self.changed).unwrap_or(overall);
        let speed = f64::midpoint(overall, recent);
        // A percentage that is rounded down is half a percent more on average.
        let left = (99.5 - percent).max(0.0) / speed;
        let still = seconds(self.changed.at, now) - 1.5 / speed;
        Left::Known(left + still.max(0.0) * STANDSTILL)
    }

    /// What is known of a task that shows no speed: the longer it has taken, the longer it may take.
    fn left_without_speed(&self, now: Instant) -> Left {
        Left::Blind((seconds(self.added, now) / 2.0).max(2.0))
    }
}

/// How many seconds a task still needs.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// By its speed.
    Known(f64),
    /// It shows no speed.
    Blind(f64),
}

/// Percent a second; none if nothing was gained.
fn speed(from: Look, to: Look) -> Option<f64> {
    let (gained, seconds) = (to.percent - from.percent, seconds(from.at, to.at));
    (gained > 0.0 && seconds > 0.0).then(|| gained / seconds)
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

fn class(left: Left) -> usize {
    let (seconds, offset) = match left {
        Left::Known(seconds) => (seconds, 0),
        Left::Blind(seconds) => (seconds, CLASSES),
    };
    let class = (seconds.max(SHORTEST) / SHORTEST).ln() / STEP.ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is rounded, not negative, and bounded below"
    )]
    let class = class.round().min(1e6) as usize;
    class.min(CLASSES - 1) + offset
}

/// The seconds that the tasks of a class still need.
fn estimate(class: usize) -> f64 {
    let class = i32::try_from(class % CLASSES).unwrap_or(i32::MAX);
    SHORTEST * STEP.powi(class)
}

/// The chance that a task has ended which was seen so long ago and then needed about `left` seconds.
fn chance(unseen: Duration, left: f64) -> f64 {
    let unseen = unseen.as_secs_f64();
    let ratio = (unseen / left).powf(1.5);
    ratio / (1.0 + ratio) + unseen * UNEXPECTED
}
