//! Many machines over one server, in one thread and in virtual time: the clock jumps from one event to the next.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use pan123_proto::{Detached, Input, Machine, Now, Signal, Transmit};

use super::actor::{Action, Actor, Items, Outcome, Slotted, waker};
use super::hooks::{Disturbance, Hooks, NoHooks, Plan};
use super::server::{Reply, Sent, ServerView};
use super::{at, elapsed};

type Server = Box<dyn FnMut(&ServerView<'_>, &Request<Bytes>) -> Reply>;

/// More steps than this at one time are a busy loop.
const MAX_STEPS_AT_ONCE: u32 = 100_000;
/// More steps than this never end.
const MAX_STEPS: u32 = 3_000_000;

pub(crate) struct World {
    server: Server,
    now: Duration,
    /// By time, then in the order in which they were set.
    due: BTreeMap<(Duration, u64), Due>,
    sequence: u64,
    actors: Vec<Option<Actor>>,
    /// Actors that are neither run nor dropped.
    frozen: Vec<Actor>,
    /// Detached machines that are neither run nor dropped.
    leaked: Vec<Detached>,
    woken: Arc<Mutex<Vec<usize>>>,
    sent: Vec<Sent>,
    plan: Box<dyn FnMut(usize) -> Plan>,
    hooks: Box<dyn Hooks>,
    detached: usize,
    /// The local wall clock at the start, if it differs from the service's.
    wall: Option<SystemTime>,
    drops_cancelled: bool,
    max_late: Duration,
    seed: u64,
    rng: Rng,
    steps: u32,
    steps_at_once: u32,
}

struct Due {
    actor: usize,
    resumption: u64,
    input: Input,
}

impl World {
    pub(crate) fn new(
        server: impl FnMut(&ServerView<'_>, &Request<Bytes>) -> Reply + 'static,
    ) -> World {
        World {
            server: Box::new(server),
            now: Duration::ZERO,
            due: BTreeMap::new(),
            sequence: 0,
            actors: Vec::new(),
            frozen: Vec::new(),
            leaked: Vec::new(),
            woken: Arc::default(),
            sent: Vec::new(),
            plan: Box::new(|_| Plan::Detach),
            hooks: Box::new(NoHooks),
            detached: 0,
            wall: None,
            drops_cancelled: true,
            max_late: Duration::ZERO,
            seed: 0,
            rng: Rng::with_seed(0),
            steps: 0,
            steps_at_once: 0,
        }
    }

    /// Decides what becomes of the nth detached machine, counted from 0.
    pub(crate) fn plan(mut self, plan: impl FnMut(usize) -> Plan + 'static) -> World {
        self.plan = Box::new(plan);
        self
    }

    /// Observes and disturbs the drivers.
    pub(crate) fn hooks(mut self, hooks: impl Hooks + 'static) -> World {
        self.hooks = Box::new(hooks);
        self
    }

    /// Sets the local wall clock at the start.
    pub(crate) fn local_clock(mut self, wall: SystemTime) -> World {
        self.wall = Some(wall);
        self
    }

    /// Drivers cannot drop a request in flight, as blocking ones.
    pub(crate) fn without_cancellation(mut self) -> World {
        self.drops_cancelled = false;
        self
    }

    /// Waits end up to `max` late, at random from a seed.
    pub(crate) fn late_by_up_to(mut self, max: Duration, seed: u64) -> World {
        self.max_late = max;
        self.seed = seed;
        self.rng = Rng::with_seed(seed);
        self
    }

    /// Drives a machine up to its first output.
    pub(crate) fn start<M>(&mut self, machine: M) -> Outcome<M::Output>
    where
        M: Machine + Debug + 'static,
    {
        self.add(machine, |_| true, None)
    }

    /// Runs until nothing more is due, and returns the only output of a machine.
    pub(crate) fn output_of<M>(&mut self, machine: M) -> M::Output
    where
        M: Machine + Debug + 'static,
    {
        let outcome = self.start(machine);
        self.run();
        outcome.get()
    }

    /// Drives a watch or a listing to its end.
    pub(crate) fn follow<M, T>(&mut self, machine: M) -> Outcome<Option<T>>
    where
        M: Machine<Output = Option<T>> + Debug + 'static,
    {
        self.add(machine, Option::is_none, None)
    }

    /// Runs until nothing more is due.
    pub(crate) fn run(&mut self) {
        while self.advance(None) {}
        let stuck: Vec<_> = self.actors.iter().flatten().collect();
        let seed = self.seed;
        assert!(stuck.is_empty(), "seed {seed}: never woken: {stuck:?}");
    }

    /// Runs up to and including this time.
    pub(crate) fn run_until(&mut self, until: Duration) {
        while self.advance(Some(until)) {}
        self.now = self.now.max(until);
    }

    /// Lets time pass with nothing running: what was due meanwhile comes late.
    pub(crate) fn suspend(&mut self, pause: Duration) {
        self.now += pause;
    }

    /// Sets the local wall clock.
    pub(crate) fn set_wall_clock(&mut self, change: impl FnOnce(SystemTime) -> SystemTime) {
        self.wall = Some(change(self.clock().wall) - self.now);
    }

    /// Drops a machine and what it runs in place, as a caller that goes away does.
    pub(crate) fn abandon<T>(&mut self, outcome: &Outcome<T>) {
        self.kill(outcome.actor);
    }

    /// The same, by the number of the actor.
    pub(crate) fn kill(&mut self, actor: usize) {
        for id in 0..self.actors.len() {
            let mine = |other: &mut Actor| id == actor || other.parent == Some(actor);
            if self.actors[id].take_if(mine).is_some() {
                self.hooks.dropped(self.now, id);
            }
        }
    }

    /// Stops running a machine without dropping it.
    pub(crate) fn freeze(&mut self, actor: usize) {
        self.frozen.extend(self.actors[actor].take());
    }

    /// Drops what was frozen or leaked.
    pub(crate) fn thaw(&mut self) {
        self.frozen.clear();
        self.leaked.clear();
    }

    /// Virtual time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    pub(crate) fn sent_to(&self, path: &str) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.path == path).collect()
    }

    /// When requests to this path were sent.
    pub(crate) fn times(&self, path: &str) -> Vec<Duration> {
        self.sent_to(path).iter().map(|sent| sent.at).collect()
    }

    /// How many machines have not ended.
    pub(crate) fn running(&self) -> usize {
        self.actors.iter().flatten().count()
    }

    /// How many machines were detached.
    pub(crate) fn detached(&self) -> usize {
        self.detached
    }

    fn add<M>(
        &mut self,
        machine: M,
        is_last: fn(&M::Output) -> bool,
        parent: Option<usize>,
    ) -> Outcome<M::Output>
    where
        M: Machine + Debug + 'static,
    {
        let items = Items::default();
        let actor = self.actors.len();
        self.actors.push(Some(Actor {
            machine: Box::new(Slotted {
                machine,
                items: Rc::clone(&items),
                is_last,
            }),
            resumption: 0,
            signal: None,
            parent,
        }));
        self.set(self.now, actor, 0, Input::Wake);
        Outcome { actor, items }
    }

    fn set(&mut self, at: Duration, actor: usize, resumption: u64, input: Input) {
        self.sequence += 1;
        let due = Due {
            actor,
            resumption,
            input,
        };
        self.due.insert((at, self.sequence), due);
    }

    fn set_by(
        &mut self,
        disturbance: Disturbance,
        at: Duration,
        actor: usize,
        resumption: u64,
        input: Input,
    ) {
        match disturbance {
            Disturbance::None => self.set(at, actor, resumption, input),
            Disturbance::Late(late) => self.set(at + late, actor, resumption, input),
            Disturbance::Instead(after, input) => {
                self.set(self.now + after, actor, resumption, input);
            }
        }
    }

    /// Lets the next thing happen, unless it is due after `until`.
    fn advance(&mut self, until: Option<Duration>) -> bool {
        self.hear_signals();
        let Some(next) = self.due.first_entry() else {
            return false;
        };
        let time = next.key().0;
        if until.is_some_and(|until| time > until) {
            return false;
        }
        let due = next.remove();
        if time > self.now {
            self.now = time;
            self.steps_at_once = 0;
        }
        self.count_step();
        self.resume(due);
        true
    }

    fn count_step(&mut self) {
        self.steps += 1;
        self.steps_at_once += 1;
        if self.steps_at_once > MAX_STEPS_AT_ONCE || self.steps > MAX_STEPS {
            let left: Vec<_> = self.actors.iter().flatten().take(5).collect();
            panic!(
                "seed {}: {} steps, {} of them at {:?}: busy loop: {left:#?}",
                self.seed, self.steps, self.steps_at_once, self.now
            );
        }
    }

    fn resume(&mut self, due: Due) {
        let current = |actor: &mut Actor| actor.resumption == due.resumption;
        let Some(mut actor) = self.actors[due.actor].take_if(current) else {
            return;
        };
        actor.resumption += 1;
        actor.signal = None;
        let now = self.clock();
        let (id, number) = (due.actor, actor.resumption);
        self.hooks.deliver(self.now, now.wall, id, &due.input);
        let action = actor.machine.resume(now, self.now, due.input);
        let disturbance = self.hooks.step(self.now, id, &action, &actor.machine);
        match action {
            Action::End => {
                if let Some(parent) = actor.parent
                    && let Some(waiting) = &self.actors[parent]
                {
                    self.set(self.now, parent, waiting.resumption, Input::Wake);
                }
                return;
            }
            Action::Item => self.set(self.now, id, number, Input::Wake),
            Action::Store(op) => {
                let (after, result) = self.hooks.store(self.now, id, op);
                self.set(self.now + after, id, number, Input::Stored(result));
            }
            Action::Pace(op) => {
                let (after, result) = self.hooks.pace(self.now, id, op);
                self.set_by(
                    disturbance,
                    self.now + after,
                    id,
                    number,
                    Input::Paced(result),
                );
            }
            Action::Wait(wait) => {
                let late = self.max_late.mul_f64(self.rng.f64());
                let until = elapsed(wait.until) + late;
                self.set_by(disturbance, until, id, number, Input::Wake);
                actor.signal = Some(wait.signal);
            }
            Action::Transmit(mut transmit) => {
                let signal = transmit.cancelled.take();
                actor.signal = signal.filter(|_| self.drops_cancelled);
                let (after, input) = self.exchange(&transmit);
                self.set_by(disturbance, self.now + after, id, number, input);
            }
            Action::Detach(machine) => self.detach(machine, id, number),
        }
        let has_signal = actor.signal.is_some();
        self.actors[id] = Some(actor);
        if has_signal {
            self.listen(id);
        }
    }

    fn detach(&mut self, machine: Detached, caller: usize, resumption: u64) {
        self.detached += 1;
        let plan = (self.plan)(self.detached - 1);
        let runs = matches!(plan, Plan::Detach | Plan::InPlace).then_some(self.actors.len());
        self.hooks.detached(self.now, caller, plan, runs);
        match plan {
            Plan::Detach => drop(self.add(machine, |()| true, None)),
            Plan::InPlace => {
                drop(self.add(machine, |()| true, Some(caller)));
                return;
            }
            Plan::Drop => drop(machine),
            Plan::Leak => self.leaked.push(machine),
        }
        self.set(self.now, caller, resumption, Input::Wake);
    }

    /// What a driver returns, and after which time.
    fn exchange(&mut self, transmit: &Transmit) -> (Duration, Input) {
        let view = ServerView {
            at: self.now,
            earlier: &self.sent,
        };
        let reply = (self.server)(&view, &transmit.request);
        self.sent.push(Sent::new(self.now, &transmit.request));
        reply.within(transmit)
    }

    fn clock(&self) -> Now {
        let now = at(self.now);
        Now {
            wall: self.wall.map_or(now.wall, |start| start + self.now),
            ..now
        }
    }

    /// Polls a signal only when it is new or its waker was called.
    fn hear_signals(&mut self) {
        let woken = std::mem::take(&mut *self.woken.lock().expect("one thread"));
        for actor in woken {
            self.listen(actor);
        }
    }

    fn listen(&mut self, id: usize) {
        let Some(actor) = &mut self.actors[id] else {
            return;
        };
        let Some(signal) = &mut actor.signal else {
            return;
        };
        let waker = waker(id, &self.woken);
        let mut context = Context::from_waker(&waker);
        if Pin::<&mut Signal>::new(signal)
            .poll(&mut context)
            .is_ready()
        {
            actor.signal = None;
            let resumption = actor.resumption;
            self.set(self.now, id, resumption, Input::Wake);
        }
    }
}
