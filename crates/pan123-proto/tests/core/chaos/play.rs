//! One run: what callers, drivers and the outer world do, drawn from a seed, and what is looked at in the end.

mod ending;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use pan123_proto::offline::{
    CreatedDownload, Download, GetDownloadProgress, Progress, Watch, WatchHandle,
};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{CallHandle, Endpoint, Error, Machine, Pacing, Session};

use crate::chaos::errand::{Errand, Kind, Standing};
use crate::chaos::onlooker::{Books, CLASSES, Shared};
use crate::chaos::tally::{Fault, Tally};
use crate::chaos::verdicts::{Limits, url};
use crate::support::{Outcome, START, World, builder, millis, numbered_task, secs};

pub(crate) fn run(seed: u64) -> Tally {
    let mut play = Play::new(seed);
    let actions = play.rng.usize(6..24);
    for _ in 0..actions {
        let pause = play.pause();
        play.world.run_until(play.world.now() + pause);
        play.act();
    }
    play.finish()
}

struct Play {
    world: World,
    shared: Shared,
    rng: Rng,
    blocking: bool,
    sessions: Vec<(Session, Duration)>,
    asked: BTreeMap<usize, Asked>,
    creates: u64,
}

/// What somebody asked for, by the number of the actor that sees to it.
enum Asked {
    User(Outcome<Result<UserInfo, Error>>, CallHandle),
    Progress(Outcome<Result<Progress, Error>>, CallHandle),
    Create(Outcome<Result<CreatedDownload, Error>>, CallHandle, u64),
    Watch(Box<Watching>),
}

struct Watching {
    outcome: Outcome<<Watch as Machine>::Output>,
    handle: WatchHandle,
    limits: Limits,
    task: u64,
    started: Duration,
}

impl Play {
    fn new(seed: u64) -> Play {
        let mut rng = Rng::with_seed(seed);
        let shared = Shared::new(rng.fork());
        let (service, planner) = (shared.clone(), shared.clone());
        let blocking = rng.bool();
        let skew = secs(rng.u64(0..2) * rng.u64(0..100_000));
        let mut world = World::new(move |view, request| service.look().serve(view, request))
            .plan(move |_| planner.look().plan())
            .fate(shared.clone())
            .local_clock(SystemTime::UNIX_EPOCH + START - secs(50_000) + skew);
        if blocking {
            world = world.keeps_cancelled();
        }
        let mut play = Play {
            world,
            shared,
            blocking,
            sessions: Vec::new(),
            asked: BTreeMap::new(),
            creates: 0,
            rng,
        };
        play.add_session(seed);
        if play.rng.u8(..4) == 0 {
            play.shared.look().tally.fault(Fault::SecondProcess);
            play.add_session(seed);
        }
        play
    }

    fn add_session(&mut self, seed: u64) {
        let rng = &mut self.rng;
        let request_timeout = [secs(30), secs(30), secs(10), secs(3)][rng.usize(..4)];
        let call_timeout = [secs(120), secs(120), secs(40), secs(8)][rng.usize(..4)];
        let (pacing, intervals) = match rng.u8(..3) {
            0 => (Pacing::off(), [Duration::ZERO; 4]),
            1 => {
                let slow = millis(rng.u64(1..4000));
                let pacing = Pacing::default().every(GetDownloadProgress::RATE, slow);
                let mut intervals = CLASSES.map(|class| class.interval());
                intervals[3] = slow;
                (pacing, intervals)
            }
            _ => (Pacing::default(), CLASSES.map(|class| class.interval())),
        };
        let session = builder()
            .seed(seed)
            .pacing(pacing)
            .request_timeout(request_timeout)
            .call_timeout(call_timeout)
            .build()
            .expect("good settings");
        self.sessions.push((session, call_timeout));
        let books = Books::new(request_timeout, intervals);
        self.shared.look().books.push(books);
    }

    fn pause(&mut self) -> Duration {
        let most = match self.rng.u8(..20) {
            0..10 => 300,
            10..16 => 3000,
            16..19 => 20_000,
            _ => 100_000,
        };
        Duration::from_micros(self.rng.u64(..most * 1000))
    }

    fn act(&mut self) {
        let now = self.world.now();
        match self.rng.u8(..100) {
            0..22 => self.ask_user(),
            22..36 => self.ask_progress(),
            36..56 => self.create(),
            56..62 => self.watch(),
            62..68 => self.stop(),
            68..72 => self.nudge(),
            72..79 => self.caller_goes(),
            79..83 => self.refresh_dies(),
            83..86 => self.freeze(),
            86..89 => {
                let pause = secs([90, 4000, 200_000][self.rng.usize(..3)]);
                self.world.run_until(now);
                self.world.suspend(pause);
                self.note(Fault::Suspended);
            }
            89..91 => {
                let jump = secs(self.rng.u64(1..100_000));
                self.world.set_calendar(|wall| wall + jump);
                self.note(Fault::CalendarForward);
            }
            91..93 => {
                let jump = secs(self.rng.u64(1..100_000));
                self.world.set_calendar(|wall| wall - jump);
                self.note(Fault::CalendarBack);
            }
            93..95 => {
                let until = now + millis(self.rng.u64(..20_000));
                self.shared.look().service.restart(until);
            }
            95..98 => {
                let until = now + secs(self.rng.u64(1..200));
                self.shared.look().service.stop_tokens(until);
            }
            _ => {
                let until = now + secs(self.rng.u64(1..200));
                self.shared.look().service.refuse_all(until);
            }
        }
    }

    fn note(&self, fault: Fault) {
        self.shared.look().tally.fault(fault);
    }

    fn pick_session(&mut self) -> usize {
        self.rng.usize(..self.sessions.len())
    }

    /// Begins to drive a call.
    fn call<E: Endpoint>(
        &mut self,
        session: usize,
        kind: Kind,
        endpoint: &E,
    ) -> (Outcome<Result<E::Response, Error>>, CallHandle) {
        let timeout = if self.rng.u8(..5) == 0 {
            millis(self.rng.u64(1..30_000))
        } else {
            self.sessions[session].1
        };
        self.call_within(session, kind, endpoint, timeout)
    }

    fn call_within<E: Endpoint>(
        &mut self,
        session: usize,
        kind: Kind,
        endpoint: &E,
        timeout: Duration,
    ) -> (Outcome<Result<E::Response, Error>>, CallHandle) {
        let call = self.sessions[session].0.call(endpoint);
        let call = call.expect("a good request").timeout(timeout);
        let handle = call.handle();
        let outcome = self.world.start(call);
        self.register(outcome.actor, session, kind, timeout, Duration::ZERO);
        (outcome, handle)
    }

    fn register(
        &mut self,
        actor: usize,
        session: usize,
        kind: Kind,
        timeout: Duration,
        interval: Duration,
    ) {
        let poll_timeout = self.sessions[session].1;
        let mut shared = self.shared.look();
        let request_timeout = shared.books[session].request_timeout;
        let errand = Errand::new(session, kind, timeout, request_timeout, poll_timeout);
        shared.errands.insert(actor, errand.every(interval));
    }

    fn ask_user(&mut self) {
        let session = self.pick_session();
        for _ in 0..[1, 1, 1, 6][self.rng.usize(..4)] {
            let (outcome, handle) = self.call(session, Kind::User, &GetUserInfo);
            self.asked
                .insert(outcome.actor, Asked::User(outcome, handle));
        }
    }

    fn ask_progress(&mut self) {
        let session = self.pick_session();
        let task = numbered_task(self.rng.u64(1..1020));
        let endpoint = GetDownloadProgress::new(task);
        let (outcome, handle) = self.call(session, Kind::Progress, &endpoint);
        self.asked
            .insert(outcome.actor, Asked::Progress(outcome, handle));
    }

    fn create(&mut self) {
        let session = self.pick_session();
        self.creates += 1;
        let number = self.creates;
        let download = Download::new(url(number)).expect("a good URL");
        let (outcome, handle) = self.call(session, Kind::Create(number), &download);
        self.asked
            .insert(outcome.actor, Asked::Create(outcome, handle, number));
    }

    fn watch(&mut self) {
        let session = self.pick_session();
        let rng = &mut self.rng;
        let limits = Limits {
            deadline: secs(rng.u64(10..400)),
            stall: secs(rng.u64(10..200)),
            max_failed_polls: rng.u32(1..4),
            interval: millis(rng.u64(500..8000)),
        };
        let task = rng.u64(1..1020);
        let watch = self.sessions[session]
            .0
            .watch(numbered_task(task), limits.policy());
        let handle = watch.handle();
        let outcome = self.world.follow(watch);
        let (deadline, interval) = (limits.deadline, limits.interval);
        self.register(outcome.actor, session, Kind::Watch, deadline, interval);
        let watching = Watching {
            handle,
            limits,
            task,
            started: self.world.now(),
            outcome,
        };
        let actor = watching.outcome.actor;
        self.asked.insert(actor, Asked::Watch(Box::new(watching)));
    }

    /// One of those who are on their way and for whom this holds.
    fn pick(&mut self, wanted: impl Fn(&Errand) -> bool) -> Option<usize> {
        let shared = self.shared.look();
        let all = shared.errands.iter();
        let fitting: Vec<_> = all.filter(|(_, errand)| wanted(errand)).collect();
        let nth = self.rng.usize(..fitting.len().max(1));
        fitting.get(nth).map(|(actor, _)| **actor)
    }

    fn stop(&mut self) {
        let now = self.world.now();
        let Some(actor) = self.pick(is_caller) else {
            return;
        };
        let mut shared = self.shared.look();
        let errand = shared.errands.get_mut(&actor).expect("picked from there");
        errand.stopped = true;
        let in_flight = errand.is_in_flight();
        let waits = matches!(errand.standing, Standing::Waiting(_));
        if waits || in_flight && !self.blocking {
            shared.must_wake(actor, now);
        }
        shared.tally.fault(if in_flight {
            Fault::StopInFlight
        } else {
            Fault::Stop
        });
        drop(shared);
        match &self.asked[&actor] {
            Asked::User(_, handle) | Asked::Progress(_, handle) | Asked::Create(_, handle, _) => {
                handle.stop();
            }
            Asked::Watch(watching) => watching.handle.stop(),
        }
    }

    fn nudge(&mut self) {
        let now = self.world.now();
        let Some(actor) = self.pick(|errand| errand.kind == Kind::Watch) else {
            return;
        };
        let mut shared = self.shared.look();
        if matches!(shared.errands[&actor].standing, Standing::Waiting(_)) {
            shared.must_wake(actor, now);
        }
        let errand = shared.errands.get_mut(&actor).expect("picked from there");
        errand.nudged = 2;
        shared.tally.fault(Fault::Nudge);
        drop(shared);
        if let Asked::Watch(watching) = &self.asked[&actor] {
            watching.handle.nudge();
        }
    }

    fn caller_goes(&mut self) {
        let in_refresh = |errand: &Errand| matches!(errand.standing, Standing::InRefresh);
        let Some(actor) = self.pick(in_refresh).or_else(|| self.pick(is_caller)) else {
            return;
        };
        let fault = match &self.shared.look().errands[&actor] {
            errand if errand.kind == Kind::Watch => Fault::WatchGone,
            errand => match errand.standing {
                Standing::InFlight(_) => Fault::CallerGoneInFlight,
                Standing::InRefresh => Fault::CallerGoneInRefresh,
                _ => Fault::CallerGoneWaiting,
            },
        };
        self.note(fault);
        self.world.kill(actor);
    }

    /// A refresh that runs by itself is dropped, as by the end of its runtime.
    fn refresh_dies(&mut self) {
        if let Some(actor) = self.pick_detached() {
            self.note(Fault::RefreshKilled);
            self.world.kill(actor);
        }
    }

    /// A refresh that runs by itself, or else a caller, is never driven again.
    fn freeze(&mut self) {
        let waits = |errand: &Errand| is_caller(errand) && !errand.is_in_refresh();
        let (actor, fault) = match (self.pick_detached(), self.pick(waits)) {
            (Some(refresh), _) => (refresh, Fault::RefreshFrozen),
            (None, Some(caller)) => (caller, Fault::CallerFrozen),
            (None, None) => return,
        };
        self.note(fault);
        self.shared.look().forget(actor);
        self.world.freeze(actor);
    }

    fn pick_detached(&mut self) -> Option<usize> {
        self.pick(|errand| errand.detached)
    }
}

fn is_caller(errand: &Errand) -> bool {
    !matches!(errand.kind, Kind::Refresh(_))
}
