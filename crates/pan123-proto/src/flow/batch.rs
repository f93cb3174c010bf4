//! A batch: submits any number of downloads, follows them to their ends, and survives a crash at any point, since all that must last
//! is in a ledger.

mod callbacks;
mod event;
mod guard;
mod job;
mod ledger_job;
mod recorder;
mod search;
mod settings;
mod slots;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use event::{BatchEvent, BatchReport, ItemChange};
pub use guard::JobGuard;
pub use job::Job;
pub use ledger_job::LedgerJob;
pub use settings::BatchPolicy;

use crate::api::offline::{CreatedDownload, GetDownloadProgress};
use crate::endpoint::Endpoint;
use crate::error::{Ambiguous, Error, ErrorCode, WatchError};
use crate::ids::TaskId;
use crate::ledger::{
    Claimed, Counts, Ending, Fence, Item, ItemId, ItemKey, ItemState, LedgerAnswer, LedgerFault,
    LedgerOp, NewItem, OpenLedger, failure_as_told,
};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Now, Signal, Wait, later};
use crate::policy::poll_schedule::{NextPoll, PollSchedule};
use crate::policy::retry::doubled;
use crate::policy::watch::{Judgement, Watched};
use crate::session::Session;
use crate::task::Progress;
use crate::wait::WaitReason;
use callbacks::Told;
use job::{Outcome, Work};
use recorder::{Asked, Heard, Recorder, Spill, Then};
use search::Search;
use slots::{Following, Slots, Stage};

/// How often a worker shows the ledger that it is alive, and hears of callbacks that other processes received.
const BEAT: Duration = Duration::from_secs(2);
/// How often a batch asks the ledger for items that others may have left.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);
/// The pauses of sending after a failure that is no item's.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// How many items wait at most to be added.
const MAX_INTAKE: usize = 500;

/// Submits downloads and follows them to their ends.
///
/// It hands out jobs, of which its driver runs as many at once as it likes, each on a thread or as a task of its own, and one job at a
/// time for the ledger. What has run is handed back: by the driver itself to [`finish`](Batch::finish) and
/// [`recorded`](Batch::recorded), or from elsewhere through a [guard](BatchHandle::guard), which ends the driver's wait.
///
/// ```
/// use pan123_proto::batch::{Batch, BatchPolicy, BatchReport, BatchStep};
/// use pan123_proto::ledger::{ItemKey, Ledger, MemoryLedger, NewItem};
/// use pan123_proto::{Machine, Now, Session, offline::Download};
/// # use std::time::{Instant, SystemTime};
///
/// fn drive_batch(mut batch: Batch) -> BatchReport {
///     loop {
///         match batch.next(now()) {
///             // One after the other, on this thread.
///             BatchStep::Start(mut job) => {
///                 drive(&mut job); // as any other machine
///                 batch.finish(now(), job);
///             }
///             BatchStep::Ledger(mut job) => {
///                 job.run();
///                 batch.recorded(now(), job);
///             }
///             BatchStep::Event(event) => println!("{event:?}"),
///             BatchStep::Wait(wait) => drop(wait.signal.wait_until(wait.until)),
///             BatchStep::Done(report) => return report,
///         }
///     }
/// }
///
/// let session = Session::builder().access_token("token").build()?;
/// let ledger = MemoryLedger::new().open(&session.ledger_account())?;
/// let mut batch = session.batch(ledger, BatchPolicy::default());
/// # fn now() -> Now { Now { mono: Instant::now(), wall: SystemTime::now() } }
/// # fn drive<M: Machine>(_: &mut M) -> M::Output { unreachable!() }
/// batch.items_ended(); // none at all
/// assert_eq!(drive_batch(batch).counts.total(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a batch does nothing until a driver runs it"]
pub struct Batch {
    session: Session,
    policy: BatchPolicy,
    shared: Arc<Shared>,
    slots: Slots,
    polls: PollSchedule<ItemId>,
    /// When the next poll is due.
    poll_at: Option<Instant>,
    /// Polls and looks at files.
    polls_in_flight: usize,
    /// Unconfirmed items whose files are to be looked at.
    to_confirm: VecDeque<ItemId>,
    /// Stops all polls.
    polls_control: Arc<Control>,
    /// The number of the last job.
    last_job: u64,
    /// How many jobs the driver has.
    jobs_out: usize,
    starts: VecDeque<Job>,
    events: VecDeque<BatchEvent>,
    recorder: Recorder,
    search: Search,

    intake: Vec<NewItem>,
    has_all_items: bool,
    /// When to ask for items again; none for at once.
    claim_at: Option<Instant>,
    /// When to show the next sign of life; none for at once.
    beat_at: Option<Instant>,
    /// Until when nothing is sent.
    paused_until: Option<Instant>,
    pauses: u32,
    /// Items that were claimed again while an earlier claim of theirs had not left the batch: they go back to the ledger when it has.
    claimed_twice: HashSet<ItemId>,
    /// The totals when they were last asked for.
    counts: Counts,
    stop: Stop,
    is_done: bool,
}

/// How far a stop has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// Nothing new is sent since then; tasks are followed for as long as the policy says.
    Draining(Instant),
    /// What is on its way is awaited and recorded.
    Recording,
    /// The totals are asked for.
    Counting,
}

/// What a batch does next.
#[allow(
    clippy::large_enum_variant,
    reason = "it is matched at once; a box would cost every step an allocation"
)]
#[derive(Debug)]
pub enum BatchStep {
    /// Run this, beside the others, and hand it back to [`Batch::finish`].
    Start(Job),
    /// Run this where it may block, and hand it back to [`Batch::recorded`]. There is no second one before.
    Ledger(LedgerJob),
    /// Something happened.
    Event(BatchEvent),
    /// Nothing more to do until this time or signal, unless something comes back before.
    Wait(Wait),
    /// The batch has ended.
    Done(BatchReport),
}

#[derive(Debug)]
struct Shared {
    control: Arc<Control>,
    /// None once the batch has ended or is dropped.
    inbox: Mutex<Option<Inbox>>,
}

#[derive(Debug, Default)]
struct Inbox {
    notices: Vec<(ItemKey, Told)>,
    returned: Vec<Returned>,
    /// Whether to ask the ledger for items at once.
    claims: bool,
    /// Items to follow no longer.
    left: Vec<ItemKey>,
}

#[derive(Debug)]
enum Returned {
    Job(Job),
    Ledger(LedgerJob),
}

/// Stops a batch from elsewhere, or passes callbacks to it.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    shared: Arc<Shared>,
}

impl BatchHandle {
    /// Stops the batch: nothing new is sent, tasks are followed for [`BatchPolicy::grace`], everything is recorded, and then the batch
    /// is done. Tasks go on at the service; the next batch on the ledger follows them.
    ///
    /// As long as the ledger does not take what is to be recorded, such as on a full disk, the batch asks it again and does not end.
    /// Drop the batch to end it nevertheless: the next one goes on as after a crash.
    pub fn stop(&self) {
        CallHandle::new(&self.shared.control).stop();
    }

    /// Asks the ledger for items at once, instead of within 5 s: after somebody else has added, resumed or settled some.
    pub fn claim(&self) {
        self.send(|inbox| inbox.claims = true);
    }

    /// Follows the task of an item no longer: after somebody else has ended the item in the ledger.
    pub fn leave(&self, key: ItemKey) {
        self.send(|inbox| inbox.left.push(key));
    }

    /// Returns the job in a guard that hands it back when it is dropped, for a driver that runs it elsewhere.
    pub fn guard(&self, job: Job) -> JobGuard<Job> {
        let hand_back = |handle: &BatchHandle, job| handle.hand_back(Returned::Job(job));
        JobGuard::new(job, self.clone(), hand_back)
    }

    /// The same for a job of the ledger.
    pub fn guard_ledger(&self, job: LedgerJob) -> JobGuard<LedgerJob> {
        let hand_back = |handle: &BatchHandle, job| handle.hand_back(Returned::Ledger(job));
        JobGuard::new(job, self.clone(), hand_back)
    }

    /// Puts something into the inbox, as long as somebody reads it.
    fn send(&self, put: impl FnOnce(&mut Inbox)) {
        if let Some(inbox) = &mut *self.shared.inbox() {
            put(inbox);
        }
        self.shared.control.wake();
    }

    fn hand_back(&self, returned: Returned) {
        let mut returned = Some(returned);
        if let Some(inbox) = &mut *self.shared.inbox() {
            inbox.returned.extend(returned.take());
        }
        // What a dropped batch had out ends here, its ledger with it.
        drop(returned);
        self.shared.control.wake();
    }
}

impl Session {
    /// Returns a batch of this session on a ledger that was opened for [`ledger_account`](Session::ledger_account). It works on all
    /// items of the ledger, and on those added to it.
    pub fn batch(&self, ledger: Box<dyn OpenLedger>, policy: BatchPolicy) -> Batch {
        Batch {
            session: self.clone(),
            shared: Arc::new(Shared {
                control: Arc::default(),
                inbox: Mutex::new(Some(Inbox::default())),
            }),
            slots: Slots::default(),
            polls: policy.watch.poll_schedule(),
            poll_at: None,
            polls_in_flight: 0,
            to_confirm: VecDeque::new(),
            polls_control: Arc::default(),
            last_job: 0,
            jobs_out: 0,
            starts: VecDeque::new(),
            events: VecDeque::new(),
            recorder: Recorder::new(ledger),
            search: Search::default(),
            intake: Vec::new(),
            has_all_items: false,
            claim_at: None,
            beat_at: None,
            paused_until: None,
            pauses: 0,
            claimed_twice: HashSet::new(),
            counts: Counts::default(),
            stop: Stop::No,
            is_done: false,
            policy,
        }
    }
}

impl Batch {
    /// Returns a handle that stops the batch from elsewhere, or passes callbacks to it.
    pub fn handle(&self) -> BatchHandle {
        BatchHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns how many items the batch takes now; none once it is told to stop.
    pub fn room(&self) -> usize {
        let takes =
            !self.has_all_items && !self.shared.control.is_stopped() && self.recorder.works();
        if takes {
            MAX_INTAKE.saturating_sub(self.intake.len())
        } else {
            0
        }
    }

    /// Adds an item, at any time before [`items_ended`](Batch::items_ended). One whose key the ledger has already stays as it is there.
    /// One that is added after a stop may not reach the ledger: give it to the next batch again.
    pub fn add(&mut self, item: NewItem) {
        self.intake.push(item);
    }

    /// Tells that no more items come, so that the batch is done when all have ended.
    pub fn items_ended(&mut self) {
        self.has_all_items = true;
    }

    /// Stops the batch at once: nothing new is sent, tasks are followed no longer, and what is on its way is still recorded, as soon as
    /// the ledger takes it.
    pub fn stop_at_once(&mut self) {
        self.policy.grace = Duration::ZERO;
        self.handle().stop();
    }

    /// Returns what to do next.
    pub fn next(&mut self, now: Now) -> BatchStep {
        loop {
            self.hear(now);
            if let Some(event) = self.events.pop_front() {
                return BatchStep::Event(event);
            }
            if self.is_done {
                return BatchStep::Done(BatchReport {
                    counts: self.counts,
                    fault: self.recorder.broken().cloned(),
                });
            }
            if let Some(job) = self.next_job(now.mono) {
                self.jobs_out += 1;
                return BatchStep::Start(job);
            }
            if let Some(job) = self.ledger_job(now) {
                return BatchStep::Ledger(job);
            }
            if self.may_end() {
                if self.begin_search() {
                    continue;
                }
                self.is_done = true;
                self.shared.close();
                continue;
            }
            let signal = self.shared.control.listen();
            // A stop or a callback between `hear` and `listen` would be missed otherwise.
            if !self.is_called() {
                return BatchStep::Wait(self.wait(now.mono, signal));
            }
        }
    }

    /// Takes a job back.
    pub fn finish(&mut self, now: Now, mut job: Job) {
        self.jobs_out = self.jobs_out.saturating_sub(1);
        match job.take_outcome(now) {
            Outcome::AtGate => self.at_gate(job),
            Outcome::Created(result) => {
                if job.is_given_up && !self.shared.control.is_stopped() {
                    // Its driver might give up the next one, too.
                    self.pause(now.mono, &Error::Stopped);
                }
                self.create_ended(now.mono, job.item, result);
            }
            Outcome::Polled(result) => {
                self.polls_in_flight = self.polls_in_flight.saturating_sub(1);
                self.poll_ended(now.mono, &job, result);
            }
            Outcome::Confirmed(result) => {
                self.polls_in_flight = self.polls_in_flight.saturating_sub(1);
                self.confirm_ended(&job, result);
            }
            Outcome::Found(result) => self.folder_read(job.id, result),
        }
    }

    /// Takes a job of the ledger back.
    pub fn recorded(&mut self, now: Now, job: LedgerJob) {
        match self.recorder.hear(now.mono, job) {
            Heard::Answers(answers) => {
                if self.recorder.recover() {
                    self.events.push_back(BatchEvent::LedgerRecovered);
                }
                for (then, answer) in answers {
                    self.take_answer(now.mono, then, answer);
                }
            }
            Heard::Failed { fault, asked } => self.ledger_failed(&fault, asked),
            Heard::SpillFailed(fault) => {
                self.events.push_back(BatchEvent::LedgerFailed(fault));
            }
            Heard::Nothing => {}
        }
    }

    // What is asked of the ledger.

    fn ledger_job(&mut self, now: Now) -> Option<LedgerJob> {
        if let Some(job) = self.recorder.spill_job(now.mono) {
            return Some(job);
        }
        if !self.recorder.is_free(now.mono) {
            return None;
        }
        let mut first = Vec::new();
        if self.recorder.take_unsure() {
            let held = self.slots.ids().collect();
            first.push((LedgerOp::Hold(held), Then::Nothing));
        }
        if self.beat_at.is_none_or(|at| now.mono >= at) {
            self.beat_at = Some(later(now.mono, BEAT));
            first.push((LedgerOp::Beat, Then::Beaten));
        }
        let mut last = Vec::new();
        if !self.intake.is_empty() {
            let items = std::mem::take(&mut self.intake);
            last.push((LedgerOp::Add(items), Then::Added));
        }
        self.ask_for_items(now.mono, &mut last);
        last.extend(self.search.op());
        self.recorder.job(now, first, last)
    }

    fn ask_for_items(&mut self, now: Instant, ops: &mut Asked) {
        if self.stop == Stop::Recording && self.slots.is_empty() && self.jobs_out == 0 {
            self.stop = Stop::Counting;
            ops.push((LedgerOp::Counts, Then::Counted));
        }
        if self.stop != Stop::No || self.claim_at.is_some_and(|at| now < at) {
            return;
        }
        let pause = self.paused_until.filter(|&until| now < until);
        let next = later(now, CLAIM_INTERVAL);
        self.claim_at = Some(pause.map_or(next, |until| next.min(until)));
        let follow = self.policy.max_followed.saturating_sub(self.slots.others());
        let create = self.policy.max_creates.min(self.recorder.spill_room());
        let create = create.saturating_sub(self.slots.creates()).min(follow);
        let create = if pause.is_none() { create } else { 0 };
        ops.push((LedgerOp::Claim { create, follow }, Then::Claimed));
        ops.push((LedgerOp::Counts, Then::Counted));
    }

    /// Keeps what must be asked again. Nothing is sent meanwhile.
    fn ledger_failed(&mut self, fault: &LedgerFault, asked: Asked) {
        let mut again = Vec::new();
        for (op, then) in asked {
            match (&op, &then) {
                (LedgerOp::Hold(_), _) => self.recorder.set_unsure(),
                (LedgerOp::Beat, _) => self.beat_at = None,
                (LedgerOp::Claim { .. }, _) => {
                    self.claim_at = None;
                    if matches!(fault, LedgerFault::Down(_)) {
                        // It may have claimed again what is in hand.
                        self.claimed_twice.extend(self.slots.ids());
                    }
                }
                (LedgerOp::Counts, _) if self.stop == Stop::Counting => {
                    self.stop = Stop::Recording;
                }
                (LedgerOp::Counts | LedgerOp::List(_), _) => {}
                (_, Then::Intended(item)) => again.extend(self.not_intended(*item)),
                _ => again.push((op, then)),
            }
        }
        self.recorder.again(again);
        if self.recorder.count_failure(fault) {
            self.events
                .push_back(BatchEvent::LedgerFailed(fault.clone()));
        }
        if !matches!(fault, LedgerFault::Busy(_)) {
            self.spill_created();
        }
        if fault.is_final() {
            self.stop_unsent();
            self.stop_following();
        }
    }

    /// The answer to an intent was lost: the item is not sent, and goes back to the queue.
    fn not_intended(&mut self, item: ItemId) -> Option<(LedgerOp, Then)> {
        match self.slots.advance(item, Stage::Leaving)? {
            Stage::Intending(fence, _) => {
                let reason = "the ledger failed before it was sent".to_owned();
                Some(withdraw(item, fence, reason, false))
            }
            _ => None,
        }
    }

    // What the ledger answers.

    fn take_answer(&mut self, now: Instant, then: Then, answer: LedgerAnswer) {
        match (then, answer) {
            // Even none that is new: an earlier answer may have been lost, or somebody else has just added them.
            (Then::Added, LedgerAnswer::Added(_)) => self.claim_at = None,
            (Then::Claimed, LedgerAnswer::Claimed(claimed)) => self.claimed(now, claimed),
            (Then::Counted, LedgerAnswer::Counts(counts)) => self.counts = counts,
            (Then::Beaten, LedgerAnswer::Beaten(notices)) => {
                self.heard(notices);
            }
            (Then::Beaten, LedgerAnswer::Lost) => self.was_taken_over(),
            (Then::Intended(item), answer) => self.intended(item, &answer),
            (Then::Created { item, task, .. }, answer) => {
                self.created(now, item, task, &answer);
            }
            (Then::Left(item, change), answer) => self.left(item, change, &answer),
            (Then::Noticed(told), LedgerAnswer::Noticed(Some((id, item)))) => {
                self.noticed(id, &item, told);
            }
            (Then::Listed, LedgerAnswer::Page(page)) => self.listed(page),
            (Then::Settled(key, file), answer) => self.settled(&key, file, &answer),
            _ => {}
        }
    }

    fn claimed(&mut self, now: Instant, claimed: Claimed) {
        for (_, item) in claimed.unconfirmed {
            let change = ItemChange::Unconfirmed {
                reason: item.reason.map(String::from).unwrap_or_default(),
                candidates: item.other_tasks,
            };
            self.events.push_back(event(&item.key, change));
        }
        for (id, item) in claimed.to_follow {
            if let Some(task) = item.task.filter(|_| self.may_follow() && self.takes(id)) {
                self.events
                    .push_back(event(&item.key, ItemChange::Resumed(task)));
                let following = Self::following(task);
                self.slots.insert(id, &item, following);
                if let Some(slot) = self.slots.get_mut(id) {
                    slot.told = Told::of(&item);
                }
                self.polls.add_older(id, now);
            }
        }
        if let Some(next) = claimed.next {
            let at = later(now, next);
            self.claim_at = self.claim_at.map(|claim_at| claim_at.min(at));
        }
        for (id, item) in claimed.to_create {
            if self.takes(id) {
                self.create(id, &item);
            }
        }
        if self.stop != Stop::No {
            self.stop_unsent();
        }
    }

    /// Whether an item that was claimed is not in hand.
    fn takes(&mut self, id: ItemId) -> bool {
        let is_in_hand = self.slots.get(id).is_some();
        if is_in_hand {
            self.claimed_twice.insert(id);
        }
        !is_in_hand
    }

    fn create(&mut self, id: ItemId, item: &Item) {
        match self.session.call(&item.download) {
            Ok(call) => {
                let call = call.gated();
                let stage = Stage::Claimed(item.fence, call.handle());
                self.slots.insert(id, item, stage);
                let job = self.job(id, Work::Create(Box::new(call)));
                self.starts.push_back(job);
            }
            Err(error) => {
                self.slots.insert(id, item, Stage::Leaving);
                self.reject(id, item.fence, error.to_string());
            }
        }
    }

    fn intended(&mut self, item: ItemId, answer: &LedgerAnswer) {
        let Some(Stage::Intending(fence, mut job)) = self.slots.advance(item, Stage::Leaving)
        else {
            return;
        };
        let Work::Create(call) = &mut job.work else {
            return;
        };
        if *answer != LedgerAnswer::Done {
            // Somebody took the item back, or over.
            self.release(item);
            self.claim_at = None;
            return;
        }
        if self.stop != Stop::No {
            self.withdraw(item, fence, "it was not sent".to_owned(), false);
            return;
        }
        call.proceed();
        self.slots.advance(item, Stage::Sending(fence));
        if let Some(slot) = self.slots.get_mut(item) {
            slot.attempts = slot.attempts.saturating_add(1);
        }
        self.starts.push_back(*job);
    }

    fn created(&mut self, now: Instant, item: ItemId, task: TaskId, answer: &LedgerAnswer) {
        self.claim_at = None;
        let Some(slot) = self.slots.get(item) else {
            return;
        };
        if *answer != LedgerAnswer::Done {
            self.events
                .push_back(event(&slot.key, ItemChange::Stray(task)));
            self.release(item);
            return;
        }
        self.events
            .push_back(event(&slot.key, ItemChange::Created(task)));
        if !self.may_follow() {
            self.release(item);
            return;
        }
        let following = Self::following(task);
        self.slots.advance(item, following);
        self.polls.add(item, now);
    }

    fn left(&mut self, item: ItemId, change: Option<Box<ItemChange>>, answer: &LedgerAnswer) {
        self.claim_at = None;
        let is_doubt = matches!(change.as_deref(), Some(ItemChange::Unconfirmed { .. }));
        if let (Some(change), Some(slot)) = (change, self.slots.get(item))
            && *answer == LedgerAnswer::Done
        {
            self.events.push_back(event(&slot.key, *change));
        }
        if is_doubt {
            self.release_unconfirmed(item);
        } else {
            self.release(item);
        }
    }

    /// Releases an unconfirmed item. A file that a callback named meanwhile is looked at next.
    fn release_unconfirmed(&mut self, item: ItemId) {
        let slot = self.slots.get_mut(item);
        let told = slot.filter(|slot| slot.told.file.is_some()).map(|slot| {
            let told = std::mem::take(&mut slot.told);
            (slot.key.clone(), told)
        });
        self.release(item);
        if let Some((key, told)) = told {
            self.told(key, told);
        }
    }

    fn release(&mut self, item: ItemId) {
        self.slots.remove(item);
        self.polls.remove(item);
        if self.claimed_twice.remove(&item) {
            self.recorder.set_unsure();
        }
    }

    /// The ledger took this worker for dead, and gave its items to others. What it sent it still records.
    fn was_taken_over(&mut self) {
        self.stop_unsent();
        self.leave_followed();
        self.claim_at = None;
    }

    // Creates.

    fn at_gate(&mut self, job: Job) {
        let item = job.item;
        let may_send = self.stop == Stop::No && self.recorder.works();
        let Some(Stage::Claimed(fence, _)) = self.slots.advance(item, Stage::Leaving) else {
            return;
        };
        if may_send {
            self.slots
                .advance(item, Stage::Intending(fence, Box::new(job)));
            self.recorder
                .push(LedgerOp::Intend { item, fence }, Then::Intended(item));
        } else {
            self.withdraw(item, fence, "it was not sent".to_owned(), false);
        }
    }

    fn create_ended(&mut self, now: Instant, item: ItemId, result: Result<CreatedDownload, Error>) {
        let Some(Stage::Claimed(fence, _) | Stage::Sending(fence)) =
            self.slots.advance(item, Stage::Leaving)
        else {
            return;
        };
        let error = match result {
            Ok(CreatedDownload { task, .. }) => {
                self.pauses = 0;
                self.slots.advance(item, Stage::Created);
                self.record_created(item, fence, task);
                return;
            }
            Err(error) => error,
        };
        let window_full = error.code() == Some(ErrorCode::TooManyDownloads);
        if let Error::Ambiguous(ambiguous) = &error {
            // The next one might get no answer either, and nobody sends it again.
            self.stop_unsent();
            self.pause(now, &error);
            self.doubt(item, fence, ambiguous, error.to_string());
        } else if is_of_the_item(&error) {
            self.reject(item, fence, error.to_string());
        } else {
            if window_full {
                let running = self.counts.of(ItemState::Running);
                self.events.push_back(BatchEvent::WindowFull { running });
                self.stop_unsent();
            } else if is_of_the_account(&error) {
                self.pause(now, &error);
            }
            self.withdraw(item, fence, error.to_string(), window_full);
        }
    }

    fn record_created(&mut self, item: ItemId, fence: Fence, task: TaskId) {
        let op = LedgerOp::Created { item, fence, task };
        let then = Then::Created {
            item,
            task,
            spill: Spill::No,
        };
        self.recorder.push(op, then);
        if self.recorder.broken().is_some() {
            self.spill_created();
            self.release(item);
        }
    }

    /// Gives the task ids that the ledger does not take to the spill, and tells them.
    fn spill_created(&mut self) {
        for (item, task) in self.recorder.spill_created() {
            if let Some(slot) = self.slots.get(item) {
                let change = ItemChange::Unrecorded(task);
                self.events.push_back(event(&slot.key, change));
            }
        }
    }

    fn withdraw(&mut self, item: ItemId, fence: Fence, reason: String, window_full: bool) {
        let (op, then) = withdraw(item, fence, reason, window_full);
        self.recorder.push(op, then);
    }

    fn doubt(&mut self, item: ItemId, fence: Fence, ambiguous: &Ambiguous, reason: String) {
        let candidates: Vec<TaskId> = ambiguous.candidates();
        let change = ItemChange::Unconfirmed {
            reason: reason.clone(),
            candidates: candidates.clone(),
        };
        let op = LedgerOp::Doubt {
            item,
            fence,
            candidates,
            reason,
        };
        self.leave(item, op, change);
    }

    fn reject(&mut self, item: ItemId, fence: Fence, reason: String) {
        let change = ItemChange::Failed {
            reason: reason.clone(),
            attempts: self.slots.get(item).map_or(0, |slot| slot.attempts),
            is_given_up: false,
        };
        let op = LedgerOp::Reject {
            item,
            fence,
            reason,
        };
        self.leave(item, op, change);
    }

    /// Records what ends an item's stay in the batch.
    fn leave(&mut self, item: ItemId, op: LedgerOp, change: ItemChange) {
        self.slots.advance(item, Stage::Leaving);
        self.recorder
            .push(op, Then::Left(item, Some(Box::new(change))));
    }

    /// Sends nothing for a while. Failures of requests that were on their way together count once.
    fn pause(&mut self, now: Instant, error: &Error) {
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        let pause = doubled(MIN_PAUSE, self.pauses, MAX_PAUSE);
        let pause = pause.max(error.retry_after().unwrap_or_default());
        self.pauses = self.pauses.saturating_add(1);
        self.paused_until = Some(later(now, pause));
        let error = Box::new(error.clone());
        self.events.push_back(BatchEvent::Paused { error, pause });
    }

    // Following.

    fn following(task: TaskId) -> Stage {
        Stage::Following(Box::new(Following {
            task,
            watched: Watched::new(task),
        }))
    }

    fn next_job(&mut self, now: Instant) -> Option<Job> {
        if let Some(job) = self.starts.pop_front() {
            return Some(job);
        }
        self.poll_at = None;
        if !self.may_poll() {
            return None;
        }
        if let Some(job) = self.next_confirm() {
            return Some(job);
        }
        let pace = self.session.pace(GetDownloadProgress::RATE, now).interval;
        let item = match self.polls.next(now, pace) {
            NextPoll::Poll(item) => item,
            NextPoll::At(at) => {
                self.poll_at = Some(at);
                return None;
            }
            NextPoll::Nothing => return None,
        };
        let policy = &self.policy.watch;
        let unavailable = self.session.time_pace_unavailable(now);
        let following = self.slots.get_mut(item)?.following()?;
        following.watched.stand_still(unavailable);
        let end = following.watched.end(policy, now);
        let call = self.session.call(&GetDownloadProgress::new(following.task));
        let call = call.ok()?.polling(&self.polls_control, end);
        self.polls_in_flight += 1;
        Some(self.job(item, Work::Poll(Box::new(call))))
    }

    fn may_poll(&self) -> bool {
        self.polls_in_flight < self.policy.max_polls && self.may_follow()
    }

    fn may_follow(&self) -> bool {
        matches!(self.stop, Stop::No | Stop::Draining(_)) && self.recorder.broken().is_none()
    }

    fn job(&mut self, item: ItemId, work: Work) -> Job {
        self.last_job += 1;
        if let Some(slot) = self.slots.get_mut(item) {
            slot.job = Some(self.last_job);
        }
        Job::new(self.last_job, item, work)
    }

    fn poll_ended(&mut self, now: Instant, job: &Job, result: Result<Progress, Error>) {
        let item = job.item;
        let policy = &self.policy.watch;
        let Some(slot) = self
            .slots
            .get_mut(item)
            .filter(|slot| slot.job == Some(job.id))
        else {
            return;
        };
        let (key, file) = (slot.key.clone(), slot.told.file);
        let Some(following) = slot.following() else {
            return;
        };
        let unavailable = self.session.time_pace_unavailable(now);
        following.watched.stand_still(unavailable);
        let before = following.watched.last();
        let judged = match result {
            Ok(progress) => {
                let judged = following.watched.answered(policy, now, progress);
                if judged.is_ok() {
                    self.polls.answered(item, now, &progress);
                }
                if before != Some(progress) && matches!(judged, Ok(Judgement::Running(_))) {
                    self.events
                        .push_back(event(&key, ItemChange::Progress(progress)));
                }
                judged
            }
            // Its driver gave it up.
            Err(Error::Stopped) => {
                self.polls.failed(item, now, policy.limits().interval);
                return;
            }
            Err(error) => {
                let change = ItemChange::PollFailed(Box::new(error.clone()));
                self.events.push_back(event(&key, change));
                let failed = following.watched.failed(policy, now, error);
                if let Ok(backoff) = failed {
                    self.polls.failed(item, now, backoff);
                }
                failed.map(Judgement::Running)
            }
        };
        if !matches!(judged, Ok(Judgement::Running(_))) {
            self.polls.ended(item, now);
        }
        match judged {
            Ok(Judgement::Running(_)) => {}
            Ok(Judgement::Succeeded) => {
                let task = following.task;
                let ending = Ending::Succeeded(file);
                let op = LedgerOp::End { item, task, ending };
                self.leave(item, op, ItemChange::Succeeded(file));
            }
            Err(error) => {
                let task = following.task;
                self.task_failed(item, task, &error);
            }
        }
    }

    /// A task that failed is sent again, unless that was the last time. One that is given up may still succeed, so it is not. A
    /// callback may have told why.
    fn task_failed(&mut self, item: ItemId, task: TaskId, error: &WatchError) {
        let Some(slot) = self.slots.get(item) else {
            return;
        };
        let is_failure = matches!(error, WatchError::DownloadFailed { .. });
        let reason = match &slot.told.reason {
            Some(told) if is_failure => failure_as_told(task, told),
            _ if is_failure => error.to_string(),
            _ => format!("{}{error}", Item::GIVEN_UP),
        };
        let failures = slot.failures.saturating_add(1);
        let (ending, change) = if is_failure && failures < self.policy.max_attempts {
            let delay = self.policy.backoff(slot.failures);
            let change = ItemChange::WillRetry {
                reason: reason.clone(),
                delay,
            };
            (Ending::Again(reason, delay), change)
        } else {
            let change = ItemChange::Failed {
                reason: reason.clone(),
                attempts: slot.attempts,
                is_given_up: !is_failure,
            };
            (Ending::Failed(reason), change)
        };
        self.leave(item, LedgerOp::End { item, task, ending }, change);
    }

    // Stopping and waiting.

    /// Takes what the handles bring and want, and what the time brings.
    fn hear(&mut self, now: Now) {
        let Inbox {
            notices,
            returned,
            claims,
            left,
        } = self.shared.take_inbox();
        for returned in returned {
            match returned {
                Returned::Job(job) => self.finish(now, job),
                Returned::Ledger(job) => self.recorded(now, job),
            }
        }
        let now = now.mono;
        for (key, told) in notices {
            self.told(key, told);
        }
        for key in left {
            self.leave_item(&key);
        }
        if claims {
            self.claim_at = None;
        }
        if self.stop == Stop::No && self.shared.control.is_stopped() {
            self.stop = Stop::Draining(now);
            self.stop_unsent();
        }
        if let Stop::Draining(since) = self.stop
            && (now >= later(since, self.policy.grace) || self.slots.is_empty())
        {
            self.stop = Stop::Recording;
            self.stop_following();
        }
    }

    fn stop_unsent(&self) {
        for (_, slot) in self.slots.iter() {
            if let Stage::Claimed(_, handle) = slot.stage() {
                handle.stop();
            }
        }
    }

    fn stop_following(&mut self) {
        CallHandle::new(&self.polls_control).stop();
        self.search.end();
        self.leave_followed();
    }

    fn leave_item(&mut self, key: &ItemKey) {
        let item = self.slots.find(key);
        let slot = item.and_then(|item| self.slots.get(item));
        if let Some(item) = item.filter(|_| slot.is_some_and(|slot| slot.stage().is_followed())) {
            self.release(item);
            // If nobody has ended it, it is followed again.
            self.recorder.set_unsure();
        }
    }

    fn leave_followed(&mut self) {
        let slots = self.slots.iter();
        let followed = slots.filter(|(_, slot)| slot.stage().is_followed());
        for item in followed.map(|(item, _)| item).collect::<Vec<_>>() {
            self.release(item);
        }
    }

    fn is_called(&self) -> bool {
        let is_stopped = self.stop == Stop::No && self.shared.control.is_stopped();
        let inbox = self.shared.inbox();
        is_stopped || inbox.as_ref().is_some_and(|inbox| !inbox.is_empty())
    }

    fn may_end(&self) -> bool {
        if self.jobs_out > 0 || !self.recorder.is_idle() {
            return false;
        }
        if self.recorder.broken().is_some() {
            return true;
        }
        let is_all = match self.stop {
            Stop::No => {
                self.has_all_items
                    && self.intake.is_empty()
                    && self.claim_at.is_some()
                    && self.counts.open() == 0
            }
            Stop::Draining(_) | Stop::Recording => false,
            Stop::Counting => true,
        };
        is_all && self.slots.is_empty() && !self.search.is_active()
    }

    fn wait(&self, now: Instant, signal: Signal) -> Wait {
        let timers = match self.stop {
            Stop::No => [self.beat_at, self.claim_at],
            Stop::Draining(since) => [self.beat_at, Some(later(since, self.policy.grace))],
            Stop::Recording | Stop::Counting => [self.beat_at, None],
        };
        let until = timers
            .into_iter()
            .chain([self.poll_at, self.recorder.retry_at()])
            .flatten()
            .filter(|&at| at > now)
            .min()
            .unwrap_or_else(|| later(now, BEAT));
        Wait::new(now, until, signal, WaitReason::Poll)
    }
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.returned.is_empty() && !self.claims && self.left.is_empty()
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Option<Inbox>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody reads it any more.
    fn close(&self) {
        let inbox = self.inbox().take();
        drop(inbox);
    }

    fn take_inbox(&self) -> Inbox {
        let mut inbox = self.inbox();
        inbox.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

fn event(key: &ItemKey, change: ItemChange) -> BatchEvent {
    BatchEvent::Item {
        key: key.clone(),
        change,
    }
}

fn withdraw(item: ItemId, fence: Fence, reason: String, window_full: bool) -> (LedgerOp, Then) {
    let op = LedgerOp::Withdraw {
        item,
        fence,
        reason,
        delay: Duration::ZERO,
        window_full,
    };
    (op, Then::Left(item, None))
}

/// Whether the service rejects this item, and would take others.
fn is_of_the_item(error: &Error) -> bool {
    match error {
        Error::Build(_) => true,
        Error::Api(api) => {
            let is_of_all = matches!(
                api.code(),
                ErrorCode::TrafficExceeded | ErrorCode::Unauthorized
            );
            !error.is_retryable() && !is_of_all && api.number() != 403
        }
        _ => false,
    }
}

/// Whether another item would fail, too, if it were sent now.
fn is_of_the_account(error: &Error) -> bool {
    !matches!(
        error,
        Error::Stopped | Error::GateExpired | Error::TokenRejected(_) | Error::Finished
    )
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("creates", &self.slots.creates())
            .field("others", &self.slots.others())
            .field("jobs_out", &self.jobs_out)
            .field("counts", &self.counts)
            .field("stop", &self.stop)
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
