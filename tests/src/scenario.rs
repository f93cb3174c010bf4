//! What a client is to do, and against what, as data: written once for all drivers.

use std::time::{Duration, SystemTime};

use pan123_mock::{Break, Builder, CLIENT_ID, CLIENT_SECRET, CannedResponse, Fault, Service};
use pan123_proto::file::ListFiles;
use pan123_proto::offline::{Download, WatchPolicy};
use pan123_proto::{Pacing, RetryPolicy};

use crate::drive_calls::DriveCall;
use crate::observed::Observed;
use crate::service_access::{REDIRECT_URI, ServiceAccess, create_elsewhere, fetch_token};

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is about.
    pub name: &'static str,
    /// The seed of the client and of the service.
    pub seed: u64,
    /// How the service is built.
    pub service: fn(Builder) -> Builder,
    /// The answers that are prepared, by path.
    pub canned: Vec<(&'static str, CannedResponse)>,
    /// What goes wrong at the service after that.
    pub faults: Vec<Fault>,
    /// What goes wrong on the way to the service, by path.
    pub broken: Vec<(&'static str, BrokenExchange)>,
    /// Whether somebody else has created a task before, which goes on for ever as [`TASK_ON_ITS_WAY`](crate::service_access::TASK_ON_ITS_WAY)
    /// says.
    pub has_task: bool,
    /// Whether anybody listens at all.
    pub reachable: bool,
    /// How the client is set up.
    pub settings: Settings,
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// Whether things happen at once, so that the order of the requests means nothing.
    pub in_any_order: bool,
    /// What must come of it, under any driver.
    pub expect: fn(&Observed),
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// The client makes a call.
    Call(Call),
    /// The client makes so many of the same call at once.
    Together(usize, Call),
    /// Somebody else comes to the service.
    Others(fn(&mut dyn ServiceAccess, SystemTime)),
    /// Time passes for all.
    Advance(Duration),
    /// The clock of the service goes ahead of the client's, for good.
    AdvanceService(Duration),
    /// The client reads a list, and after so many entries somebody else comes to the service.
    ListWhile(ListFiles, usize, fn(&mut dyn ServiceAccess, SystemTime)),
    /// The client exchanges a code for the first pair of tokens.
    Authorize(Code),
    /// Another process of the client, which shares its token store, makes a call.
    OtherProcess(Call),
    /// The client's process ends, and another one begins with what the store has.
    Restart,
    /// So many times the client cannot save what it has to keep.
    FailSaves(usize),
    /// Somebody sets the client's calendar, by so many seconds and for good.
    SetCalendar(i64),
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
    /// Makes a folder as far as it is missing.
    EnsureDir(&'static str),
    /// Calls one endpoint of the drive or the image bed.
    Drive(DriveCall),
    /// Calls an endpoint that the core does not have.
    Detail(u64),
    /// Calls it, and reads the answer as another type.
    DetailAs(u64),
}

/// Which code an app has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The one that the service gave.
    Given,
    /// One that it never gave.
    Wrong,
}

/// What of the trash is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trash {
    /// It comes along.
    With,
    /// It is left out.
    Without,
}

/// What goes wrong on the way to the service and back.
#[derive(Clone, Debug)]
pub struct BrokenExchange {
    /// What happens on a socket.
    pub wire_break: Break,
    /// Whether the service hears of the request.
    pub reaches_service: bool,
    /// What an adapter has to make of it.
    pub received: Received,
    /// How often.
    pub times: usize,
}

/// What an adapter has to make of an exchange that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The answer, in spite of all.
    Response,
    /// The exchange was cut off.
    CutOff,
    /// The time ran out.
    TimedOut,
    /// The body was over the limit.
    TooLarge,
}

impl BrokenExchange {
    /// The service acts, and on the way back this happens.
    pub fn answer(wire_break: Break, received: Received) -> BrokenExchange {
        BrokenExchange {
            wire_break,
            reaches_service: true,
            received,
            times: 1,
        }
    }

    /// This happens on the way there, so that the service hears nothing.
    pub fn request(wire_break: Break, received: Received) -> BrokenExchange {
        BrokenExchange {
            reaches_service: false,
            ..BrokenExchange::answer(wire_break, received)
        }
    }

    /// So many times in a row.
    pub fn times(self, times: usize) -> BrokenExchange {
        BrokenExchange { times, ..self }
    }
}

/// Which task.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    /// The one created last.
    Last,
    /// This one.
    Task(u64),
}

/// How a client is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it proves who it is.
    pub identity: Identity,
    /// How often it tries.
    pub retry: RetryPolicy,
    /// How fast it goes.
    pub pacing: Pacing,
    /// How long a request may take, in real time.
    pub request_timeout: Duration,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// The maximum size of a response body, in bytes.
    pub body_limit: usize,
    /// Whether it has a token store even if its identity does not need one.
    pub shares_store: bool,
}

impl Settings {
    /// Whether the client has a token store.
    pub fn has_store(&self) -> bool {
        self.shares_store || self.identity.is_app()
    }
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum Identity {
    /// By a client id and its secret.
    Credentials(&'static str, &'static str),
    /// By a token.
    Token(&'static str),
    /// By a token that the service issued before.
    Issued,
    /// As an app that has the refresh token of a user's first pair.
    App,
    /// As an app whose user comes with a code.
    NewApp,
}

impl Identity {
    /// Whether what it gets has to be kept.
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
            call_timeout: Duration::from_secs(120),
            body_limit: 1 << 20,
            shares_store: false,
        }
    }
}

/// Gives a builder of a session, or of a client of an adapter, the settings: they have the same methods.
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
            .call_timeout(settings.call_timeout)
            .body_limit(settings.body_limit);
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
    /// A scenario of this name, which its seed comes from.
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

    /// Builds the service in this way.
    pub fn service(mut self, service: fn(Builder) -> Builder) -> Scenario {
        self.service = service;
        self
    }

    /// Prepares an answer of the service.
    pub fn canned(mut self, path: &'static str, canned: CannedResponse) -> Scenario {
        self.canned.push((path, canned));
        self
    }

    /// Something goes wrong at the service.
    pub fn fault(mut self, fault: Fault) -> Scenario {
        self.faults.push(fault);
        self
    }

    /// Breaks exchanges on their way.
    pub fn broken(mut self, path: &'static str, broken: BrokenExchange) -> Scenario {
        self.broken.push((path, broken));
        self
    }

    /// Somebody else has created the [`first_task`](crate::service_access::first_task) before.
    pub fn with_a_task(mut self) -> Scenario {
        self.has_task = true;
        self
    }

    /// Nobody listens.
    pub fn unreachable(mut self) -> Scenario {
        self.reachable = false;
        self
    }

    /// Changes how the client is set up.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Scenario {
        change(&mut self.settings);
        self
    }

    /// Then the client makes this call.
    pub fn call(self, call: Call) -> Scenario {
        self.act(Act::Call(call))
    }

    /// Then this is done.
    pub fn act(mut self, act: Act) -> Scenario {
        self.in_any_order |= matches!(act, Act::Together(..));
        self.acts.push(act);
        self
    }

    /// What must come of it.
    pub fn expect(mut self, expect: fn(&Observed)) -> Scenario {
        self.expect = expect;
        self
    }

    /// The service as it is built.
    pub fn builder(&self) -> Builder {
        (self.service)(Service::builder()).seed(self.seed)
    }

    /// Prepares the answers, and what the client was given before.
    pub fn prepare(&self, service: &mut dyn ServiceAccess, now: SystemTime) {
        match self.settings.identity {
            Identity::Issued => drop(fetch_token(service, now)),
            Identity::App => service.oauth_pair(now),
            Identity::NewApp => service.oauth_code(now, REDIRECT_URI),
            Identity::Credentials(..) | Identity::Token(_) => {}
        }
        if self.has_task {
            create_elsewhere(service, now);
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
