//! What a client does and against which service, as data: written once for all drivers.

use std::time::{Duration, SystemTime};

use pan123_mock::{Break, Builder, CLIENT_ID, CLIENT_SECRET, CannedResponse, Fault, Service};
use pan123_proto::file::ListFiles;
use pan123_proto::offline::{Download, WatchPolicy};
use pan123_proto::{Pacing, RetryPolicy};

use crate::batch_run::BatchRun;
use crate::drive_calls::DriveCall;
use crate::failing_store::StoreFault;
use crate::observed::Observed;
use crate::service_access::{REDIRECT_URI, ServiceAccess, create_as_another_client, fetch_token};

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The seed of the client and of the service.
    pub seed: u64,
    /// How the service is built.
    pub service: fn(Builder) -> Builder,
    /// The prepared responses, by path.
    pub canned: Vec<(&'static str, CannedResponse)>,
    /// The faults of the service after those.
    pub faults: Vec<Fault>,
    /// The exchanges that break on their way, by path.
    pub broken: Vec<(&'static str, BrokenExchange)>,
    /// Whether others have created a task before, which stays as
    /// [`TASK_ON_ITS_WAY`](crate::service_access::TASK_ON_ITS_WAY) says.
    pub has_task: bool,
    /// Whether the service can be reached.
    pub reachable: bool,
    /// How the client is set up.
    pub settings: Settings,
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// Whether calls run concurrently, so that the order of the requests is not compared.
    pub in_any_order: bool,
    /// Checks what was observed, under every driver.
    pub expect: fn(&Observed),
}

/// One act of a scenario.
#[derive(Clone, Debug)]
pub enum Act {
    /// The client makes a call.
    Call(Call),
    /// The client makes the same call this many times concurrently.
    Together(usize, Call),
    /// The client runs a batch on the ledger of the scenario.
    Batch(BatchRun),
    /// Others use the service.
    Others(fn(&mut dyn ServiceAccess, SystemTime)),
    /// Moves the time of the client and the service on.
    Advance(Duration),
    /// The service's clock is set forward, permanently.
    AdvanceService(Duration),
    /// The client reads a list, and after this many entries others use the service.
    ListWhile(ListFiles, usize, fn(&mut dyn ServiceAccess, SystemTime)),
    /// The client exchanges a code for the first pair of tokens.
    Authorize(Code),
    /// Another process of the client, which shares its token store, makes a call.
    OtherProcess(Call),
    /// The client's process ends, and another one starts with the same store.
    Restart,
    /// The next saves of a new token of the client fail.
    FailSaves(usize),
    /// From now on this is wrong with the client's token store.
    StoreFault(Option<StoreFault>),
    /// The client's wall clock is set by this many seconds, permanently.
    SetWallClock(i64),
}

/// A call of the client.
#[derive(Clone, Debug)]
pub enum Call {
    /// Creates an offline download.
    Create(Download),
    /// Asks for the progress.
    Progress(Of),
    /// Asks who the user is.
    UserInfo,
    /// Follows a task, event by event.
    Watch(Of, WatchPolicy),
    /// Follows a task to its end.
    Wait(Of),
    /// Follows a task to its end, and looks for the file of this download.
    WaitForFile(Of, Download),
    /// Reads a list to its end, with or without what is in the trash.
    List(ListFiles, Trash),
    /// Looks for the entry at a path.
    Find(&'static str),
    /// Creates the folders of a path that are missing.
    EnsureDir(&'static str),
    /// Calls one endpoint of the drive or the image bed.
    Drive(DriveCall),
    /// Calls an endpoint that the core does not have.
    Detail(u64),
    /// Calls it and reads its data as another type.
    DetailAs(u64),
}

/// Which code an app has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The code that the service issued.
    Given,
    /// A code that the service never issued.
    Wrong,
}

/// Whether a list includes the trash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trash {
    /// Includes it.
    With,
    /// Leaves it out.
    Without,
}

/// An exchange that breaks on its way to the service or back.
#[derive(Clone, Debug)]
pub struct BrokenExchange {
    /// How it breaks on a socket.
    pub wire_break: Break,
    /// Whether the request reaches the service.
    pub reaches_service: bool,
    /// What the transport returns.
    pub received: Received,
    /// How often it breaks.
    pub times: usize,
}

/// What a transport returns for an exchange that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The response.
    Response,
    /// The error of an exchange that was cut off.
    CutOff,
    /// The error of a timeout.
    TimedOut,
    /// The error of a body over the limit.
    TooLarge,
}

impl BrokenExchange {
    /// The service acts, and the response breaks.
    pub fn response(wire_break: Break, received: Received) -> BrokenExchange {
        BrokenExchange {
            wire_break,
            reaches_service: true,
            received,
            times: 1,
        }
    }

    /// The request breaks, and does not reach the service.
    pub fn request(wire_break: Break, received: Received) -> BrokenExchange {
        BrokenExchange {
            reaches_service: false,
            ..BrokenExchange::response(wire_break, received)
        }
    }

    /// Breaks this many exchanges in a row.
    pub fn times(self, times: usize) -> BrokenExchange {
        BrokenExchange { times, ..self }
    }
}

/// Which task.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// The newest one.
    Last,
    /// This one.
    Task(u64),
}

/// How a client is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its credentials.
    pub identity: Identity,
    /// Its retry policy.
    pub retry: RetryPolicy,
    /// Its rate limits.
    pub pacing: Pacing,
    /// How long a request may take, in real time.
    pub request_timeout: Duration,
    /// How long a call may take; the default if none.
    pub call_timeout: Option<Duration>,
    /// The maximum size of a response body, in bytes.
    pub body_limit: usize,
    /// Whether it has a token store even if its identity does not need one.
    pub shares_store: bool,
}

impl Settings {
    /// Whether the client has a token store.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.shares_store || self.identity.is_app()
    }
}

/// The credentials of a client.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A client id and its secret.
    Credentials(&'static str, &'static str),
    /// A given token.
    Token(&'static str),
    /// A given token that the service issued before.
    Issued,
    /// An OAuth app with the refresh token of a user's first pair.
    App,
    /// An OAuth app whose user brings a code.
    NewApp,
}

impl Identity {
    /// Whether it is an OAuth app, which must have a token store.
    #[must_use]
    pub fn is_app(&self) -> bool {
        matches!(self, Identity::App | Identity::NewApp)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            identity: Identity::Credentials(CLIENT_ID, CLIENT_SECRET),
            retry: RetryPolicy::default(),
            pacing: Pacing::default(),
            request_timeout: Duration::from_secs(30),
            call_timeout: None,
            body_limit: 1 << 20,
            shares_store: false,
        }
    }
}

/// Applies the settings to the builder of a session or of a client: they have the same methods.
#[macro_export]
macro_rules! set_up {
    ($builder:expr, $settings:expr, $seed:expr, $base_url:expr) => {{
        let settings: &$crate::scenario::Settings = $settings;
        let builder = $builder
            .base_url($base_url)
            .seed($seed)
            .retry(settings.retry.clone())
            .pacing(settings.pacing.clone())
            .request_timeout(settings.request_timeout)
            .body_limit(settings.body_limit);
        let builder = match settings.call_timeout {
            Some(timeout) => builder.call_timeout(timeout),
            None => builder,
        };
        match settings.identity {
            $crate::scenario::Identity::Credentials(id, secret) => builder.credentials(id, secret),
            $crate::scenario::Identity::Token(token) => builder.access_token(token),
            $crate::scenario::Identity::Issued => {
                builder.access_token($crate::service_access::first_token($seed))
            }
            $crate::scenario::Identity::App => builder.oauth(
                $crate::service_access::app()
                    .refresh_token($crate::service_access::first_refresh_token($seed)),
            ),
            $crate::scenario::Identity::NewApp => builder.oauth($crate::service_access::app()),
        }
    }};
}

impl Scenario {
    /// Creates a scenario. Its seed comes from its name.
    #[must_use]
    pub fn new(name: &'static str) -> Scenario {
        Scenario {
            name,
            seed: seed(name),
            service: |builder| builder,
            canned: Vec::new(),
            faults: Vec::new(),
            broken: Vec::new(),
            has_task: false,
            reachable: true,
            settings: Settings::default(),
            acts: Vec::new(),
            in_any_order: false,
            expect: |_| {},
        }
    }

    /// Sets how the service is built.
    pub fn service(mut self, service: fn(Builder) -> Builder) -> Scenario {
        self.service = service;
        self
    }

    /// Prepares a response of the service.
    pub fn canned(mut self, path: &'static str, canned: CannedResponse) -> Scenario {
        self.canned.push((path, canned));
        self
    }

    /// Adds a fault of the service.
    pub fn fault(mut self, fault: Fault) -> Scenario {
        self.faults.push(fault);
        self
    }

    /// Breaks exchanges with this path.
    pub fn broken(mut self, path: &'static str, broken: BrokenExchange) -> Scenario {
        self.broken.push((path, broken));
        self
    }

    /// Others have created the [`first_task`](crate::service_access::first_task) before.
    #[must_use]
    pub fn with_a_task(mut self) -> Scenario {
        self.has_task = true;
        self
    }

    /// Makes the service unreachable.
    #[must_use]
    pub fn unreachable(mut self) -> Scenario {
        self.reachable = false;
        self
    }

    /// Changes how the client is set up.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Scenario {
        change(&mut self.settings);
        self
    }

    /// Adds a call of the client.
    #[must_use]
    pub fn call(self, call: Call) -> Scenario {
        self.act(Act::Call(call))
    }

    /// Adds a batch.
    #[must_use]
    pub fn batch(self, batch: BatchRun) -> Scenario {
        self.act(Act::Batch(batch))
    }

    /// Adds an act.
    #[must_use]
    pub fn act(mut self, act: Act) -> Scenario {
        self.in_any_order |= matches!(act, Act::Together(..) | Act::Batch(_));
        self.acts.push(act);
        self
    }

    /// Sets the check of what was observed.
    pub fn expect(mut self, expect: fn(&Observed)) -> Scenario {
        self.expect = expect;
        self
    }

    /// Returns the builder of the service.
    #[must_use]
    pub fn builder(&self) -> Builder {
        (self.service)(Service::builder()).seed(self.seed)
    }

    /// Prepares the responses and the faults, and what the client was given before.
    pub fn prepare(&self, service: &mut dyn ServiceAccess, now: SystemTime) {
        match self.settings.identity {
            Identity::Issued => drop(fetch_token(service, now)),
            Identity::App => service.oauth_pair(now),
            Identity::NewApp => service.oauth_code(now, REDIRECT_URI),
            Identity::Credentials(..) | Identity::Token(_) => {}
        }
        if self.has_task {
            create_as_another_client(service, now);
        }
        for (path, canned) in &self.canned {
            service.fault(Fault::from(canned.clone()).on(*path));
        }
        for fault in &self.faults {
            service.fault(fault.clone());
        }
    }
}

/// The name as a number (FNV-1a).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
