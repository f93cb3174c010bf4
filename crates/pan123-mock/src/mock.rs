//! The service over HTTP, served by wiremock.

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
use crate::service::{CannedResponse, Fault, RecordedRequest, Reply, Route, Service, TaskEnd};
use crate::tcp::WireOutcome;

/// A mock 123pan server on a loopback port, which stops when it is dropped.
///
/// Effects (fetching a source, posting a callback) run on their own threads and never leave this machine.
///
/// wiremock can only approximate a [`Fault`] that breaks the connection: it closes the connection without a response, or stays silent until
/// the client gives up. A [`BrokenWire`](crate::BrokenWire) to this mock breaks it byte by byte.
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
    /// If no thread can be started or no port is free.
    pub fn start_blocking() -> Self {
        Self::builder().start_blocking()
    }

    /// Returns a builder with the default options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the base URL, such as `http://127.0.0.1:4242`, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.wiremock.uri()
    }

    /// Returns the requests received so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service(|service| service.requests().to_vec())
    }

    /// Reads or changes the model. The model is locked meanwhile, so do not send a request from within.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// assert_eq!(mock.service(|service| service.tokens_issued()), 0);
    /// ```
    pub fn service<T>(&self, look: impl FnOnce(&mut Service) -> T) -> T {
        self.server.update(look)
    }

    /// Prepares the response to the next request to `path`: [`Service::respond_next`].
    pub fn respond_next(&self, path: &str, canned: CannedResponse) {
        self.service(|service| service.respond_next(path, canned));
    }

    /// Injects a fault: [`Service::fault`].
    pub fn fault(&self, fault: impl Into<Fault>) {
        self.service(|service| service.fault(fault));
    }

    /// Removes the pending faults and prepared responses.
    pub fn clear_faults(&self) {
        self.service(Service::clear_faults);
    }

    /// Adds an endpoint of your own, or replaces one of the mock: [`Service::route`].
    pub fn route(&self, route: Route) {
        self.service(|service| service.route(route));
    }

    /// Ends a task and posts its callback: [`Service::end_task`].
    pub fn end_task(&self, task: u64, end: TaskEnd) {
        self.server
            .act(|service, now| service.end_task(now, task, end));
    }

    /// Blocks until `ready` returns a value, and returns it; returns `None` after `timeout`. `ready` is called after every request and
    /// every change of the model. A client on the same thread makes no progress meanwhile.
    pub fn wait_for<T>(
        &self,
        timeout: Duration,
        ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        self.server.wait_for(timeout, ready)
    }

    /// Returns the time of the service.
    pub fn now(&self) -> SystemTime {
        self.server.now()
    }

    /// Moves the clock of the service forward permanently. Tasks and callbacks that become due are processed.
    pub fn advance(&self, by: Duration) {
        self.server.advance(by);
    }

    /// Stops the clock of the service at this time. Only [`advance`](Self::advance) and another call of this method move it.
    pub fn stop_clock_at(&self, at: SystemTime) {
        self.server.stop_clock_at(at);
    }

    /// Lets the clock of the service run on from where it was stopped.
    pub fn resume_clock(&self) {
        self.server.resume_clock();
    }

    /// Returns the underlying wiremock server, to mount further mocks, which take precedence. The service itself is such a mock, so
    /// [`reset`](MockServer::reset) would remove it. wiremock records no requests; [`requests`](Self::requests) does.
    pub fn wiremock(&self) -> &MockServer {
        &self.wiremock
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(crate) async fn start_with(server: Arc<Server>) -> Self {
        // Not a server from wiremock's pool, where a late request could reach another test's mock.
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
        // wiremock asks mocks of the same priority in this order, one request at a time.
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

/// Responds to wiremock's requests.
#[derive(Clone)]
struct Responder {
    server: Arc<Server>,
    /// The reply that [`CutOff`] has obtained for the request being matched.
    reply: Arc<Mutex<Option<Reply>>>,
}

/// Matches requests whose connection ends without a response. The service has handled them by then.
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

/// wiremock holds the whole body in memory.
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
