//! Which of many tasks is polled next, where there are fewer polls than one would like.
//!
//! A poll is worth the most where a task has the highest chance of having ended since it was last seen. So each answered poll gives an
//! estimate of the time that the task still needs: from its speed, or, if it shows none, half as long as it has taken, or as a task
//! usually takes. Tasks with about the same estimate form a class; in each class the one that was seen longest ago has the highest
//! chance. Of these the highest wins, so that a choice costs as much as there are classes, however many tasks there are.
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
/// Added to the chance of a task that must be seen: more than any other task has.
const OVERDUE: f64 = 1e9;
/// A percentage is rounded down: a task may be further on, by less than one percent.
const MAX_FURTHER: f64 = 0.9;
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
    max_gap: Duration,
    tasks: HashMap<K, Task>,
    /// By how long their tasks still need; those that show no speed come after the others.
    classes: Vec<Class<K>>,
    /// Tasks whose next poll has to wait, by its time.
    held: BTreeSet<(Instant, K)>,
    /// Tasks to poll at once, with some that were removed since.
    urgent: VecDeque<K>,
    next_slot: Option<Instant>,
    /// How long tasks last, in seconds: about the median of those that ended.
    duration: f64,
}

/// Tasks with about the same estimate.
#[derive(Debug)]
struct Class<K> {
    /// How many seconds they still need.
    estimate: f64,
    /// The least time between two polls.
    gap: Duration,
    /// Who was seen longest ago comes first.
    tasks: BTreeSet<(Instant, K)>,
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
    /// How long it needed when it was last seen.
    left: Left,
    added: Instant,
    /// Whether it was created when it was added.
    is_new: bool,
    seen: Instant,
    /// When its percentage last changed, and to what.
    changed: Look,
    /// How much further it probably was at that time, in percent.
    further: f64,
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

    /// Takes the first change that was seen after a standstill, which says little about the speed from now on.
    fn begin(&mut self, look: Look) {
        self.recent = look;
        self.next_recent = look;
    }

    fn advance(&mut self, look: Look) {
        if seconds(self.next_recent.at, look.at) > seconds(self.first.at, look.at) / 3.0 {
            self.recent = std::mem::replace(&mut self.next_recent, look);
        }
    }

    fn has_just_begun(&self, changed: Look) -> bool {
        self.recent.at == changed.at && self.recent.at != self.first.at
    }

    /// Percent a second.
    fn speed(&self, changed: Look) -> Option<f64> {
        let overall = speed(self.first, changed)?;
        let recent = speed(self.recent, changed).unwrap_or(overall);
        Some(f64::midpoint(overall, recent))
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
        let max_gap = max_gap.max(min_gap);
        PollSchedule {
            max_gap,
            tasks: HashMap::new(),
            classes: (0..2 * CLASSES)
                .map(|class| Class::new(class, min_gap, max_gap))
                .collect(),
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

    /// Returns how long a task may stay unseen with one poll every `pace`: a minute, four turns of a round robin, or the maximum gap and
    /// one turn, whichever is longest. A turn is one poll of each of the most tasks that there were meanwhile.
    pub fn max_unseen(&self, pace: Duration) -> Duration {
        let turn = self.turn(pace);
        let turns = turn.saturating_mul(UNSEEN_TURNS);
        turns.max(UNSEEN).max(self.max_gap.saturating_add(turn))
    }

    /// After this time a task goes first. If all do, the last one is polled a turn later.
    fn overdue(&self, pace: Duration) -> Duration {
        self.max_unseen(pace).saturating_sub(self.turn(pace))
    }

    fn turn(&self, pace: Duration) -> Duration {
        let tasks = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        pace.saturating_mul(tasks)
    }

    /// Adds a task that was just created.
    pub fn add(&mut self, key: K, now: Instant) {
        self.insert(key, now, true, Left::Known(self.duration / 2.0));
    }

    /// Adds a task that was created before, nobody knows when: it may have ended.
    pub fn add_older(&mut self, key: K, now: Instant) {
        self.insert(key, now, false, Left::Known(SHORTEST));
    }

    fn insert(&mut self, key: K, now: Instant, is_new: bool, left: Left) {
        self.remove(key);
        let look = Look {
            at: now,
            percent: 0.0,
        };
        let task = Task {
            place: Place::Polling(false),
            left,
            added: now,
            is_new,
            seen: now,
            changed: look,
            further: 0.0,
            looks: is_new.then(|| Looks::since(look)),
        };
        self.tasks.insert(key, task);
        self.file(key);
    }

    /// Takes the answer to a poll of a task that goes on.
    pub fn answered(&mut self, key: K, now: Instant, progress: &Progress) {
        let typical = self.duration;
        let Some(task) = self.polling(key) else {
            return;
        };
        task.left = task.look(now, progress.percent, typical);
        task.seen = now;
        self.polled(key);
    }

    /// Takes the failure of a poll; the next one waits for `backoff` at least.
    pub fn failed(&mut self, key: K, now: Instant, backoff: Duration) {
        let Some(task) = self.polling(key) else {
            return;
        };
        if task.place == Place::Polling(true) || backoff.is_zero() {
            self.polled(key);
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
        if let Some(task) = self.tasks.get(&key).filter(|task| task.is_new) {
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
            self.file(key);
        }
        let chosen = self.pop_urgent().or_else(|| self.likeliest(now, pace));
        let Some(key) = chosen else {
            return self.wait(now);
        };
        self.unfile(key);
        self.place(key, Place::Polling(false));
        self.next_slot = Some(later(now, pace));
        NextPoll::Poll(key)
    }

    fn pop_urgent(&mut self) -> Option<K> {
        while let Some(key) = self.urgent.pop_front() {
            let task = self.tasks.get(&key);
            if task.is_some_and(|task| task.place == Place::Urgent) {
                return Some(key);
            }
        }
        None
    }

    /// The task with the highest chance of having ended.
    fn likeliest(&self, now: Instant, pace: Duration) -> Option<K> {
        let overdue = self.overdue(pace);
        let mut best = None;
        for class in &self.classes {
            let Some(&(seen, key)) = class.tasks.first() else {
                continue;
            };
            let unseen = now.saturating_duration_since(seen);
            if unseen < class.gap {
                continue;
            }
            let first = if unseen >= overdue { OVERDUE } else { 0.0 };
            let chance = chance(unseen, class.estimate) + first;
            if best.is_none_or(|(highest, _)| chance > highest) {
                best = Some((chance, key));
            }
        }
        best.map(|(_, key)| key)
    }

    /// When the next task may be polled.
    fn wait(&self, now: Instant) -> NextPoll<K> {
        let first = self.classes.iter().filter_map(|class| {
            let (seen, _) = class.tasks.first()?;
            Some(later(*seen, class.gap))
        });
        let held = self.held.first().map(|&(until, _)| until);
        match first.chain(held).min() {
            Some(at) => NextPoll::At(at.max(now)),
            None => NextPoll::Nothing,
        }
    }

    fn polling(&mut self, key: K) -> Option<&mut Task> {
        let task = self.tasks.get_mut(&key);
        task.filter(|task| matches!(task.place, Place::Polling(_)))
    }

    fn polled(&mut self, key: K) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        if task.place == Place::Polling(true) {
            self.urgent.push_back(key);
            self.place(key, Place::Urgent);
        } else {
            self.file(key);
        }
    }

    /// Puts a task into the class of its estimate.
    fn file(&mut self, key: K) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        let class = class(task.left);
        self.classes[class].tasks.insert((task.seen, key));
        self.place(key, Place::Class(class));
    }

    fn unfile(&mut self, key: K) {
        let Some(task) = self.tasks.get(&key) else {
            return;
        };
        match task.place {
            Place::Class(class) => drop(self.classes[class].tasks.remove(&(task.seen, key))),
            Place::Held(until) => drop(self.held.remove(&(until, key))),
            Place::Urgent | Place::Polling(_) => {}
        }
    }

    fn place(&mut self, key: K, place: Place) {
        if let Some(task) = self.tasks.get_mut(&key) {
            task.place = place;
        }
    }
}

impl<K: Ord> Class<K> {
    fn new(class: usize, min_gap: Duration, max_gap: Duration) -> Class<K> {
        let index = i32::try_from(class % CLASSES).unwrap_or(i32::MAX);
        let estimate = SHORTEST * STEP.powi(index);
        let max_gap = if class < CLASSES {
            max_gap
        } else {
            max_gap.min(MAX_BLIND_GAP).max(min_gap)
        };
        Class {
            estimate,
            gap: Duration::from_secs_f64(estimate * MIN_GAP).clamp(min_gap, max_gap),
            tasks: BTreeSet::new(),
        }
    }
}

impl Task {
    /// Takes a look, and returns how long the task still needs.
    fn look(&mut self, now: Instant, percent: Option<f64>, typical: f64) -> Left {
        if let Some(percent) = percent {
            self.told(Look { at: now, percent });
        }
        let age = seconds(self.added, now);
        let Some((looks, speed)) = self.looks_and_speed() else {
            return Left::Blind(age.max(typical) / 2.0);
        };
        let unchanged = seconds(self.changed.at, now);
        let mut gained = self.further + speed * unchanged;
        let mut standstill = 0.0;
        if percent.is_some() {
            gained = gained.min(MAX_FURTHER);
            standstill = (unchanged - 1.5 / speed).max(0.0);
        }
        let percent = self.changed.percent + gained;
        let left = (100.0 - percent).max(0.0) / speed + standstill * STANDSTILL;
        if looks.has_just_begun(self.changed) {
            return Left::Known(left.min(age));
        }
        Left::Known(left)
    }

    fn looks_and_speed(&self) -> Option<(Looks, f64)> {
        let looks = self.looks?;
        Some((looks, looks.speed(self.changed)?))
    }

    /// Takes a percentage.
    fn told(&mut self, look: Look) {
        let looks = self.looks.get_or_insert(Looks::since(look));
        let change = look.percent - self.changed.percent;
        if change.abs() < f64::EPSILON {
            return;
        }
        let was_at_first = (self.changed.percent - looks.first.percent).abs() < f64::EPSILON;
        if change < 0.0 {
            *looks = Looks::since(look);
        } else if was_at_first && self.seen > self.changed.at {
            looks.begin(look);
        } else {
            looks.advance(look);
        }
        self.changed = look;
        // It changed at some time since the last look.
        let since_seen = seconds(self.seen, look.at);
        let speed = looks.speed(look);
        self.further = speed.map_or(0.0, |speed| (speed * since_seen).min(1.0) / 2.0);
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

/// The chance that a task has ended which was seen so long ago and then needed about `left` seconds.
fn chance(unseen: Duration, left: f64) -> f64 {
    let unseen = unseen.as_secs_f64();
    let ratio = unseen / left;
    let ratio = ratio * ratio.sqrt();
    ratio / (1.0 + ratio) + unseen * UNEXPECTED
}
