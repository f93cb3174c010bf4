//! The service on a socket, served by wiremock.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wiremock::matchers::any;
use wiremock::{Match, Mock, MockServer, Respond, ResponseTemplate};

use crate::Builder;
use crate::server::Server;
use crate::service::{CannedResponse, Fault, RecordedRequest, Reply, Service};
use crate::tcp::WireOutcome;

/// A 123pan server on a loopback port, which stops when it is dropped.
///
/// Its effects (fetching a source, posting a callback) run on threads of their own and never leave this machine.
///
/// Of a [`Fault`] that breaks the connection wiremock makes what it can: the connection ends with no answer at all, or says nothing
/// until the client gives up. Over a [`BrokenWire`](crate::BrokenWire) to this mock it is broken to the byte.
pub struct MockPan123 {
    wiremock: MockServer,
    server: Arc<Server>,
}

impl MockPan123 {
    /// Starts a server with the default options.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts a server with the default options from code without a runtime.
    ///
    /// # Panics
    ///
    /// If the machine has no thread or no port to give.
    pub fn start_blocking() -> Self {
        Self::builder().start_blocking()
    }

    /// The options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, such as `http://127.0.0.1:4242`, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.wiremock.uri()
    }

    /// The requests that came so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service(|service| service.requests().to_vec())
    }

    /// Looks into the model, or changes it. No request is answered meanwhile, so do not send one from within.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// assert_eq!(mock.service(|service| service.tokens_issued()), 0);
    /// ```
    pub fn service<T>(&self, look: impl FnOnce(&mut Service) -> T) -> T {
        self.server.update(look)
    }

    /// Prepares an answer for the next request to `path`: [`Service::respond_next`].
    pub fn respond_next(&self, path: &str, canned: CannedResponse) {
        self.service(|service| service.respond_next(path, canned));
    }

    /// Lets something go wrong with requests to come: [`Service::fault`].
    pub fn fault(&self, fault: impl Into<Fault>) {
        self.service(|service| service.fault(fault));
    }

    /// Forgets the faults and prepared answers that are still to come.
    pub fn clear_faults(&self) {
        self.service(Service::clear_faults);
    }

    /// Ends a task by hand and posts its callback: [`Service::end_task`].
    pub fn end_task(&self, task: u64, result: Result<u64, String>) {
        self.server
            .act(|service, now| service.end_task(now, task, result));
    }

    /// Waits until `ready` finds what it looks for in the model, and returns it; `None` after `timeout`. It looks after every request
    /// and every move of an effect. It blocks its thread: a client on the same thread does not go on meanwhile.
    pub fn wait_for<T>(
        &self,
        timeout: Duration,
        ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        self.server.wait_for(timeout, ready)
    }

    /// The time of the service.
    pub fn now(&self) -> SystemTime {
        self.server.now()
    }

    /// Moves the clock of the service forward, for good. What has become due with it happens: tasks end, callbacks are posted.
    pub fn advance(&self, by: Duration) {
        self.server.advance(by);
    }

    /// Stops the clock of the service at this time: from now on only [`advance`](Self::advance) moves it, or stopping it elsewhere.
    pub fn stop_clock_at(&self, at: SystemTime) {
        self.server.stop_clock_at(at);
    }

    /// The clock of the service runs on from where it was stopped.
    pub fn resume_clock(&self) {
        self.server.resume_clock();
    }

    /// The server underneath, for mocks of your own: they come before the service, which is a mock there, too, so that
    /// [`reset`](MockServer::reset) would end it. It records no requests, [`requests`](Self::requests) does.
    pub fn wiremock(&self) -> &MockServer {
        &self.wiremock
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(crate) async fn start_with(server: Arc<Server>) -> Self {
        // Not one from wiremock's pool: a late request to an earlier mock must find nobody.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let wiremock = MockServer::builder()
            .listener(listener)
            .disable_request_recording()
            .start()
            .await;
        let responder = Responder {
            server: Arc::clone(&server),
            reply: Arc::default(),
        };
        // Mocks of one priority are asked in this order, and one request at a time.
        Mock::given(CutOff(responder.clone()))
            .respond_with_err(|_: &wiremock::Request| {
                io::Error::from(io::ErrorKind::ConnectionReset)
            })
            .with_priority(u8::MAX)
            .mount(&wiremock)
            .await;
        Mock::given(any())
            .respond_with(responder)
            .with_priority(u8::MAX)
            .mount(&wiremock)
            .await;
        Self { wiremock, server }
    }
}

impl fmt::Debug for MockPan123 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockPan123")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

/// The service as wiremock asks it.
#[derive(Clone)]
struct Responder {
    server: Arc<Server>,
    /// Between the question whether the exchange is cut off and the answer.
    reply: Arc<Mutex<Option<Reply>>>,
}

/// Matches the requests to which the connection ends without an answer; the service has acted by then.
struct CutOff(Responder);

impl Match for CutOff {
    fn matches(&self, request: &wiremock::Request) -> bool {
        let reply = self.0.server.respond(&as_http(request));
        let is_cut_off = reply.wire_outcome() == WireOutcome::CutOff;
        *self.0.reply() = (!is_cut_off).then_some(reply);
        is_cut_off
    }
}

impl Respond for Responder {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let reply = self.reply().take();
        template(&reply.unwrap_or_else(|| self.server.respond(&as_http(request))))
    }
}

impl Responder {
    fn reply(&self) -> std::sync::MutexGuard<'_, Option<Reply>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_http(request: &wiremock::Request) -> http::Request<Bytes> {
    let url = &request.url;
    let uri = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut converted = http::Request::new(Bytes::copy_from_slice(&request.body));
    *converted.method_mut() = request.method.clone();
    *converted.uri_mut() = uri.parse().unwrap_or_default();
    *converted.headers_mut() = request.headers.clone();
    converted
}

/// A body of wiremock's is in memory, all of it.
const MAX_FLOOD: usize = 1 << 30;

/// Longer than any client waits.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

fn template(reply: &Reply) -> ResponseTemplate {
    let response = &reply.response;
    let mut template = ResponseTemplate::new(response.status());
    for (name, value) in response.headers() {
        template = template.append_header(name, value);
    }
    let (body, delay) = match reply.wire_outcome() {
        WireOutcome::Silence => (Vec::new(), Some(FOREVER)),
        WireOutcome::Flood(bytes) => {
            let bytes = usize::try_from(bytes).unwrap_or(MAX_FLOOD);
            (vec![b' '; bytes.min(MAX_FLOOD)], reply.delay)
        }
        WireOutcome::Responded | WireOutcome::CutOff => (response.body().to_vec(), reply.delay),
    };
    template = template.set_body_bytes(body);
    match delay {
        Some(delay) => template.set_delay(delay),
        None => template,
    }
}
