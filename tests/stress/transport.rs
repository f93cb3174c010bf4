//! A service in memory that loses, rejects and delays requests at random, and checks that nothing is sent twice.

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
use pan123_tests::clock::JumpClock;
use pan123_tests::transports::ServiceTransport;

use crate::stress::lock;

type SendResult = Result<Response<Bytes>, TransportError>;

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Served,
    NeverLeft,
    /// It was served, and its response is lost.
    Lost,
    Unauthorized,
    TooMany,
}

const FAULTS: usize = 5;

/// After this many requests a token has certainly been accepted.
const PROVEN: usize = 40;

/// How many tokens are rejected. The second one is replaced within 5 s and the third one within 10 s; later ones would keep calls
/// waiting for minutes.
const MAX_REJECTIONS: usize = 3;

/// A transport for either adapter. Clones share the service.
#[derive(Clone)]
pub(crate) struct FaultyTransport {
    transport: ServiceTransport,
    shared: Arc<Shared>,
}

struct Shared {
    rng: Mutex<Rng>,
    /// The bodies of the creates that may have arrived.
    arrived: Mutex<HashSet<Bytes>>,
    /// Creates that were sent twice, and concurrent token requests.
    violations: Mutex<Vec<String>>,
    issuing: AtomicUsize,
    /// How many requests were sent since the last rejected token.
    proven: AtomicUsize,
    faults: [AtomicUsize; FAULTS],
}

impl FaultyTransport {
    pub(crate) fn new(clock: &JumpClock, seed: u64) -> FaultyTransport {
        let script = TaskScript::succeeds_after(3);
        let service = Service::builder().seed(seed).default_script(script);
        FaultyTransport {
            transport: ServiceTransport::new(service.service(), clock),
            shared: Arc::new(Shared {
                rng: Mutex::new(Rng::with_seed(seed)),
                arrived: Mutex::default(),
                violations: Mutex::default(),
                issuing: AtomicUsize::new(0),
                proven: AtomicUsize::new(0),
                faults: Default::default(),
            }),
        }
    }

    /// Returns what must never happen, but did.
    pub(crate) fn violations(&self) -> Vec<String> {
        lock(&self.shared.violations).clone()
    }

    /// How often each fault happened.
    pub(crate) fn faults(&self) -> [usize; FAULTS] {
        self.shared
            .faults
            .each_ref()
            .map(|it| it.load(Ordering::SeqCst))
    }

    pub(crate) fn issued(&self) -> usize {
        self.transport.service(|service| service.tokens_issued())
    }

    fn decide(&self, transmit: &Transmit) -> Fault {
        let is = |path| transmit.request.uri().path() == path;
        let mut rng = lock(&self.shared.rng);
        self.transport.delay_polls(rng.usize(..4));
        let fault = match rng.u8(..40) {
            0 | 1 => Fault::NeverLeft,
            2 | 3 => Fault::Lost,
            4..8 if !is(ACCESS_TOKEN) && self.may_reject_token() => {
                self.shared.proven.store(0, Ordering::SeqCst);
                Fault::Unauthorized
            }
            8 => Fault::TooMany,
            _ => Fault::Served,
        };
        drop(rng);
        self.shared.proven.fetch_add(1, Ordering::SeqCst);
        self.shared.faults[fault as usize].fetch_add(1, Ordering::SeqCst);
        let received = matches!(fault, Fault::Served | Fault::Lost);
        let body = transmit.request.body().clone();
        if is(OFFLINE_DOWNLOAD) && received && !lock(&self.shared.arrived).insert(body) {
            self.violation("a create that may have arrived came again");
        }
        fault
    }

    fn may_reject_token(&self) -> bool {
        let rejections = &self.shared.faults[Fault::Unauthorized as usize];
        self.shared.proven.load(Ordering::SeqCst) > PROVEN
            && rejections.load(Ordering::SeqCst) < MAX_REJECTIONS
    }

    fn violation(&self, what: &str) {
        lock(&self.shared.violations).push(what.to_owned());
    }

    fn issuing(&self, transmit: &Transmit) -> Option<Issuing> {
        (transmit.request.uri().path() == ACCESS_TOKEN).then(|| {
            if self.shared.issuing.fetch_add(1, Ordering::SeqCst) > 0 {
                self.violation("two requests for a token at once");
            }
            Issuing(Arc::clone(&self.shared))
        })
    }
}

/// A token request in flight.
struct Issuing(Arc<Shared>);

impl Drop for Issuing {
    fn drop(&mut self) {
        self.0.issuing.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The response in place of the real one.
fn faulty_response(fault: Fault, served: Option<SendResult>) -> SendResult {
    let rejected = |code| {
        let body = format!(r#"{{"code":{code},"message":"no"}}"#);
        Ok(Response::new(body.into()))
    };
    match fault {
        Fault::Served => served.unwrap_or_else(|| Err(TransportError::timed_out())),
        Fault::NeverLeft => Err(TransportError::never_left("by chance")),
        Fault::Lost => Err(TransportError::timed_out()),
        Fault::Unauthorized => rejected(401),
        Fault::TooMany => rejected(429),
    }
}

impl pan123_blocking::context::Transport for FaultyTransport {
    fn send(&self, transmit: Transmit) -> SendResult {
        let _minting = self.issuing(&transmit);
        let fault = self.decide(&transmit);
        let received = matches!(fault, Fault::Served | Fault::Lost);
        std::thread::yield_now();
        let served =
            received.then(|| pan123_blocking::context::Transport::send(&self.transport, transmit));
        faulty_response(fault, served)
    }
}

impl pan123_async::context::Transport for FaultyTransport {
    fn send(&self, transmit: Transmit) -> pan123_async::context::BoxFuture<'_, SendResult> {
        Box::pin(async move {
            let _minting = self.issuing(&transmit);
            let fault = self.decide(&transmit);
            let received = matches!(fault, Fault::Served | Fault::Lost);
            tokio::task::yield_now().await;
            let served = if received {
                Some(pan123_async::context::Transport::send(&self.transport, transmit).await)
            } else {
                None
            };
            faulty_response(fault, served)
        })
    }
}

impl fmt::Debug for FaultyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyTransport({:?})", self.faults())
    }
}
