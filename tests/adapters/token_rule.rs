//! Two and three processes share a token store while others push their tokens out: every order of pushes, calls and requests.
//!
//! A call succeeds, or it ends with the 401 of a token that its process issued after the call's first 401. After that 401 it
//! issues at most one token.
//!
//! A process issues a token only after the one before was rejected, so that a push of all live tokens covers every set of tokens
//! that others can push out.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use http::Response;
use pan123_async::context::BoxFuture;
use pan123_mock::path::ACCESS_TOKEN;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Service};
use pan123_proto::{ErrorKind, Pacing, Transmit, TransportError};
use pan123_store::MemoryStore;
use pan123_tests::block_on::block_on;
use pan123_tests::clock::JumpClock;
use pan123_tests::service_access::push_tokens_out;
use pan123_tests::transports::ServiceTransport;

use crate::adapters::both::{Adapter, BOTH};

/// What happens next, before the request that is about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The request is sent.
    Send,
    /// A process with another store pushes all tokens out.
    Push,
    /// This process makes a call, unless it is in one.
    Call(usize),
}

/// How many processes there are, and how many events at most; after them every request is sent.
const EXPLORED: [(usize, usize); 2] = [(2, 7), (3, 5)];

#[test]
fn async_call_succeeds_or_ends_with_token_issued_after_its_first_401() {
    explore_all(Adapter::Async);
}

#[test]
fn blocking_call_succeeds_or_ends_with_token_issued_after_its_first_401() {
    explore_all(Adapter::Blocking);
}

/// Each time before the call sends its next stored token, another process replaces that token: the third one in the store works,
/// and is not tried.
#[test]
fn at_most_two_stored_tokens_are_tried_in_a_row() {
    let replaced = |process, requests| {
        let mut events = vec![Event::Push, Event::Call(process)];
        events.extend(vec![Event::Send; requests]);
        events
    };
    let script = [
        replaced(1, 2),
        vec![Event::Send],
        replaced(2, 3),
        vec![Event::Send],
        replaced(1, 3),
    ];
    for adapter in BOTH {
        let fixture = Fixture::new(adapter, 3);
        for process in 0..3 {
            block_on(fixture.clock.drive(fixture.call(process)));
        }
        lock(&fixture.state).script = script.concat().into_iter().rev().collect();
        block_on(fixture.clock.drive(fixture.call(0)));
        let state = lock(&fixture.state);
        let call = &state.calls[3];
        let [
            Request::Rejected(_),
            Request::Rejected(second),
            Request::Rejected(third),
            Request::Issued(issued),
            Request::Accepted(last),
        ] = &call.requests[..]
        else {
            panic!("{adapter:?}: {:#?}", state.calls);
        };
        let of_others = state.calls[4..].iter().flat_map(|call| &call.requests);
        let issued_by_others: Vec<_> = of_others
            .filter(|request| matches!(request, Request::Issued(_)))
            .collect();
        assert_eq!(issued_by_others.len(), 3, "{adapter:?}: {:#?}", state.calls);
        assert_eq!(issued_by_others[0], &Request::Issued(second.clone()));
        assert_eq!(issued_by_others[1], &Request::Issued(third.clone()));
        assert_eq!(issued, last);
    }
}

fn explore_all(adapter: Adapter) {
    for (processes, max_events) in EXPLORED {
        let mut events = vec![Event::Send, Event::Push];
        events.extend((1..processes).map(Event::Call));
        let (mut scripts, mut runs, mut rejected) = (vec![Vec::new()], 0, 0);
        while let Some(script) = scripts.pop() {
            let ended = run(adapter, processes, &script);
            (runs, rejected) = (runs + 1, rejected + ended.rejected);
            // What follows an event without effect has been explored without it.
            if ended.had_effect && script.len() < max_events {
                scripts.extend(events.iter().map(|event| [&script[..], &[*event]].concat()));
            }
        }
        assert!(runs > 100, "{runs} runs");
        assert!(rejected > 0, "no call ended with a 401");
    }
}

/// How a script ended.
struct Ended {
    /// How many calls ended with a 401.
    rejected: usize,
    /// Whether each event of the script changed something.
    had_effect: bool,
}

/// Runs a call of process 0 during which the events happen, and then a call of each process.
fn run(adapter: Adapter, processes: usize, script: &[Event]) -> Ended {
    let fixture = Fixture::new(adapter, processes);
    for process in 0..processes {
        block_on(fixture.clock.drive(fixture.call(process)));
    }
    lock(&fixture.state).script = script.iter().rev().copied().collect();
    block_on(fixture.clock.drive(fixture.call(0)));
    let had_effect = {
        let mut state = lock(&fixture.state);
        let twice = script.windows(2).any(|pair| pair == [Event::Push; 2]);
        let rest = std::mem::take(&mut state.script);
        rest.is_empty() && !twice && !state.ignored
    };
    for process in 0..processes {
        block_on(fixture.clock.drive(fixture.call(process)));
    }
    fixture.clock.until_idle();

    let state = lock(&fixture.state);
    let undisturbed = state.calls.len() - processes;
    let wrong = |call: &Call| format!("{adapter:?}, {script:?}: {call:#?} of {:#?}", state.calls);
    let mut rejected = 0;
    for process in 0..processes {
        for (index, call) in state.calls.iter().enumerate() {
            if call.process != process {
                continue;
            }
            let is_allowed = match call.outcome {
                Some(Ok(())) => true,
                _ if index >= undisturbed => false,
                Some(Err(ErrorKind::Unauthorized)) => call.ends_with_new_token(),
                _ => false,
            };
            assert!(
                is_allowed && call.issues_after_401() <= 1,
                "{}",
                wrong(call)
            );
            rejected += usize::from(call.outcome == Some(Err(ErrorKind::Unauthorized)));
        }
    }
    Ended {
        rejected,
        had_effect,
    }
}

/// One call of a process: its requests and how it ended.
#[derive(Debug)]
struct Call {
    process: usize,
    requests: Vec<Request>,
    /// None while it runs.
    outcome: Option<Result<(), ErrorKind>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Issued(String),
    Accepted(String),
    Rejected(String),
}

impl Call {
    /// The requests from the first 401 on.
    fn after_401(&self) -> &[Request] {
        let is_rejected = |request: &Request| matches!(request, Request::Rejected(_));
        let first = self.requests.iter().position(is_rejected);
        first.map_or(&[], |first| &self.requests[first..])
    }

    fn issues_after_401(&self) -> usize {
        let is_issued = |request: &&Request| matches!(request, Request::Issued(_));
        self.after_401().iter().filter(is_issued).count()
    }

    /// Whether the last request carried a token that was issued after the first 401, and was rejected.
    fn ends_with_new_token(&self) -> bool {
        let Some((Request::Rejected(token), before)) = self.after_401().split_last() else {
            return false;
        };
        before.contains(&Request::Issued(token.clone()))
    }
}

/// Some processes, each with a client of its own.
struct Fixture {
    clock: JumpClock,
    clients: Vec<Client>,
    state: Mutex<State>,
    transport: ServiceTransport,
}

#[derive(Default)]
struct State {
    /// The next event is the last one.
    script: Vec<Event>,
    /// An event named a process that was in a call.
    ignored: bool,
    calls: Vec<Call>,
    /// The call that each process is in, by its index.
    running: Vec<Option<usize>>,
}

enum Client {
    Async(pan123_async::Client),
    Blocking(Box<pan123_blocking::Client>),
}

macro_rules! client {
    ($builder:expr, $transport:expr, $clock:expr, $store:expr) => {
        $builder
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .seed(1)
            .pacing(Pacing::off())
            .token_store($store.clone())
            .transport($transport)
            .clock($clock.clone())
            .spawner($clock.clone())
            .build()
            .expect("good settings")
    };
}

impl Fixture {
    fn new(adapter: Adapter, processes: usize) -> Arc<Fixture> {
        let clock = JumpClock::new();
        let store = MemoryStore::new();
        Arc::new_cyclic(|fixture| {
            let client = |process| {
                let transport = Scripted {
                    fixture: Weak::clone(fixture),
                    process,
                };
                match adapter {
                    Adapter::Async => {
                        let builder = pan123_async::Client::builder();
                        Client::Async(client!(builder, transport, clock, store))
                    }
                    Adapter::Blocking => {
                        let builder = pan123_blocking::Client::builder();
                        Client::Blocking(Box::new(client!(builder, transport, clock, store)))
                    }
                }
            };
            Fixture {
                clients: (0..processes).map(client).collect(),
                state: Mutex::new(State {
                    running: vec![None; processes],
                    ..State::default()
                }),
                transport: ServiceTransport::new(Service::builder().seed(1).service(), &clock),
                clock,
            }
        })
    }

    /// Makes a call of this process, unless it is in one. The guard of the outermost call counts for all in it.
    async fn call(&self, process: usize) {
        {
            let mut state = lock(&self.state);
            if state.running[process].is_some() {
                state.ignored = true;
                return;
            }
            state.running[process] = Some(state.calls.len());
            state.calls.push(Call {
                process,
                requests: Vec::new(),
                outcome: None,
            });
        }
        let ended = match &self.clients[process] {
            Client::Async(client) => client.user_info().await.map(drop),
            Client::Blocking(client) => client.user_info().map(drop),
        };
        let mut state = lock(&self.state);
        let call = state.running[process].take().expect("it runs");
        state.calls[call].outcome = Some(ended.map_err(|error| error.kind()));
    }

    /// Runs the events before a request.
    async fn before_request(&self) {
        loop {
            let event = lock(&self.state).script.pop();
            match event {
                None | Some(Event::Send) => return,
                Some(Event::Push) => {
                    let now = self.clock.now().wall;
                    self.transport
                        .service(|service| push_tokens_out(service, now));
                }
                Some(Event::Call(process)) => {
                    let call: BoxFuture<'_, ()> = Box::pin(self.call(process));
                    call.await;
                }
            }
        }
    }

    fn note(&self, process: usize, request: Request) {
        let mut state = lock(&self.state);
        let call = state.running[process].expect("a request belongs to a call");
        state.calls[call].requests.push(request);
    }
}

/// The transport of one process.
struct Scripted {
    fixture: Weak<Fixture>,
    process: usize,
}

type SendResult = Result<Response<Bytes>, TransportError>;

impl Scripted {
    fn fixture(&self) -> Arc<Fixture> {
        self.fixture
            .upgrade()
            .expect("the fixture outlives its calls")
    }

    /// What this request is, with its response.
    fn request(token: Option<String>, response: &SendResult) -> Request {
        let body = response.as_ref().expect("the service responds").body();
        let body: serde_json::Value = serde_json::from_slice(body).expect("an envelope");
        match (token, body["code"].as_u64()) {
            (None, Some(0)) => Request::Issued(body["data"]["accessToken"].to_string()),
            (Some(token), Some(0)) => Request::Accepted(token),
            (Some(token), Some(401)) => Request::Rejected(token),
            (_, code) => panic!("{code:?}"),
        }
    }
}

/// The token of a request, quoted; none if the request asks for one.
fn token(transmit: &Transmit) -> Option<String> {
    if transmit.request.uri().path() == ACCESS_TOKEN {
        return None;
    }
    let bearer = transmit.request.headers()["authorization"].to_str();
    let token = bearer.expect("a text").trim_start_matches("Bearer ");
    Some(format!("\"{token}\""))
}

impl pan123_async::context::Transport for Scripted {
    fn send(&self, transmit: Transmit) -> pan123_async::context::BoxFuture<'_, SendResult> {
        Box::pin(async move {
            let (fixture, token) = (self.fixture(), token(&transmit));
            if token.is_some() {
                fixture.before_request().await;
            }
            let response =
                pan123_async::context::Transport::send(&fixture.transport, transmit).await;
            fixture.note(self.process, Scripted::request(token, &response));
            response
        })
    }
}

impl pan123_blocking::context::Transport for Scripted {
    fn send(&self, transmit: Transmit) -> SendResult {
        let (fixture, token) = (self.fixture(), token(&transmit));
        if token.is_some() {
            block_on(fixture.before_request());
        }
        let response = pan123_blocking::context::Transport::send(&fixture.transport, transmit);
        fixture.note(self.process, Scripted::request(token, &response));
        response
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
