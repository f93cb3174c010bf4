//! Observes machines, drivers and the service, and panics when an invariant is violated. Draws what drivers do wrong, too.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use pan123_proto::{Input, StoreResult, Transmit, TransportError, TransportErrorKind};

use super::coverage::Fault;
use super::service::{Meaning, Service, number_after};
use crate::support::actor::Action;
use crate::support::hooks::{Disturbance, Hooks};
use crate::support::server::token_in;
use crate::support::{Plan, Reply, ServerView, elapsed, hand, path, secs};

/// A fetch asks again after one lost response only.
const MAX_ISSUES_OF_A_FETCH: u32 = 2;
const MAX_FETCH_TIME: Duration = secs(120);
/// After a 429, nothing of its class is sent for this long.
const MIN_HOLD_OFF: Duration = secs(1);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    User,
    Progress,
    /// With the number in its URL.
    Create(u64),
    Watch,
    Fetch,
}

#[derive(Debug, Default)]
pub(crate) enum State {
    #[default]
    Running,
    Waiting,
    InFlight(Exchange),
    /// It runs a detached machine in place.
    InPlace,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    sent: Duration,
    path: String,
    /// The number of its token; 0 without one.
    token: u64,
    meaning: Meaning,
    issued: Option<(u64, Duration)>,
    /// The driver resumes the machine late, perhaps after the timeout.
    is_late: bool,
}

/// What is known of one machine.
#[derive(Debug, Default)]
pub(crate) struct CallModel {
    pub(crate) session: usize,
    pub(crate) kind: Kind,
    pub(crate) timeout: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) state: State,
    pub(crate) stopped: bool,
    /// It is a fetch that runs apart from its caller.
    pub(crate) is_detached: bool,
    /// Its last request may have arrived, and must not be sent again.
    pub(crate) may_have_arrived: bool,
    pub(crate) rejections: u32,
    pub(crate) issues: u32,
}

impl CallModel {
    pub(crate) fn is_in_flight(&self) -> bool {
        matches!(self.state, State::InFlight(_))
    }

    /// Panics unless it may go on.
    fn check_goes_on(&self, at: Duration) {
        assert!(!self.may_have_arrived, "may be done twice: {self:?}");
        let deadline = self.deadline.expect("it was resumed");
        assert!(at < deadline, "goes on after its deadline: {self:?}");
    }
}

/// What is known of one session.
#[derive(Debug, Default)]
pub(crate) struct SessionModel {
    pub(crate) request_timeout: Duration,
    pub(crate) intervals: HashMap<&'static str, Duration>,
    /// By path: the last request, and the time until which its class is held off.
    pub(crate) last_sent: HashMap<String, Duration>,
    pub(crate) held_off: HashMap<String, (Duration, Duration)>,
    pub(crate) rejected: HashSet<u64>,
    /// The newest token that it received, and from when on it may be replaced.
    pub(crate) newest: Option<(u64, Duration)>,
    /// The actor whose request for a token is in flight, and until when at most.
    pub(crate) fetching: Option<(usize, Duration)>,
}

impl SessionModel {
    fn check_pace(&mut self, at: Duration, path: &str) {
        let interval = self.intervals[path];
        if let Some(last) = self.last_sent.insert(path.to_owned(), at) {
            assert!(at >= last + interval, "{path}: {last:?}, then {at:?}");
        }
        if let Some((_, until)) = self.held_off.get(path) {
            assert!(at >= *until, "{path}: held off until {until:?}, not {at:?}");
        }
    }

    /// A 429 to a request that was sent before a hold-off began does not extend it.
    fn hold_off(&mut self, at: Duration, exchange: &Exchange, wait: Duration) {
        let until = at + wait.max(MIN_HOLD_OFF);
        let entry = self.held_off.entry(exchange.path.clone());
        let (began, held_until) = entry.or_default();
        if *began == Duration::ZERO || exchange.sent > *began {
            (*began, *held_until) = (at, until.max(*held_until));
        }
    }

    fn check_fetch(&mut self, at: Duration, actor: usize, transmit: &Transmit) {
        if let Some((other, until)) = self.fetching {
            assert!(at >= until, "{other} and {actor} fetch a token at {at:?}");
        }
        self.fetching = Some((actor, at + transmit.timeout));
    }

    fn check_needed(&self, at: Duration) {
        if let Some((token, replace_from)) = self.newest {
            let needed = self.rejected.contains(&token) || at >= replace_from;
            assert!(needed, "token-{token} needs no replacement at {at:?}");
        }
    }

    fn receive(&mut self, at: Duration, number: u64, life: Duration) {
        if self.newest.is_none_or(|(newest, _)| newest < number) {
            self.newest = Some((number, at + life.mul_f64(0.5)));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) service: Service,
    pub(crate) sessions: Vec<SessionModel>,
    /// By actor; ordered, so that a seed determines which one is drawn.
    pub(crate) calls: BTreeMap<usize, CallModel>,
    pub(crate) ended: BTreeMap<usize, CallModel>,
    rng: Rng,
    /// The share of steps that a driver disturbs.
    disturbances: f64,
    /// The actors that must be resumed before time goes on.
    woken: Vec<usize>,
    woken_at: Duration,
    sender: usize,
}

/// The same oracle for the world and for the run.
pub(crate) type Shared = Rc<RefCell<Oracle>>;

impl Oracle {
    pub(crate) fn new(mut rng: Rng) -> Oracle {
        Oracle {
            service: Service::new(rng.fork()),
            sessions: Vec::new(),
            calls: BTreeMap::new(),
            ended: BTreeMap::new(),
            disturbances: [0.0, 0.03, 0.1][rng.usize(..3)],
            rng,
            woken: Vec::new(),
            woken_at: Duration::ZERO,
            sender: 0,
        }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.service.calm();
        self.disturbances = 0.0;
    }

    pub(crate) fn serve(&mut self, view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
        let (reply, meaning, issued) = self.service.serve(view, request);
        let call = self.calls.get_mut(&self.sender).expect("a known sender");
        call.issues += u32::from(issued.is_some());
        assert!(call.issues <= MAX_ISSUES_OF_A_FETCH, "{call:?}");
        if let State::InFlight(exchange) = &mut call.state {
            (exchange.meaning, exchange.issued) = (meaning, issued);
        }
        reply
    }

    /// This actor must be resumed before time goes on.
    pub(crate) fn must_wake(&mut self, actor: usize, at: Duration) {
        self.woken.push(actor);
        self.woken_at = at;
    }

    /// Nothing drives this actor any more.
    pub(crate) fn forget(&mut self, actor: usize) {
        self.calls.remove(&actor);
        self.woken.retain(|woken| *woken != actor);
    }

    /// What becomes of the next detached machine.
    pub(crate) fn plan(&mut self) -> Plan {
        if self.disturbances == 0.0 {
            return Plan::Detach;
        }
        let (plan, fault) = match self.rng.u8(..20) {
            0..6 => (Plan::InPlace, Fault::DetachedInPlace),
            6 => (Plan::Drop, Fault::DetachedDropped),
            7 => (Plan::Leak, Fault::DetachedLeaked),
            _ => return Plan::Detach,
        };
        self.service.coverage.count(fault);
        plan
    }

    pub(crate) fn check_woken(&self, at: Duration) {
        let in_time = self.woken.is_empty() || at == self.woken_at;
        assert!(
            in_time,
            "not woken at {:?}: {:?}",
            self.woken_at, self.woken
        );
    }

    fn receive(&mut self, at: Duration, actor: usize, input: &Input, exchange: &Exchange) {
        let call = self.calls.get_mut(&actor).expect("it was in flight");
        let session = &mut self.sessions[call.session];
        if call.kind == Kind::Fetch && session.fetching.is_some_and(|(other, _)| other == actor) {
            session.fetching = None;
        }
        let meaning = match input {
            Input::Response(_) => exchange.meaning,
            Input::Failed(error) => match error.kind() {
                TransportErrorKind::NeverLeft | TransportErrorKind::Certificate => Meaning::Refused,
                _ => Meaning::Indeterminate,
            },
            _ => Meaning::Indeterminate,
        };
        let is_create = matches!(call.kind, Kind::Create(_));
        call.may_have_arrived = is_create && meaning == Meaning::Indeterminate;
        match meaning {
            Meaning::Limited(wait) => session.hold_off(at, exchange, wait),
            Meaning::Unauthorized if call.kind == Kind::Fetch => {}
            Meaning::Unauthorized => {
                call.rejections += 1;
                session.rejected.insert(exchange.token);
            }
            Meaning::Good => {
                if let Some((number, life)) = exchange.issued {
                    session.receive(at, number, life);
                }
            }
            Meaning::Refused | Meaning::Indeterminate => {}
        }
    }

    /// Panics if this is a fetch and another one of its session is in flight, unless a paused driver keeps that one past its lease.
    fn check_only_fetch(&self, actor: usize) {
        let sender = &self.calls[&actor];
        let in_flight = |(other, call): &(&usize, &CallModel)| {
            let both = (call.kind, sender.kind) == (Kind::Fetch, Kind::Fetch);
            let same = call.session == sender.session && **other != actor;
            both && same && matches!(&call.state, State::InFlight(exchange) if !exchange.is_late)
        };
        let other = self.calls.iter().find(in_flight);
        assert!(other.is_none(), "two fetches: {actor} and {other:?}");
    }

    fn send(&mut self, at: Duration, actor: usize, transmit: &Transmit) -> Disturbance {
        self.sender = actor;
        self.check_only_fetch(actor);
        let call = self.calls.get_mut(&actor).expect("a known machine");
        call.check_goes_on(at);
        let session = &mut self.sessions[call.session];
        let deadline = call.deadline.expect("it was resumed");
        let left = deadline.saturating_sub(at);
        assert!(
            transmit.timeout <= left.min(session.request_timeout),
            "{call:?}"
        );
        let path = transmit.request.uri().path();
        session.check_pace(at, path);
        let is_fetch = call.kind == Kind::Fetch;
        assert_eq!(path == path::TOKEN, is_fetch, "{call:?}");
        if is_fetch {
            session.check_fetch(at, actor, transmit);
        }
        let token = number_after(token_in(transmit.request.headers()).as_bytes(), "token-");
        assert_eq!(token == 0, is_fetch, "{call:?}");
        assert!(
            is_fetch || !session.rejected.contains(&token),
            "token-{token} is rejected"
        );
        call.state = State::InFlight(Exchange {
            sent: at,
            path: path.to_owned(),
            token,
            meaning: Meaning::Indeterminate,
            issued: None,
            is_late: false,
        });
        let disturbance = self.disturb(transmit.timeout, true, is_fetch);
        let call = self.calls.get_mut(&actor).expect("a known machine");
        if let State::InFlight(exchange) = &mut call.state {
            exchange.is_late = matches!(disturbance, Disturbance::Late(_));
        }
        disturbance
    }

    /// Draws what a driver does wrong with a step that ends within this time.
    fn disturb(&mut self, within: Duration, in_flight: bool, is_fetch: bool) -> Disturbance {
        if self.rng.f64() >= self.disturbances || within.is_zero() {
            return Disturbance::None;
        }
        let early = within.mul_f64(self.rng.f64());
        let late = Duration::from_millis(self.rng.u64(1..3000));
        let wrong = match self.rng.u8(..4) {
            0 => Input::Failed(TransportError::interrupted("nothing was in flight")),
            1 => hand::code(401, "token is expired"),
            2 => hand::answer(200, r#"{"code":0,"data":{"taskID":1,"uid":1}}"#),
            _ => Input::Stored(StoreResult::Busy),
        };
        let (fault, disturbance) = match (self.rng.u8(..4), in_flight) {
            (0, true) => (
                Fault::WokenInFlight,
                Disturbance::Instead(early, Input::Wake),
            ),
            (1, true) => {
                let wrong = Input::Stored(StoreResult::Locked);
                (
                    Fault::WrongInputInFlight,
                    Disturbance::Instead(early, wrong),
                )
            }
            (2, true) if is_fetch => (Fault::DetachedPaused, Disturbance::Late(late * 30)),
            (0, false) => (
                Fault::WokenTooEarly,
                Disturbance::Instead(early, Input::Wake),
            ),
            (1, false) => (Fault::WrongInputWaiting, Disturbance::Instead(early, wrong)),
            _ => (Fault::WokenTooLate, Disturbance::Late(late)),
        };
        self.service.coverage.count(fault);
        disturbance
    }
}

/// Panics if the client secret or a token is shown.
pub(crate) fn check_redacted(shown: &str) {
    for secret in ["client-secret", "token-"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

impl Hooks for Shared {
    fn deliver(&mut self, at: Duration, _: SystemTime, actor: usize, input: &Input) {
        let mut this = self.borrow_mut();
        this.check_woken(at);
        this.woken.retain(|woken| *woken != actor);
        let call = this.calls.get_mut(&actor).expect("a known machine");
        call.deadline.get_or_insert(at + call.timeout);
        let before = std::mem::replace(&mut call.state, State::Running);
        if let State::InFlight(exchange) = before {
            this.receive(at, actor, input, &exchange);
        }
    }

    fn step(
        &mut self,
        at: Duration,
        actor: usize,
        action: &Action,
        machine: &dyn Debug,
    ) -> Disturbance {
        let mut this = self.borrow_mut();
        if this.rng.u8(..64) == 0 {
            check_redacted(&format!("{machine:?}"));
        }
        match action {
            Action::Transmit(transmit) => return this.send(at, actor, transmit),
            Action::Wait(wait) => {
                let call = this.calls.get_mut(&actor).expect("a known machine");
                call.check_goes_on(at);
                let until = elapsed(wait.until);
                assert!(
                    Some(until) <= call.deadline,
                    "waits until {until:?}: {call:?}"
                );
                assert!(!call.stopped, "waits though it was stopped: {call:?}");
                call.state = State::Waiting;
                return this.disturb(until.saturating_sub(at), false, false);
            }
            Action::Detach(_) | Action::Store(_) | Action::Pace(_) => {
                this.calls[&actor].check_goes_on(at);
            }
            Action::Item => {}
            Action::End => {
                let call = this.calls.remove(&actor).expect("a known machine");
                this.ended.insert(actor, call);
            }
        }
        Disturbance::None
    }

    fn detached(&mut self, at: Duration, caller: usize, plan: Plan, actor: Option<usize>) {
        let this = &mut *self.borrow_mut();
        let call = this.calls.get_mut(&caller).expect("a known machine");
        this.sessions[call.session].check_needed(at);
        if plan == Plan::InPlace {
            call.state = State::InPlace;
        }
        let fetch = CallModel {
            session: call.session,
            kind: Kind::Fetch,
            timeout: MAX_FETCH_TIME,
            is_detached: plan == Plan::Detach,
            ..CallModel::default()
        };
        if let Some(actor) = actor {
            this.calls.insert(actor, fetch);
        }
    }

    fn dropped(&mut self, _: Duration, actor: usize) {
        let mut this = self.borrow_mut();
        let session = this.calls.get(&actor).map(|call| call.session);
        this.forget(actor);
        if let Some(session) = session {
            let fetching = &mut this.sessions[session].fetching;
            fetching.take_if(|(fetching, _)| *fetching == actor);
        }
    }
}
