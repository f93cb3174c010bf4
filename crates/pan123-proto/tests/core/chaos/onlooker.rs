//! Sees all that goes on between machines, drivers and the service, and speaks up when a rule is broken. The whims of the
//! drivers are drawn here, too.

mod whims;

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Input, RateClass, StoreOp, StoreResult, Transmit, Wait};

use crate::chaos::errand::{Brought, Errand, Exchange, Kind, Standing};
use crate::chaos::lane::Lane;
use crate::chaos::served::{Meaning, Minted};
use crate::chaos::service::Service;
use crate::chaos::tally::{Fault, Tally};
use crate::chaos::tokens::{FetchEnd, Tokens};
use crate::support::actor::Turn;
use crate::support::fate::{Fate, Whim};
use crate::support::server::token_in;
use crate::support::{Plan, Reply, START, ServerView, elapsed, path};

/// The classes of the endpoints that are called.
pub(crate) const CLASSES: [RateClass; 4] = [
    pan123_proto::access_token::IssueToken::RATE,
    GetUserInfo::RATE,
    Download::RATE,
    GetDownloadProgress::RATE,
];
const PATHS: [&str; 4] = [path::TOKEN, path::USER_INFO, path::CREATE, path::PROGRESS];

/// What is known of one session.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) request_timeout: Duration,
    tokens: Tokens,
    lanes: [Lane; 4],
}

impl Books {
    pub(crate) fn new(request_timeout: Duration, intervals: [Duration; 4]) -> Books {
        Books {
            request_timeout,
            tokens: Tokens::new(request_timeout),
            lanes: intervals.map(Lane::new),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Onlooker {
    pub(crate) service: Service,
    pub(crate) tally: Tally,
    pub(crate) books: Vec<Books>,
    /// By the number of the actor; in order, so that a seed tells which one is drawn.
    pub(crate) errands: BTreeMap<usize, Errand>,
    pub(crate) ended: BTreeMap<usize, Errand>,
    rng: Rng,
    /// How many of all steps meet a whim; none once all is calm.
    whims: f64,
    /// Who has to be resumed before time goes on.
    woken: Vec<usize>,
    woken_at: Duration,
    sender: usize,
}

/// The same onlooker for the world and for the script.
#[derive(Clone)]
pub(crate) struct Shared(Rc<RefCell<Onlooker>>);

impl Shared {
    pub(crate) fn new(mut rng: Rng) -> Shared {
        Shared(Rc::new(RefCell::new(Onlooker {
            service: Service::new(rng.fork()),
            tally: Tally::new(),
            books: Vec::new(),
            errands: BTreeMap::new(),
            ended: BTreeMap::new(),
            whims: [0.0, 0.03, 0.1][rng.usize(..3)],
            rng,
            woken: Vec::new(),
            woken_at: Duration::ZERO,
            sender: 0,
        })))
    }

    pub(crate) fn look(&self) -> RefMut<'_, Onlooker> {
        self.0.borrow_mut()
    }
}

impl Onlooker {
    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        self.service.calm();
        self.whims = 0.0;
    }

    pub(crate) fn serve(&mut self, view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
        let served = self.service.serve(view, request, &mut self.tally);
        let errand = self
            .errands
            .get_mut(&self.sender)
            .expect("who sends is known");
        if let (Kind::Refresh(lease), Some(_)) = (errand.kind, &served.minted) {
            self.books[errand.session].tokens.minted(lease);
        }
        let Standing::InFlight(exchange) = &mut errand.standing else {
            panic!("served without a request: {errand:?}");
        };
        exchange.meaning = served.meaning;
        exchange.minted = served.minted;
        served.reply
    }

    /// This one has to be resumed before time goes on.
    pub(crate) fn must_wake(&mut self, actor: usize, at: Duration) {
        self.woken.push(actor);
        self.woken_at = at;
    }

    /// Nobody drives this one any more.
    pub(crate) fn forget(&mut self, actor: usize) {
        self.errands.remove(&actor);
        self.woken.retain(|woken| *woken != actor);
    }

    pub(crate) fn check_woken(&self, at: Duration) {
        assert!(
            self.woken.is_empty() || at == self.woken_at,
            "not woken at {:?}: {:?}",
            self.woken_at,
            self.woken
                .iter()
                .map(|id| &self.errands[id])
                .collect::<Vec<_>>()
        );
    }

    fn answered(
        &mut self,
        at: Duration,
        wall: SystemTime,
        actor: usize,
        input: &Input,
        exchange: &Exchange,
    ) {
        let errand = self.errands.get_mut(&actor).expect("it was in flight");
        let books = &mut self.books[errand.session];
        let brought = Brought::read(input, exchange.meaning);
        errand.told(at, brought);
        if let Brought::Answer(Meaning::Limited(wait)) = brought {
            books.lanes[class_of(errand.kind)].limited(exchange.sent, at, wait);
        }
        if let Kind::Refresh(lease) = errand.kind {
            let tokens = &mut books.tokens;
            if let (Brought::Answer(Meaning::Good), Some(minted)) = (brought, &exchange.minted) {
                tokens.accept(lease, &minted.value, life(minted, wall), at);
            }
            let end = fetch_end(brought);
            errand.fetch = end;
            return;
        }
        match brought {
            Brought::Answer(Meaning::Refused) => books.tokens.refused(&exchange.token, at),
            Brought::Answer(Meaning::Good | Meaning::Envelope) => {
                books.tokens.proven(&exchange.token);
            }
            Brought::Answer(Meaning::Limited(_)) if is_envelope(input) => {
                books.tokens.proven(&exchange.token);
            }
            _ => {}
        }
    }

    fn sends(&mut self, at: Duration, actor: usize, transmit: &Transmit) -> Whim {
        self.sender = actor;
        let errand = self.errands.get_mut(&actor).expect("a known machine");
        errand.sends(at, transmit);
        let books = &mut self.books[errand.session];
        let class = class_of(errand.kind);
        assert_eq!(transmit.request.uri().path(), PATHS[class]);
        books.lanes[class].sent(at);
        let token = token_in(transmit.request.headers()).to_owned();
        if let Kind::Refresh(lease) = errand.kind {
            books.tokens.renew(lease, at + transmit.timeout);
        } else {
            books.tokens.used(&token, at);
        }
        errand.standing = Standing::InFlight(Exchange {
            sent: at,
            token,
            meaning: Meaning::Bare,
            minted: None,
        });
        self.whim_in_flight(transmit.timeout, class == 0)
    }

    fn waits(&mut self, at: Duration, actor: usize, wait: &Wait) -> Whim {
        let errand = self.errands.get_mut(&actor).expect("a known machine");
        errand.waits(wait);
        let tokens = &mut self.books[errand.session].tokens;
        let until = elapsed(wait.until);
        let for_token = if let Kind::Refresh(lease) = errand.kind {
            tokens.renew(lease, until);
            false
        } else {
            tokens.lease_until() == Some(until)
        };
        errand.standing = Standing::Waiting(for_token);
        self.whim_waiting(until.saturating_sub(at))
    }

    /// A refresh of this session ended or was dropped.
    fn end_task(&mut self, at: Duration, session: usize, lease: u64, end: FetchEnd) {
        if !self.books[session].tokens.ended(lease, at, end) {
            return;
        }
        let failed = matches!(end, FetchEnd::Failed { .. });
        let mut waiting = Vec::new();
        for (actor, errand) in &mut self.errands {
            if errand.session == session && matches!(errand.standing, Standing::Waiting(true)) {
                errand.fetch_failed = failed;
                waiting.push(*actor);
            }
        }
        for actor in waiting {
            self.must_wake(actor, at);
        }
    }
}

impl Fate for Shared {
    fn deliver(&mut self, at: Duration, wall: SystemTime, actor: usize, input: &Input) {
        let mut this = self.look();
        this.check_woken(at);
        this.woken.retain(|woken| *woken != actor);
        let errand = this.errands.get_mut(&actor).expect("a known machine");
        errand.resumed(at);
        let before = std::mem::replace(&mut errand.standing, Standing::Running);
        if let Standing::InFlight(exchange) = before {
            this.answered(at, wall, actor, input, &exchange);
        }
    }

    fn step(&mut self, at: Duration, actor: usize, turn: &Turn) -> Whim {
        let mut this = self.look();
        match turn {
            Turn::Transmit(transmit) => return this.sends(at, actor, transmit),
            Turn::Wait(wait) => return this.waits(at, actor, wait),
            Turn::Refresh(_) => {
                let errand = &this.errands[&actor];
                errand.goes_on();
                let session = errand.session;
                if this.books[session].tokens.leased(at) {
                    this.tally.fault(Fault::LeaseRanOut);
                }
            }
            Turn::Store(_) => this.errands[&actor].goes_on(),
            Turn::Item => {
                let errand = this.errands.get_mut(&actor).expect("a known machine");
                errand.poll_ended();
            }
            Turn::End => {
                let mut errand = this.errands.remove(&actor).expect("a known machine");
                errand.barren = this.books[errand.session].tokens.is_barren(at);
                if let Kind::Refresh(lease) = errand.kind {
                    this.end_task(at, errand.session, lease, errand.fetch);
                }
                this.ended.insert(actor, errand);
            }
        }
        Whim::Obey
    }

    fn refresh(&mut self, at: Duration, caller: usize, plan: Plan, actor: Option<usize>) {
        let mut this = self.look();
        let session = this.errands[&caller].session;
        let books = &this.books[session];
        let lease = books.tokens.last_lease();
        let mut errand = Errand::refresh(session, lease, books.request_timeout);
        errand.detached = plan == Plan::Detach;
        if plan == Plan::InPlace {
            let caller = this.errands.get_mut(&caller).expect("a known machine");
            caller.standing = Standing::InRefresh;
        }
        if let Some(actor) = actor {
            this.errands.insert(actor, errand);
        } else if plan == Plan::Drop {
            this.end_task(at, session, lease, FetchEnd::Dropped(at));
        }
    }

    fn store(&mut self, _: Duration, _: usize, op: StoreOp) -> (Duration, StoreResult) {
        (Duration::ZERO, op.unsupported())
    }

    fn gone(&mut self, at: Duration, actor: usize) {
        let mut this = self.look();
        this.woken.retain(|woken| *woken != actor);
        let Some(errand) = this.errands.remove(&actor) else {
            return;
        };
        if let Kind::Refresh(lease) = errand.kind {
            let end = FetchEnd::Dropped(errand.seen);
            this.end_task(at, errand.session, lease, end);
        }
    }
}

fn class_of(kind: Kind) -> usize {
    match kind {
        Kind::Refresh(_) => 0,
        Kind::User => 1,
        Kind::Create(_) => 2,
        Kind::Progress | Kind::Watch => 3,
    }
}

fn fetch_end(brought: Brought) -> FetchEnd {
    match brought {
        Brought::Answer(Meaning::Good) => FetchEnd::Good,
        Brought::Answer(Meaning::Limited(retry_after)) => FetchEnd::Failed {
            credentials: false,
            retry_after,
        },
        other => FetchEnd::Failed {
            credentials: other == Brought::Answer(Meaning::Refused),
            retry_after: Duration::ZERO,
        },
    }
}

fn is_envelope(input: &Input) -> bool {
    matches!(input, Input::Response(answer) if answer.body().starts_with(b"{"))
}

/// How long a token lives as a client can know it.
fn life(minted: &Minted, wall: SystemTime) -> Duration {
    let issued = minted
        .date
        .map_or(wall, |date| start() + crate::support::secs(date));
    let end = start() + crate::support::secs(minted.expired_at);
    end.duration_since(issued).unwrap_or_default()
}

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + START
}
