//! Whatever a driver says, in whatever order: no panic, and a create goes out at most once after it may have arrived.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod support;

use std::time::Duration;

use pan123_proto::offline::{
    CreatedDownload, Progress, Watch, WatchError, WatchEvent, WatchPolicy, WatchToEnd,
};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{
    Account, Call, Error, Input, Machine, Now, Refresh, Session, Skew, Step, StoreResult,
    StoredToken, TransportError,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;
use support::cases::config;
use support::{at, builder, download, fixed, hand, millis, progress, secs, task};

/// What happens to one machine.
#[derive(Clone, Debug)]
enum Event {
    Wake,
    Answer(Kind),
    Failed(u8),
    Stored(u8),
    Drop,
}

#[derive(Clone, Debug)]
enum Kind {
    /// What any endpoint takes for its data.
    Good { status: i64, percent: u8 },
    /// A refusal in an envelope.
    Code(i64),
    /// No envelope.
    Bare(u16),
    /// Success without data.
    Empty,
}

impl Kind {
    fn answer(&self) -> Input {
        match self {
            Kind::Good { status, percent } => hand::data(json!({
                "taskID": 9, "process": percent, "status": status, "uid": 1, "accessToken": "t",
            })),
            Kind::Code(code) => hand::code(*code, "说明"),
            Kind::Bare(status) => hand::answer(*status, "<html>"),
            Kind::Empty => hand::answer(200, r#"{"code":0,"data":null}"#),
        }
    }

    /// Whether a request that this answers may have been carried out, with nobody to tell.
    fn leaves_doubt(&self) -> bool {
        match self {
            Kind::Good { .. } | Kind::Code(_) => false,
            Kind::Bare(status) => *status == 200 || *status == 408 || *status >= 500,
            Kind::Empty => true,
        }
    }
}

impl Event {
    fn input(&self) -> Input {
        match self {
            Event::Wake | Event::Drop => Input::Wake,
            Event::Answer(kind) => kind.answer(),
            Event::Failed(0) => Input::Failed(TransportError::never_left("refused")),
            Event::Failed(1) => Input::Failed(TransportError::certificate("self-signed")),
            Event::Failed(2) => Input::Failed(TransportError::timed_out()),
            Event::Failed(3) => Input::Failed(TransportError::body_too_large()),
            Event::Failed(4) => Input::Failed(TransportError::redirected()),
            Event::Failed(_) => Input::Failed(TransportError::interrupted("reset")),
            Event::Stored(0) => Input::Stored(StoreResult::Busy),
            Event::Stored(1) => Input::Stored(StoreResult::Failed("broken".to_owned())),
            Event::Stored(_) => Input::Stored(StoreResult::Loaded(Some(StoredToken::new(
                Account::new("https://open-api.123pan.com", "id"),
                "stored",
                None,
                Skew::Ahead(Duration::MAX),
            )))),
        }
    }

    fn leaves_doubt(&self) -> bool {
        match self {
            Event::Wake | Event::Stored(_) => true,
            Event::Answer(kind) => kind.leaves_doubt(),
            Event::Failed(how) => *how >= 2,
            Event::Drop => false,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        4 => (select(vec![0, 1, 2, 3, 13]), 0..=100_u8)
            .prop_map(|(status, percent)| Kind::Good { status, percent }),
        4 => select(vec![401, 429, 42902, 1, 5066]).prop_map(Kind::Code),
        2 => select(vec![200, 301, 401, 404, 408, 429, 502]).prop_map(Kind::Bare),
        1 => Just(Kind::Empty),
    ];
    prop_oneof![
        6 => Just(Event::Wake),
        8 => kind.prop_map(Event::Answer),
        3 => (0..6_u8).prop_map(Event::Failed),
        1 => (0..3_u8).prop_map(Event::Stored),
        1 => Just(Event::Drop),
    ]
}

/// The times between events: mostly short, now and then very long.
fn pause() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => (0..1500_u64).prop_map(millis),
        2 => (0..60_u64).prop_map(secs),
        1 => (0..40_000_u64).prop_map(secs),
    ]
}

/// A machine in the crowd, and what must hold of it.
#[derive(Debug)]
enum Player {
    Create {
        call: Box<Call<CreatedDownload>>,
        in_flight: bool,
        ended: bool,
    },
    Poll(Box<Call<Progress>>),
    User(Box<Call<UserInfo>>),
    Watch {
        watch: Box<Watch>,
        ended: bool,
    },
    ToEnd(Box<WatchToEnd>),
    Refresh(Box<Refresh>),
}

/// What the last step asked for, as far as it matters here.
fn won<T>(step: Step<T>) -> Option<Player> {
    match step {
        Step::Refresh(refresh) => Some(Player::Refresh(Box::new(refresh))),
        _ => None,
    }
}

impl Player {
    /// Resumes it; a refresh that it won joins the crowd.
    fn play(&mut self, now: Now, event: &Event) -> Option<Player> {
        let input = event.input();
        match self {
            Player::Create {
                call,
                in_flight,
                ended,
            } => {
                let doubtful = *in_flight && event.leaves_doubt();
                let step = call.resume(now, input);
                *in_flight = matches!(step, Step::Transmit(_));
                check_create(&step, doubtful, *ended);
                *ended |= matches!(step, Step::Ready(_));
                won(step)
            }
            Player::Poll(call) => won(call.resume(now, input)),
            Player::User(call) => won(call.resume(now, input)),
            Player::Watch { watch, ended } => {
                let step = watch.resume(now, input);
                if *ended {
                    assert!(matches!(step, Step::Ready(None)), "{step:?}");
                }
                *ended |= is_end(&step);
                won(step)
            }
            Player::ToEnd(watch) => won(watch.resume(now, input)),
            Player::Refresh(refresh) => won(refresh.resume(now, input)),
        }
    }
}

fn check_create(step: &Step<Result<CreatedDownload, Error>>, doubtful: bool, ended: bool) {
    match step {
        Step::Ready(Err(Error::Ambiguous(ambiguous))) => {
            assert!(doubtful, "nothing was in doubt: {ambiguous:?}");
            assert_eq!(ambiguous.download(), Some(download()));
        }
        Step::Ready(Err(Error::Finished)) => assert!(ended),
        other => assert!(!doubtful && !ended, "{other:?}"),
    }
}

fn is_end(step: &Step<Option<Result<WatchEvent, WatchError>>>) -> bool {
    match step {
        Step::Ready(None | Some(Err(_))) => true,
        Step::Ready(Some(Ok(WatchEvent::Progress(progress)))) => progress.status.is_final(),
        _ => false,
    }
}

fn players(session: &Session) -> Vec<Player> {
    let create = |_| Player::Create {
        call: Box::new(session.call(&download()).unwrap()),
        in_flight: false,
        ended: false,
    };
    let policy = WatchPolicy::default().failed_polls(3);
    let mut all: Vec<_> = (0..3).map(create).collect();
    all.push(Player::Poll(Box::new(session.call(&progress()).unwrap())));
    all.push(Player::User(Box::new(session.call(&GetUserInfo).unwrap())));
    all.push(Player::Watch {
        watch: Box::new(session.watch(task(), policy.clone())),
        ended: false,
    });
    let to_end = session.watch(task(), policy).to_end();
    all.push(Player::ToEnd(Box::new(to_end)));
    all
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn any_inputs_in_any_order(
        seed in any::<u64>(),
        given in any::<bool>(),
        script in prop::collection::vec((any::<Index>(), pause(), event()), 1..150),
    ) {
        let session = if given { fixed() } else { builder().seed(seed).build().unwrap() };
        let mut players = players(&session);
        let mut time = Duration::ZERO;
        for (who, pause, event) in script {
            if players.is_empty() {
                break;
            }
            time += pause;
            let who = who.index(players.len());
            if let Event::Drop = event {
                drop(players.swap_remove(who));
                continue;
            }
            let joined = players[who].play(at(time), &event);
            players.extend(joined);
        }
        let shown = format!("{players:?}");
        prop_assert!(!shown.contains("client-secret"));
    }
}
