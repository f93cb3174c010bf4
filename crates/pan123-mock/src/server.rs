//! The service on a socket.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use crate::Builder;
use crate::effects;
use crate::service::{Canned, Outcome, RecordedRequest, Reply, Service};

/// A 123pan server on a loopback port, which stops when it is dropped.
///
/// Its effects (fetching a source, posting a callback) run on threads of their own and never leave this machine.
pub struct MockPan123 {
    server: MockServer,
    face: Arc<Face>,
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
        self.server.uri()
    }

    /// The requests that came so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service(|service| service.requests().to_vec())
    }

    /// Looks into the model, or changes it. No request is answered meanwhile, so do not send one from within.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// assert_eq!(mock.service(|service| service.tokens_minted()), 0);
    /// ```
    pub fn service<T>(&self, look: impl FnOnce(&mut Service) -> T) -> T {
        self.face.update(look)
    }

    /// Prepares an answer for the next request to `path`: [`Service::answer_next`].
    pub fn answer_next(&self, path: &str, canned: Canned) {
        self.service(|service| service.answer_next(path, canned));
    }

    /// Ends a task by hand and posts its callback: [`Service::fetch_ended`].
    pub fn fetch_ended(&self, task: u64, result: Result<u64, String>) {
        let now = self.face.now();
        let effects = self.service(|service| service.fetch_ended(now, task, result));
        effects::carry_out(&self.face, effects);
    }

    /// Waits until `ready` finds what it looks for in the model, and returns it; `None` after `timeout`. It looks after every request
    /// and every move of an effect. It blocks its thread: a client on the same thread does not go on meanwhile.
    pub fn wait_for<T>(
        &self,
        timeout: Duration,
        ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        self.face.wait_for(timeout, ready)
    }

    /// Moves the clock of the service forward, for good. What has become due with it happens: callbacks are posted.
    pub fn advance(&self, by: Duration) {
        self.face.lock().advanced += by;
        self.face.settle();
    }

    /// The server underneath, for mocks of your own: they come before the service. It records no requests,
    /// [`requests`](Self::requests) does.
    pub fn server(&self) -> &MockServer {
        &self.server
    }

    pub(crate) fn face(&self) -> &Arc<Face> {
        &self.face
    }

    pub(crate) async fn run(service: Service, clock: Clock, fetch_limit: u64) -> Self {
        let face = Arc::new(Face {
            state: Mutex::new(State {
                service,
                advanced: Duration::ZERO,
            }),
            changed: Condvar::new(),
            clock,
            fetch_limit,
        });
        // Not one from wiremock's pool: a late request to an earlier mock must find nobody.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let server = MockServer::builder()
            .listener(listener)
            .disable_request_recording()
            .start()
            .await;
        Mock::given(any())
            .respond_with(Answering(Arc::clone(&face)))
            .with_priority(u8::MAX)
            .mount(&server)
            .await;
        Self { server, face }
    }
}

impl fmt::Debug for MockPan123 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockPan123")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

/// What the server and the threads of its effects share.
pub(crate) struct Face {
    state: Mutex<State>,
    changed: Condvar,
    clock: Clock,
    pub(crate) fetch_limit: u64,
}

struct State {
    service: Service,
    advanced: Duration,
}

impl Face {
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        let result = change(&mut self.lock().service);
        self.changed.notify_all();
        result
    }

    /// The answer to a request, whose effects begin.
    pub(crate) fn answer(self: &Arc<Self>, request: &http::Request<Bytes>) -> Reply {
        let Outcome { reply, effects } = self.ask(request);
        effects::carry_out(self, effects);
        reply
    }

    fn ask(&self, request: &http::Request<Bytes>) -> Outcome {
        let now = self.now();
        self.update(|service| service.handle(now, request))
    }

    /// The time of the service.
    pub(crate) fn now(&self) -> SystemTime {
        let now = self.clock.now();
        let advanced = self.lock().advanced;
        now.checked_add(advanced).unwrap_or(now)
    }

    /// Lets happen what has become due.
    pub(crate) fn settle(self: &Arc<Self>) {
        let now = self.now();
        let effects = self.update(|service| service.due(now));
        effects::carry_out(self, effects);
    }

    fn wait_for<T>(
        &self,
        timeout: Duration,
        mut ready: impl FnMut(&Service) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&state.service) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// A test that failed while it looked into the model must not fail every thread after it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service as wiremock asks it.
struct Answering(Arc<Face>);

impl Respond for Answering {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        template(&self.0.answer(&as_http(request)))
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

fn template(reply: &Reply) -> ResponseTemplate {
    let response = &reply.response;
    let mut template = ResponseTemplate::new(response.status());
    for (name, value) in response.headers() {
        template = template.append_header(name, value);
    }
    template = template.set_body_bytes(response.body().to_vec());
    match reply.delay {
        Some(delay) => template.set_delay(delay),
        None => template,
    }
}

/// Where the time comes from.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
