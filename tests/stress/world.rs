//! A service in memory that loses, refuses and delays at random, and looks whether anything comes twice.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fastrand::Rng;
use http::Response;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD};
use pan123_mock::{Service, TaskScript};
use pan123_proto::{Transmit, TransportError};
use pan123_tests::carriers::Held;
use pan123_tests::clock::JumpClock;

use crate::lock;

type Answer = Result<Response<Bytes>, TransportError>;

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Served,
    NeverLeft,
    /// It was served, and its answer is lost.
    Lost,
    Unauthorized,
    TooMany,
}

const FATES: usize = 5;

/// After so many requests a token has certainly been of use.
const PROVEN: usize = 40;

/// A transport for either adapter. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Chaos {
    held: Held,
    shared: Arc<Shared>,
}

struct Shared {
    rng: Mutex<Rng>,
    /// The bodies of the creates that may have arrived.
    arrived: Mutex<HashSet<Bytes>>,
    /// Created twice, or two token requests at once.
    wrongs: Mutex<Vec<String>>,
    minting: AtomicUsize,
    /// How many requests came since the last token was refused.
    proven: AtomicUsize,
    fates: [AtomicUsize; FATES],
}

impl Chaos {
    pub(crate) fn new(clock: &JumpClock, seed: u64) -> Chaos {
        let course = TaskScript::succeeds_after(3);
        let service = Service::builder().seed(seed).default_script(course);
        Chaos {
            held: Held::new(service.service(), clock),
            shared: Arc::new(Shared {
                rng: Mutex::new(Rng::with_seed(seed)),
                arrived: Mutex::default(),
                wrongs: Mutex::default(),
                minting: AtomicUsize::new(0),
                proven: AtomicUsize::new(0),
                fates: Default::default(),
            }),
        }
    }

    /// What must never be, as far as it was.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        lock(&self.shared.wrongs).clone()
    }

    /// How often each fate has come.
    pub(crate) fn fates(&self) -> [usize; FATES] {
        self.shared
            .fates
            .each_ref()
            .map(|it| it.load(Ordering::SeqCst))
    }

    pub(crate) fn minted(&self) -> usize {
        self.held.service(|service| service.tokens_issued())
    }

    fn decide(&self, transmit: &Transmit) -> Fate {
        let is = |path| transmit.request.uri().path() == path;
        let mut rng = lock(&self.shared.rng);
        self.held.pause(rng.usize(..4));
        let fate = match rng.u8(..40) {
            0 | 1 => Fate::NeverLeft,
            2 | 3 => Fate::Lost,
            // Not so soon that it looks as if new tokens were good for nothing, which makes everybody pause.
            4..8 if !is(ACCESS_TOKEN) && self.shared.proven.load(Ordering::SeqCst) > PROVEN => {
                self.shared.proven.store(0, Ordering::SeqCst);
                Fate::Unauthorized
            }
            8 => Fate::TooMany,
            _ => Fate::Served,
        };
        drop(rng);
        self.shared.proven.fetch_add(1, Ordering::SeqCst);
        self.shared.fates[fate as usize].fetch_add(1, Ordering::SeqCst);
        let arrives = matches!(fate, Fate::Served | Fate::Lost);
        let body = transmit.request.body().clone();
        if is(OFFLINE_DOWNLOAD) && arrives && !lock(&self.shared.arrived).insert(body) {
            self.wrong("a create that may have arrived came again");
        }
        fate
    }

    fn wrong(&self, what: &str) {
        lock(&self.shared.wrongs).push(what.to_owned());
    }

    fn minting(&self, transmit: &Transmit) -> Option<Minting> {
        (transmit.request.uri().path() == ACCESS_TOKEN).then(|| {
            if self.shared.minting.fetch_add(1, Ordering::SeqCst) > 0 {
                self.wrong("two requests for a token at once");
            }
            Minting(Arc::clone(&self.shared))
        })
    }
}

/// A request for a token that is out.
struct Minting(Arc<Shared>);

impl Drop for Minting {
    fn drop(&mut self) {
        self.0.minting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The answer that comes in place of one that does not.
fn instead(fate: Fate, served: Option<Answer>) -> Answer {
    let refused = |code| {
        let body = format!(r#"{{"code":{code},"message":"no"}}"#);
        Ok(Response::new(body.into()))
    };
    match fate {
        Fate::Served => served.unwrap_or_else(|| Err(TransportError::timed_out())),
        Fate::NeverLeft => Err(TransportError::never_left("by chance")),
        Fate::Lost => Err(TransportError::timed_out()),
        Fate::Unauthorized => refused(401),
        Fate::TooMany => refused(429),
    }
}

impl pan123_blocking::context::Transport for Chaos {
    fn send(&self, transmit: Transmit) -> Answer {
        let _minting = self.minting(&transmit);
        let fate = self.decide(&transmit);
        let arrives = matches!(fate, Fate::Served | Fate::Lost);
        std::thread::yield_now();
        let served =
            arrives.then(|| pan123_blocking::context::Transport::send(&self.held, transmit));
        instead(fate, served)
    }
}

impl pan123_async::context::Transport for Chaos {
    fn send(&self, transmit: Transmit) -> pan123_async::context::BoxFuture<'_, Answer> {
        Box::pin(async move {
            let _minting = self.minting(&transmit);
            let fate = self.decide(&transmit);
            let arrives = matches!(fate, Fate::Served | Fate::Lost);
            tokio::task::yield_now().await;
            let served = if arrives {
                Some(pan123_async::context::Transport::send(&self.held, transmit).await)
            } else {
                None
            };
            instead(fate, served)
        })
    }
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chaos({:?})", self.fates())
    }
}
