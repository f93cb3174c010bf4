//! A subscriber may use the session: nothing is logged under the session's lock.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pan123_blocking::context::Transport;
use pan123_mock::path::{ACCESS_TOKEN, USER_INFO};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, CannedResponse, TaskScript};
use pan123_proto::offline::WatchPolicy;
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Input, Machine, Session, Step};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

use pan123_tests::fixture::{Fixture, task};

/// Takes the session's lock on every event.
struct SessionReader {
    session: Session,
    outcome: mpsc::Sender<&'static str>,
}

impl SessionReader {
    fn look(&self, what: &'static str) {
        self.session.pace(GetUserInfo::RATE, Instant::now());
        self.outcome.send(what).expect("the test listens");
    }
}

impl<S: Subscriber> Layer<S> for SessionReader {
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.look("new span");
    }

    fn on_record(&self, _: &Id, _: &Record<'_>, _: Context<'_, S>) {
        self.look("record");
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.look(event.metadata().target());
    }

    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        self.look("enter");
    }

    fn on_exit(&self, _: &Id, _: Context<'_, S>) {
        self.look("exit");
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.look("close");
    }
}

/// The loop of a driver, all of it on this thread.
fn drive<M: Machine>(fixture: &Fixture, mut machine: M) -> M::Output {
    let mut input = Input::Wake;
    loop {
        input = match machine.resume(fixture.clock.now(), input) {
            Step::Ready(output) => return output,
            Step::Transmit(transmit) => match Transport::send(&fixture.transport, transmit) {
                Ok(response) => Input::Response(response),
                Err(error) => Input::Failed(error),
            },
            Step::Wait(wait) => {
                let now = fixture.clock.now().mono;
                fixture
                    .clock
                    .advance(wait.until.saturating_duration_since(now));
                Input::Wake
            }
            Step::Detach(refresh) => {
                drive(fixture, refresh);
                Input::Wake
            }
            Step::Store(op) => Input::Stored(op.unsupported()),
            Step::Pace(op) => Input::Paced(op.unsupported()),
        };
    }
}

fn everything(fixture: &Fixture, session: &Session) {
    let user = || drive(fixture, session.call(&GetUserInfo).expect("a good request"));
    fixture.transport.service(|service| {
        service.respond_next(ACCESS_TOKEN, CannedResponse::envelope(500, "系统错误"));
        service.respond_next(USER_INFO, CannedResponse::envelope(429, "请求太频繁"));
        service.respond_next(USER_INFO, CannedResponse::envelope(401, "token is expired"));
    });
    user().expect_err("it cannot succeed");
    user().expect("it succeeds");
    user().expect("it succeeds");
    drive(
        fixture,
        session.watch(task(), WatchPolicy::default()).to_end(),
    )
    .expect_err("it cannot succeed");
    // A call that is dropped after its first step, and with it a token fetch.
    let mut call = session.call(&GetUserInfo).expect("a good request");
    call.resume(fixture.clock.now(), Input::Wake);
}

#[test]
fn subscriber_may_use_the_session() {
    let (outcome, telling) = mpsc::channel();
    let work = thread::spawn(move || {
        let fixture = Fixture::new(TaskScript::default());
        let builder = Session::builder().credentials(CLIENT_ID, CLIENT_SECRET);
        let session = builder.build().unwrap();
        let reader = SessionReader {
            session: session.clone(),
            outcome,
        };
        let subscriber = registry().with(reader);
        tracing::subscriber::with_default(subscriber, || everything(&fixture, &session));
    });
    let mut observed = Vec::new();
    loop {
        match telling.recv_timeout(Duration::from_secs(30)) {
            Ok(what) => observed.push(what),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("timed out after {observed:?}"),
        }
    }
    work.join().unwrap();
    for what in ["new span", "record", "enter", "exit", "close", "pan123"] {
        assert!(observed.contains(&what), "{what}");
    }
}
