//! A batch: submits any number of downloads, follows them to their ends, and survives a crash at any point, since all that must last
//! is in a ledger.

mod event;
mod job;
mod polls;
mod settings;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use event::{BatchEvent, BatchReport, ItemChange};
pub use job::Job;
pub use settings::BatchPolicy;

use crate::api::file::{Entry, GetDetail};
use crate::api::offline::{CreatedDownload, GetDownloadProgress};
use crate::callback::{CallbackNotice, CallbackOutcome};
use crate::error::{Ambiguous, Error, ErrorCode, WatchError};
use crate::flow::expected_file::ExpectedFile;
use crate::flow::fit::{Clocks, Fit};
use crate::ids::{FileId, TaskId};
use crate::ledger::{
    Claimed, Counts, Ending, Fence, Item, ItemId, ItemKey, ItemState, LedgerAnswer, LedgerFault,
    LedgerOp, LedgerReply, LedgerRequest, Millis, NewItem, SpilledTask, Transaction, Verdict,
};
use crate::machine::control::{CallHandle, Control};
use crate::machine::{Now, Signal, Wait, later};
use crate::policy::retry::doubled;
use crate::policy::watch::{Judgement, Watched};
use crate::session::Session;
use crate::task::Progress;
use crate::wait::WaitReason;
use job::{Outcome, Work};
use polls::PollQueue;

/// How often a worker shows the ledger that it is alive, and hears of callbacks that other processes received.
const BEAT: Duration = Duration::from_secs(2);
/// How often a batch that could send more asks the ledger for items.
const CLAIM_INTERVAL: Duration = Duration::from_secs(5);
/// The pauses of sending after a failure that is no item's.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);
/// The pauses before a ledger that failed is asked again.
const MIN_LEDGER_PAUSE: Duration = Duration::from_millis(100);
const MAX_LEDGER_PAUSE: Duration = Duration::from_secs(5);
/// How many items wait at most to be added.
const MAX_INTAKE: usize = 500;
/// How many operations a transaction has at most.
const MAX_OPS: usize = 1000;

/// Submits downloads and follows them to their ends.
///
/// It hands out jobs, of which its driver runs as many at once as it likes, and asks for what must be recorded. A driver takes
/// [`next`](Batch::next) until that is a [`BatchStep::Wait`], and then waits for the first of: the end of a job, the reply of the ledger, room
/// for further items, the time and the signal of the wait.
#[must_use = "a batch does nothing until a driver runs it"]
pub struct Batch {
    session: Session,
    policy: BatchPolicy,
    shared: Arc<Shared>,
    /// Stops all polls.
    polls_control: Arc<Control>,
    slots: HashMap<ItemId, Slot>,
    /// Items in hand by their key, for callbacks.
    keys: HashMap<ItemKey, ItemId>,
    creates: usize,
    polls_in_flight: usize,
    polls: PollQueue,
    jobs: u64,
    starts: VecDeque<Job>,
    events: VecDeque<BatchEvent>,

    intake: Vec<NewItem>,
    has_all_items: bool,
    /// When to ask for items again.
    claim_at: Option<Instant>,
    beat_at: Option<Instant>,
    /// Until when nothing is sent.
    paused_until: Option<Instant>,
    pauses: u32,

    recorder: Recorder,
    counts: Counts,
    stop: Option<Stop>,
    is_done: bool,
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
    /// Pass this to the ledger, and its reply to [`Batch::recorded`]. There is no second request before the reply.
    Ledger(LedgerRequest),
    /// Something happened.
    Event(BatchEvent),
    /// Nothing more to do until this time or signal, unless something comes back before.
    Wait(Wait),
    /// The batch has ended.
    Done(BatchReport),
}

/// One item in hand.
#[derive(Debug)]
struct Slot {
    key: ItemKey,
    attempts: u32,
    failures: u32,
    /// The job that is out for it.
    job: Option<u64>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// On its way to the gate.
    Claimed(Fence, CallHandle),
    /// The right to send is asked for.
    Intending(Fence, Box<Job>),
    /// It may be sent.
    Sending(Fence, CallHandle),
    /// Its task is followed.
    Following(Box<Following>),
    /// Nothing is left to do but to record it.
    Recording,
    /// An unconfirmed item whose file is looked at.
    Confirming(FileId, Box<ExpectedFile>),
}

#[derive(Debug)]
struct Following {
    task: TaskId,
    watched: Watched,
    interval: Duration,
    file: Option<FileId>,
    /// Whether a callback came while it was polled.
    notified: bool,
}

#[derive(Debug)]
struct Stop {
    /// Until when tasks are followed; none once that is over.
    until: Option<Instant>,
    counted: bool,
}

/// What to do with an answer of the ledger.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    Added,
    Claimed,
    Counted,
    Beaten,
    Intended(ItemId),
    Created(ItemId, TaskId),
    /// The item leaves the batch, with this change if the ledger agrees.
    Left(ItemId, Option<Box<ItemChange>>),
    Noticed(Option<FileId>),
}

/// What is to be recorded, and what is being recorded.
#[derive(Debug, Default)]
struct Recorder {
    pending: Vec<(LedgerOp, Then)>,
    asked: Vec<(LedgerOp, Then)>,
    is_waiting: bool,
    /// Task ids for the spill, with their keys.
    to_spill: Vec<SpilledTask>,
    spilling: Vec<SpilledTask>,
    /// Whether some answer was lost.
    is_unsure: bool,
    failures: u32,
    retry_at: Option<Instant>,
    broken: Option<LedgerFault>,
    spill_room: Option<usize>,
}

#[derive(Debug, Default)]
struct Shared {
    control: Arc<Control>,
    notices: Mutex<Vec<(ItemKey, Option<FileId>)>>,
}

/// Stops a batch from elsewhere, or passes callbacks to it.
#[derive(Clone, Debug)]
pub struct BatchHandle {
    shared: Arc<Shared>,
}

impl BatchHandle {
    /// Stops the batch: nothing new is sent, tasks are followed for [`BatchPolicy::grace`], everything is recorded, and then the batch
    /// is done. Tasks go on at the service; the next batch on the ledger follows them.
    pub fn stop(&self) {
        CallHandle::new(&self.shared.control).stop();
    }

    /// Passes a callback for an item to the batch, which looks at its task at once. Verify its signature before: an unverified notice
    /// may name anyone's file.
    ///
    /// It may reach any process that works on the ledger: the one that follows the task hears of it within seconds.
    pub fn notify(&self, key: ItemKey, notice: &CallbackNotice) {
        let file = match notice.outcome {
            CallbackOutcome::Succeeded { file } => file,
            _ => None,
        };
        self.nudge(key, file);
    }

    fn nudge(&self, key: ItemKey, file: Option<FileId>) {
        let notices = &self.shared.notices;
        let mut notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.push((key, file));
        drop(notices);
        self.shared.control.wake();
    }
}

impl Session {
    /// Returns a batch of this session. It works on all items of the ledger that its driver gives it, and on those added to it.
    pub fn batch(&self, policy: BatchPolicy) -> Batch {
        Batch {
            session: self.clone(),
            policy,
            shared: Arc::default(),
            polls_control: Arc::default(),
            slots: HashMap::new(),
            keys: HashMap::new(),
            creates: 0,
            polls_in_flight: 0,
            polls: PollQueue::default(),
            jobs: 0,
            starts: VecDeque::new(),
            events: VecDeque::new(),
            intake: Vec::new(),
            has_all_items: false,
            claim_at: None,
            beat_at: None,
            paused_until: None,
            pauses: 0,
            recorder: Recorder::default(),
            counts: Counts::default(),
            stop: None,
            is_done: false,
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

    /// Returns how many items the batch takes now.
    pub fn room(&self) -> usize {
        if self.has_all_items || self.stop.is_some() || self.recorder.broken.is_some() {
            return 0;
        }
        MAX_INTAKE.saturating_sub(self.intake.len())
    }

    /// Adds an item, at any time before [`items_ended`](Batch::items_ended). One whose key the ledger has already stays as it is there.
    pub fn add(&mut self, item: NewItem) {
        self.intake.push(item);
    }

    /// Tells that no more items come, so that the batch is done when all have ended.
    pub fn items_ended(&mut self) {
        self.has_all_items = true;
    }

    /// Returns what to do next.
    pub fn next(&mut self, now: Now) -> BatchStep {
        loop {
            self.hear(now.mono);
            if let Some(event) = self.events.pop_front() {
                return BatchStep::Event(event);
            }
            if self.is_done {
                return BatchStep::Done(BatchReport {
                    counts: self.counts,
                    fault: self.recorder.broken.clone(),
                });
            }
            if let Some(job) = self.starts.pop_front() {
                return BatchStep::Start(job);
            }
            if let Some(request) = self.ledger_request(now) {
                return BatchStep::Ledger(request);
            }
            if let Some(job) = self.next_poll(now.mono) {
                return BatchStep::Start(job);
            }
            if self.may_end() {
                self.is_done = true;
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
        let outcome = job.take_outcome(now);
        let item = job.item;
        match outcome {
            Outcome::AtGate => self.at_gate(job),
            Outcome::Created(result) => self.create_ended(now.mono, item, result),
            Outcome::Polled(result) => {
                self.polls_in_flight -= 1;
                self.poll_ended(now.mono, &job, result);
            }
            Outcome::Confirmed(result) => self.confirm_ended(item, result),
        }
    }

    /// Takes the reply of the ledger.
    pub fn recorded(&mut self, now: Now, reply: LedgerReply) {
        let now = now.mono;
        match reply {
            LedgerReply::Ran { result, spill_room } => {
                self.recorder.spill_room = Some(spill_room);
                self.recorder.is_waiting = false;
                let asked = std::mem::take(&mut self.recorder.asked);
                match result {
                    Ok(answers) => {
                        self.ledger_answered();
                        for ((_, then), answer) in asked.into_iter().zip(answers) {
                            self.take_answer(now, then, answer);
                        }
                    }
                    Err(fault) => self.ledger_failed(now, fault, asked),
                }
            }
            LedgerReply::Spilled {
                results: _,
                spill_room,
            } => {
                // What cannot be kept there either was given out as an event, and stays to be recorded.
                self.recorder.spill_room = Some(spill_room);
                self.recorder.is_waiting = false;
                self.recorder.spilling.clear();
            }
        }
    }

    // What is asked of the ledger.

    fn ledger_request(&mut self, now: Now) -> Option<LedgerRequest> {
        if self.recorder.is_waiting {
            return None;
        }
        if !self.recorder.to_spill.is_empty() {
            self.recorder.spilling = std::mem::take(&mut self.recorder.to_spill);
            self.recorder.is_waiting = true;
            return Some(LedgerRequest::Spill(self.recorder.spilling.clone()));
        }
        let is_too_early = self.recorder.retry_at.is_some_and(|at| now.mono < at);
        if self.recorder.broken.is_some() || is_too_early {
            return None;
        }
        let mut ops = Vec::new();
        if self.recorder.is_unsure {
            let held = self.slots.keys().copied().collect();
            ops.push((LedgerOp::Hold(held), Then::Nothing));
        }
        if self.beat_at.is_none_or(|at| now.mono >= at) {
            self.beat_at = Some(later(now.mono, BEAT));
            ops.push((LedgerOp::Beat, Then::Beaten));
        }
        let rest = self.recorder.pending.len().min(MAX_OPS);
        ops.extend(self.recorder.pending.drain(..rest));
        if !self.intake.is_empty() {
            let items = std::mem::take(&mut self.intake);
            ops.push((LedgerOp::Add(items), Then::Added));
        }
        self.ask_for_items(now.mono, &mut ops);
        if ops.is_empty() {
            return None;
        }
        self.recorder.asked = ops;
        self.recorder.is_waiting = true;
        let ops = self.recorder.asked.iter().map(|(op, _)| op.clone());
        Some(LedgerRequest::Run(Transaction::new(
            now.wall,
            ops.collect(),
        )))
    }

    fn ask_for_items(&mut self, now: Instant, ops: &mut Vec<(LedgerOp, Then)>) {
        if let Some(stop) = &mut self.stop {
            let is_last = self.slots.is_empty() && stop.until.is_none() && !stop.counted;
            if is_last {
                stop.counted = true;
                ops.push((LedgerOp::Counts, Then::Counted));
            }
            return;
        }
        if self.claim_at.is_some_and(|at| now < at) {
            return;
        }
        let spill_room = self.recorder.spill_room.unwrap_or(usize::MAX);
        let may_create = self.paused_until.is_none_or(|until| now >= until);
        let create = self.policy.max_creates.min(spill_room);
        let create = if may_create {
            create.saturating_sub(self.creates)
        } else {
            0
        };
        let followed = self.slots.len() - self.creates;
        let follow = self.policy.max_followed.saturating_sub(followed);
        let create = create.min(follow);
        self.claim_at = Some(later(now, CLAIM_INTERVAL));
        ops.push((LedgerOp::Claim { create, follow }, Then::Claimed));
        ops.push((LedgerOp::Counts, Then::Counted));
    }

    fn record(&mut self, op: LedgerOp, then: Then) {
        self.recorder.pending.push((op, then));
    }

    fn ledger_answered(&mut self) {
        self.recorder.is_unsure = false;
        self.recorder.retry_at = None;
        if self.recorder.failures > 0 {
            self.recorder.failures = 0;
            self.events.push_back(BatchEvent::LedgerRecovered);
        }
    }

    /// Keeps what must be asked again. Nothing is sent meanwhile.
    fn ledger_failed(&mut self, now: Instant, fault: LedgerFault, asked: Vec<(LedgerOp, Then)>) {
        let recorder = &mut self.recorder;
        let pause = doubled(MIN_LEDGER_PAUSE, recorder.failures, MAX_LEDGER_PAUSE);
        recorder.retry_at = Some(later(now, pause));
        recorder.is_unsure |= matches!(fault, LedgerFault::Down(_));
        let is_news = recorder.failures == 0 && !matches!(fault, LedgerFault::Busy(_));
        if !matches!(fault, LedgerFault::Busy(_)) {
            recorder.failures = recorder.failures.saturating_add(1);
        }
        let mut again = Vec::new();
        for (op, then) in asked {
            match (&op, &then) {
                (LedgerOp::Claim { .. }, _) => self.claim_at = None,
                (LedgerOp::Beat, _) => self.beat_at = None,
                (LedgerOp::Counts, _) => {
                    if let Some(stop) = &mut self.stop {
                        stop.counted = false;
                    }
                }
                (LedgerOp::Hold(_), _) => self.recorder.is_unsure = true,
                (_, Then::Intended(item)) => again.extend(self.not_intended(*item)),
                _ => again.push((op, then)),
            }
        }
        for (op, _) in &again {
            if let LedgerOp::Created { item, fence, task } = *op
                && is_news
            {
                self.recorder
                    .to_spill
                    .push(SpilledTask::new(item, fence, task));
                if let Some(slot) = self.slots.get(&item) {
                    let change = ItemChange::Unrecorded(task);
                    self.events.push_back(event(&slot.key, change));
                }
            }
        }
        again.append(&mut self.recorder.pending);
        self.recorder.pending = again;
        if is_news {
            self.events
                .push_back(BatchEvent::LedgerFailed(fault.clone()));
        }
        if matches!(fault, LedgerFault::Broken(_)) {
            self.recorder.broken = Some(fault);
        }
    }

    /// The right to send was not given, or the answer was lost: it is not sent, and goes back to the queue.
    fn not_intended(&mut self, item: ItemId) -> Option<(LedgerOp, Then)> {
        let slot = self.slots.get_mut(&item)?;
        let Stage::Intending(fence, _) = slot.stage else {
            return None;
        };
        slot.stage = Stage::Recording;
        let reason = "the ledger failed before it was sent".to_owned();
        Some(withdraw(item, fence, reason, false))
    }

    // What the ledger answers.

    fn take_answer(&mut self, now: Instant, then: Then, answer: LedgerAnswer) {
        match (then, answer) {
            (Then::Added, LedgerAnswer::Added(added)) if added > 0 => self.claim_at = None,
            (Then::Claimed, LedgerAnswer::Claimed(claimed)) => self.claimed(now, claimed),
            (Then::Counted, LedgerAnswer::Counts(counts)) => self.counts = counts,
            (Then::Beaten, LedgerAnswer::Beaten(notices)) => {
                for notice in notices {
                    self.notified(now, notice.item, notice.file);
                }
            }
            (Then::Beaten, LedgerAnswer::Lost) => self.was_taken_over(),
            (Then::Intended(item), answer) => self.intended(item, &answer),
            (Then::Created(item, task), answer) => self.created(now, item, task, &answer),
            (Then::Left(item, change), answer) => self.left(item, change, &answer),
            (Then::Noticed(file), LedgerAnswer::Noticed(Some((id, item)))) => {
                self.noticed(now, id, &item, file);
            }
            _ => {}
        }
    }

    fn claimed(&mut self, now: Instant, claimed: Claimed) {
        let Claimed {
            to_create,
            to_follow,
            unconfirmed,
            next,
            ..
        } = claimed;
        for (_, item) in unconfirmed {
            let change = ItemChange::Unconfirmed {
                reason: item.reason.map(String::from).unwrap_or_default(),
                candidates: item.other_tasks,
            };
            self.events.push_back(event(&item.key, change));
        }
        for (id, item) in to_follow {
            if let Some(task) = item.task {
                self.events
                    .push_back(event(&item.key, ItemChange::Resumed(task)));
                self.follow(now, id, &item, task);
            }
        }
        if !to_create.is_empty() {
            self.claim_at = None;
        }
        if let Some(next) = next {
            let at = later(now, next);
            self.claim_at = self.claim_at.map(|claim_at| claim_at.min(at));
        }
        for (id, item) in to_create {
            self.create(id, item);
        }
    }

    fn create(&mut self, id: ItemId, item: Item) {
        let call = match self.session.call(&item.download) {
            Ok(call) => call.gated(),
            Err(error) => {
                self.hold(id, &item, Stage::Recording);
                self.reject(id, item.fence, error.to_string());
                return;
            }
        };
        self.hold(id, &item, Stage::Claimed(item.fence, call.handle()));
        self.creates += 1;
        let job = self.job(id, Work::Create(Box::new(call)));
        self.starts.push_back(job);
    }

    fn hold(&mut self, id: ItemId, item: &Item, stage: Stage) {
        self.keys.insert(item.key.clone(), id);
        let slot = Slot {
            key: item.key.clone(),
            attempts: item.attempts,
            failures: item.failures,
            job: None,
            stage,
        };
        self.slots.insert(id, slot);
    }

    fn job(&mut self, item: ItemId, work: Work) -> Job {
        self.jobs += 1;
        if let Some(slot) = self.slots.get_mut(&item) {
            slot.job = Some(self.jobs);
        }
        Job {
            id: self.jobs,
            item,
            work,
            outcome: None,
        }
    }

    fn intended(&mut self, item: ItemId, answer: &LedgerAnswer) {
        let Some(slot) = self.slots.get_mut(&item) else {
            return;
        };
        let stage = std::mem::replace(&mut slot.stage, Stage::Recording);
        let Stage::Intending(fence, mut job) = stage else {
            slot.stage = stage;
            return;
        };
        if *answer != LedgerAnswer::Done {
            // Somebody took the item back, or over.
            self.drop_create(item);
            return;
        }
        slot.attempts += 1;
        if let Work::Create(call) = &mut job.work {
            call.proceed();
            slot.stage = Stage::Sending(fence, call.handle());
        }
        self.starts.push_back(*job);
    }

    fn created(&mut self, now: Instant, item: ItemId, task: TaskId, answer: &LedgerAnswer) {
        self.creates -= 1;
        let Some(slot) = self.slots.get(&item) else {
            return;
        };
        let key = slot.key.clone();
        if *answer == LedgerAnswer::Stray {
            self.events.push_back(event(&key, ItemChange::Stray(task)));
            self.release(item);
            return;
        }
        self.events
            .push_back(event(&key, ItemChange::Created(task)));
        self.start_following(now, item, task);
        self.claim_at = None;
    }

    fn left(&mut self, item: ItemId, change: Option<Box<ItemChange>>, answer: &LedgerAnswer) {
        if let (Some(change), Some(slot)) = (change, self.slots.get(&item))
            && *answer == LedgerAnswer::Done
        {
            self.events.push_back(event(&slot.key, *change));
        }
        self.release(item);
        self.claim_at = None;
    }

    fn release(&mut self, item: ItemId) {
        if let Some(slot) = self.slots.remove(&item) {
            self.keys.remove(&slot.key);
        }
        self.polls.remove(item);
    }

    /// The ledger took this worker for dead, and gave its items to others. What it sent it still records.
    fn was_taken_over(&mut self) {
        let followed =
            |slot: &Slot| matches!(slot.stage, Stage::Following(_) | Stage::Confirming(..));
        let slots = self.slots.iter();
        let lost: Vec<_> = slots
            .filter(|(_, slot)| followed(slot))
            .map(|(&id, _)| id)
            .collect();
        for item in lost {
            self.release(item);
        }
        self.stop_unsent();
        self.claim_at = None;
    }

    // Creates.

    fn at_gate(&mut self, job: Job) {
        let item = job.item;
        let may_send =
            self.stop.is_none() && self.recorder.failures == 0 && self.recorder.broken.is_none();
        let Some(slot) = self.slots.get_mut(&item) else {
            return;
        };
        let Stage::Claimed(fence, _) = slot.stage else {
            return;
        };
        if !may_send {
            slot.stage = Stage::Recording;
            let (op, then) = withdraw(item, fence, "it was not sent".to_owned(), false);
            self.record(op, then);
            self.creates -= 1;
            return;
        }
        slot.stage = Stage::Intending(fence, Box::new(job));
        self.record(LedgerOp::Intend { item, fence }, Then::Intended(item));
    }

    fn drop_create(&mut self, item: ItemId) {
        self.creates -= 1;
        self.release(item);
        self.claim_at = None;
    }

    fn create_ended(&mut self, now: Instant, item: ItemId, result: Result<CreatedDownload, Error>) {
        let Some(slot) = self.slots.get_mut(&item) else {
            return;
        };
        let (Stage::Claimed(fence, _) | Stage::Sending(fence, _)) = slot.stage else {
            return;
        };
        slot.stage = Stage::Recording;
        let error = match result {
            Ok(CreatedDownload { task, .. }) => {
                self.pauses = 0;
                let op = LedgerOp::Created { item, fence, task };
                self.record(op, Then::Created(item, task));
                return;
            }
            Err(error) => error,
        };
        self.creates -= 1;
        if let Error::Ambiguous(ambiguous) = &error {
            self.doubt(item, fence, ambiguous, error.to_string());
            return;
        }
        let window_full = error.code() == Some(ErrorCode::TooManyDownloads);
        if window_full {
            let running = self.counts.of(ItemState::Running);
            self.events.push_back(BatchEvent::WindowFull { running });
        } else if is_of_the_item(&error) {
            self.reject(item, fence, error.to_string());
            return;
        } else if is_of_the_account(&error) {
            self.pause(now, &error);
        }
        let (op, then) = withdraw(item, fence, error.to_string(), window_full);
        self.record(op, then);
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
        self.record(op, Then::Left(item, Some(Box::new(change))));
    }

    fn reject(&mut self, item: ItemId, fence: Fence, reason: String) {
        let attempts = self.slots.get(&item).map_or(0, |slot| slot.attempts);
        let change = ItemChange::Failed {
            reason: reason.clone(),
            attempts,
        };
        let op = LedgerOp::Reject {
            item,
            fence,
            reason,
        };
        self.record(op, Then::Left(item, Some(Box::new(change))));
    }

    /// Sends nothing for a while. Failures of requests that were on their way together count once.
    fn pause(&mut self, now: Instant, error: &Error) {
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        let pause = doubled(MIN_PAUSE, self.pauses, MAX_PAUSE);
        let pause = pause.max(error.retry_after().unwrap_or_default());
        self.pauses = self.pauses.saturating_add(1);
        let until = later(now, pause);
        self.paused_until = Some(until);
        self.claim_at = Some(until);
        let error = Box::new(error.clone());
        self.events.push_back(BatchEvent::Paused { error, pause });
    }

    // Following.

    fn follow(&mut self, now: Instant, id: ItemId, item: &Item, task: TaskId) {
        self.hold(id, item, Stage::Recording);
        self.start_following(now, id, task);
    }

    fn start_following(&mut self, now: Instant, item: ItemId, task: TaskId) {
        let interval = self.policy.watch.interval;
        if let Some(slot) = self.slots.get_mut(&item) {
            slot.stage = Stage::Following(Box::new(Following {
                task,
                watched: Watched::new(task),
                interval,
                file: None,
                notified: false,
            }));
        }
        self.polls.schedule(item, now);
    }

    fn next_poll(&mut self, now: Instant) -> Option<Job> {
        if self.polls_in_flight >= self.policy.max_polls || !self.follows() {
            return None;
        }
        let (at, item) = self.polls.next()?;
        if at > now {
            return None;
        }
        self.polls.remove(item);
        let slot = self.slots.get_mut(&item)?;
        let Stage::Following(following) = &mut slot.stage else {
            return None;
        };
        following.notified = false;
        let end = following.watched.end(&self.policy.watch, now);
        let call = self.session.call(&GetDownloadProgress::new(following.task));
        let call = call.ok()?.polling(&self.polls_control, end);
        self.polls_in_flight += 1;
        Some(self.job(item, Work::Poll(Box::new(call))))
    }

    fn poll_ended(&mut self, now: Instant, job: &Job, result: Result<Progress, Error>) {
        let item = job.item;
        let Some(slot) = self.slots.get_mut(&item) else {
            return;
        };
        let Stage::Following(following) = &mut slot.stage else {
            return;
        };
        if slot.job != Some(job.id) {
            return;
        }
        let policy = &self.policy.watch;
        let before = following.watched.last();
        let judged = match result {
            Ok(progress) => {
                let judged = following.watched.answered(policy, now, progress);
                if before != Some(progress) && matches!(judged, Ok(Judgement::Running(_))) {
                    let change = ItemChange::Progress(progress);
                    self.events.push_back(event(&slot.key, change));
                }
                judged
            }
            Err(Error::Stopped) => return,
            Err(error) => {
                let change = ItemChange::PollFailed(Box::new(error.clone()));
                self.events.push_back(event(&slot.key, change));
                let failed = following.watched.failed(policy, now, error);
                failed.map(|backoff| Judgement::Running(Some(backoff)))
            }
        };
        match judged {
            Ok(Judgement::Running(left)) => {
                let wait = left.map_or(following.interval, |left| {
                    following.interval.min(left.max(policy.interval))
                });
                let at = if following.notified {
                    now
                } else {
                    later(now, wait)
                };
                following.interval = (following.interval.saturating_mul(3) / 2)
                    .min(policy.max_interval_between_polls());
                self.polls.schedule(item, at);
            }
            Ok(Judgement::Succeeded) => {
                let (task, file) = (following.task, following.file);
                let change = ItemChange::Succeeded(file);
                self.end(item, task, Ending::Succeeded(file), change);
            }
            Err(error) => {
                let task = following.task;
                self.failed(item, task, &error);
            }
        }
    }

    /// A task that failed is sent again, unless that was the last time. One that is given up may still succeed, so it is not.
    fn failed(&mut self, item: ItemId, task: TaskId, error: &WatchError) {
        let Some(slot) = self.slots.get(&item) else {
            return;
        };
        let reason = error.to_string();
        let is_failure = matches!(error, WatchError::DownloadFailed { .. });
        if is_failure && slot.failures + 1 < self.policy.max_attempts {
            let delay = self.policy.backoff(slot.failures);
            let change = ItemChange::WillRetry {
                reason: reason.clone(),
                delay,
            };
            self.end(item, task, Ending::Again(reason, delay), change);
        } else {
            let change = ItemChange::Failed {
                reason: reason.clone(),
                attempts: slot.attempts,
            };
            self.end(item, task, Ending::Failed(reason), change);
        }
    }

    fn end(&mut self, item: ItemId, task: TaskId, ending: Ending, change: ItemChange) {
        if let Some(slot) = self.slots.get_mut(&item) {
            slot.stage = Stage::Recording;
        }
        let op = LedgerOp::End { item, task, ending };
        self.record(op, Then::Left(item, Some(Box::new(change))));
    }

    // Callbacks.

    /// A callback for an item in hand: its task is looked at now.
    fn notified(&mut self, now: Instant, item: ItemId, file: Option<FileId>) {
        let Some(slot) = self.slots.get_mut(&item) else {
            return;
        };
        if let Stage::Following(following) = &mut slot.stage {
            following.file = file.or(following.file);
            following.notified = true;
            if self.polls.remove(item) {
                self.polls.schedule(item, now);
            }
        }
    }

    /// A callback for an item that this batch did not have in hand.
    fn noticed(&mut self, now: Instant, id: ItemId, item: &Item, file: Option<FileId>) {
        if self.slots.contains_key(&id) {
            self.notified(now, id, file);
            return;
        }
        let Some(file) = file else {
            return;
        };
        if item.state != ItemState::Unconfirmed || !self.policy.confirm_by_callback {
            return;
        }
        let Ok(call) = self.session.call(&GetDetail::new(file)) else {
            return;
        };
        let expected = ExpectedFile::of(&item.download, from_millis(item.intended_at));
        self.hold(id, item, Stage::Confirming(file, Box::new(expected)));
        let call = call.controlled_by(&self.polls_control);
        let job = self.job(id, Work::Confirm(Box::new(call)));
        self.starts.push_back(job);
    }

    /// Settles an unconfirmed item if the file that a callback named exists and may be its.
    fn confirm_ended(&mut self, item: ItemId, result: Result<Box<Entry>, Error>) {
        let Some(slot) = self.slots.get(&item) else {
            return;
        };
        let Stage::Confirming(file, expected) = &slot.stage else {
            return;
        };
        let fits = result.is_ok_and(|entry| {
            expected.is_in_place(&entry) && Fit::of(&entry, expected, Clocks::default()).is_some()
        });
        if !fits {
            self.release(item);
            return;
        }
        let op = LedgerOp::Settle {
            key: slot.key.clone(),
            verdict: Verdict::Found(*file),
        };
        let change = ItemChange::Confirmed(*file);
        self.record(op, Then::Left(item, Some(Box::new(change))));
    }

    // Stopping and waiting.

    /// Takes what the handles want.
    fn hear(&mut self, now: Instant) {
        let notices = &self.shared.notices;
        let notices = std::mem::take(&mut *notices.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, file) in notices {
            match self.keys.get(&key) {
                Some(&item) => self.notified(now, item, file),
                None => self.record(LedgerOp::Notice { key, file }, Then::Noticed(file)),
            }
        }
        if self.stop.is_none() && self.shared.control.is_stopped() {
            let until = Some(later(now, self.policy.grace));
            self.stop = Some(Stop {
                until,
                counted: false,
            });
            self.stop_unsent();
        }
        if let Some(stop) = &mut self.stop
            && stop
                .until
                .is_some_and(|until| now >= until || self.is_idle_but_creates())
        {
            if let Some(stop) = &mut self.stop {
                stop.until = None;
            }
            self.stop_following();
        }
    }

    /// Whether no task is followed.
    fn is_idle_but_creates(&self) -> bool {
        self.slots.len() == self.creates
    }

    fn stop_unsent(&mut self) {
        for slot in self.slots.values() {
            if let Stage::Claimed(_, handle) = &slot.stage {
                handle.stop();
            }
        }
    }

    fn stop_following(&mut self) {
        CallHandle::new(&self.polls_control).stop();
        let slots = self.slots.iter();
        let followed = slots
            .filter(|(_, slot)| matches!(slot.stage, Stage::Following(_) | Stage::Confirming(..)));
        for item in followed.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.release(item);
        }
    }

    /// Whether tasks are still followed.
    fn follows(&self) -> bool {
        self.stop.as_ref().is_none_or(|stop| stop.until.is_some())
    }

    fn is_called(&self) -> bool {
        let notices = &self.shared.notices;
        let notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
        !notices.is_empty() || (self.stop.is_none() && self.shared.control.is_stopped())
    }

    fn may_end(&self) -> bool {
        let nothing_out = self.polls_in_flight == 0
            && !self.recorder.is_waiting
            && self.recorder.to_spill.is_empty();
        if self.recorder.broken.is_some() {
            return nothing_out && self.creates_out() == 0;
        }
        if !nothing_out || !self.slots.is_empty() || !self.recorder.pending.is_empty() {
            return false;
        }
        match &self.stop {
            Some(stop) => stop.until.is_none() && stop.counted,
            None => {
                self.has_all_items
                    && self.intake.is_empty()
                    && self.claim_at.is_some()
                    && self.counts.open() == 0
            }
        }
    }

    /// How many creates are with the driver.
    fn creates_out(&self) -> usize {
        let out = |slot: &&Slot| matches!(slot.stage, Stage::Claimed(..) | Stage::Sending(..));
        self.slots.values().filter(out).count()
    }

    fn wait(&self, now: Instant, signal: Signal) -> Wait {
        let poll = self.polls.next().map(|(at, _)| at);
        let may_poll = self.polls_in_flight < self.policy.max_polls && self.follows();
        let ledger = if self.recorder.is_waiting {
            None
        } else {
            self.recorder.retry_at
        };
        let until = [
            poll.filter(|_| may_poll),
            self.beat_at,
            self.claim_at.filter(|_| self.stop.is_none()),
            ledger,
            self.stop.as_ref().and_then(|stop| stop.until),
        ];
        let until = until.into_iter().flatten().filter(|&at| at > now).min();
        let until = until.unwrap_or_else(|| later(now, BEAT));
        Wait::new(now, until, signal, WaitReason::Poll)
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

fn from_millis(millis: Millis) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// Whether the service rejects this item, and would take others.
fn is_of_the_item(error: &Error) -> bool {
    match error {
        Error::Build(_) => true,
        Error::Api(api) => {
            !error.is_retryable()
                && !matches!(
                    api.code(),
                    ErrorCode::TrafficExceeded | ErrorCode::Unauthorized
                )
                && api.number() != 403
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

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("in_hand", &self.slots.len())
            .field("creates", &self.creates)
            .field("polls_in_flight", &self.polls_in_flight)
            .field("counts", &self.counts)
            .field("stop", &self.stop)
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}
