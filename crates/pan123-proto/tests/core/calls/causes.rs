//! Wherever a call can end by time, its error says what failed last, or else what the call waited for.

use std::time::Duration;

use crate::support::oauth_service::{app, of, pair};
use crate::support::server::LATENCY;
use crate::support::single::{always, ask, create, first};
use crate::support::{
    Disk, Outcome, Plan, Reply, World, builder, fixed, millis, path, routine, secs,
};
use pan123_proto::offline::GetDownloadProgress;
use pan123_proto::{
    Endpoint, Error, ErrorKind, Pacing, RetryPolicy, Session, SessionBuilder, StoreOp, StoreResult,
    TransportError, WaitReason,
};

/// A call that ended with an error.
type Ended = (Duration, Error);

const TOO_MANY: fn() -> Reply = || Reply::code(429, "请求太频繁");
const HELD_OFF: fn() -> Reply = || Reply::http(429, "").header("retry-after", "200");

/// Goes on without a backoff for as long as its calls may take.
fn tireless(builder: SessionBuilder, call_timeout: Duration) -> Session {
    let endless = RetryPolicy::default()
        .max_attempts(u32::MAX)
        .initial_backoff(Duration::ZERO);
    let builder = builder.retry(endless).call_timeout(call_timeout);
    builder.build().unwrap()
}

fn ended<T: std::fmt::Debug>(outcome: &Outcome<Result<T, Error>>) -> Ended {
    let (when, result) = outcome.timed();
    (when, result.unwrap_err())
}

/// A call of two seconds that needs a token, in this world.
fn without_token(mut world: World, builder: SessionBuilder) -> Ended {
    let asked = world.start(ask(&tireless(builder, secs(2))));
    world.run_until(secs(2));
    ended(&asked)
}

/// A service that answers every request for a token with this.
fn refusing_tokens(reply: fn() -> Reply) -> World {
    World::new(move |view, request| match request.uri().path() {
        path::TOKEN | path::OAUTH => reply(),
        _ => routine(view, request),
    })
}

fn with_busy_store() -> World {
    let busy = |op: &StoreOp| matches!(op, StoreOp::Lock).then_some(StoreResult::Busy);
    World::new(routine).hooks(Disk::default().failing(busy))
}

fn with_refused_refresh() -> World {
    let disk = Disk::with_token(pair(1, Duration::ZERO));
    refusing_tokens(TOO_MANY).hooks(disk)
}

/// The second of two creates at once.
fn second_create(timeout: Duration) -> Ended {
    let mut world = World::new(routine);
    let session = fixed();
    world.start(create(&session));
    let second = world.start(create(&session).timeout(timeout));
    world.run();
    ended(&second)
}

/// A call that waits for a token, and then for a response that does not come.
fn unanswered(timeout: Duration) -> Ended {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::PROGRESS => Reply::hang(),
        _ => routine(view, request),
    });
    let asked = world.start(ask(&tireless(builder(), timeout)));
    world.run();
    ended(&asked)
}

/// A call that fails at once, and whose next turn comes after ten seconds.
fn failed_at_a_slow_pace(reply: fn() -> Reply) -> Ended {
    let pacing = Pacing::default().every(GetDownloadProgress::RATE, secs(10));
    let session = tireless(builder().pacing(pacing), secs(5));
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::PROGRESS => reply(),
        _ => routine(view, request),
    });
    let asked = world.start(ask(&session));
    world.run();
    ended(&asked)
}

/// A create whose token is rejected, and so is the next one.
fn rejected_create() -> Ended {
    let mut world = World::new(|view, request| match request.uri().path() {
        path::CREATE => Reply::code(401, "token is expired"),
        _ => routine(view, request),
    });
    let created = world.start(create(&tireless(builder(), secs(2))));
    world.run();
    ended(&created)
}

/// A call in a class that holds off because of another call.
fn held_off_by_another() -> Ended {
    let mut world = first(HELD_OFF());
    let session = fixed();
    world.start(ask(&session).timeout(secs(600)));
    world.run_until(secs(1));
    let asked = world.start(ask(&session));
    world.run();
    ended(&asked)
}

/// A create with the default deadline in a class that holds off again and again because of another create.
fn held_off_again_and_again() -> Ended {
    let mut world = always(|| Reply::http(429, "").header("retry-after", "50"));
    let session = fixed();
    world.start(create(&session).timeout(secs(3600)));
    world.run_until(millis(10));
    let created = world.start(create(&session));
    world.run();
    ended(&created)
}

fn alone(reply: fn() -> Reply, timeout: Duration) -> Ended {
    let mut world = always(reply);
    let session = tireless(Session::builder().access_token("t"), timeout);
    let asked = world.start(ask(&session));
    world.run();
    ended(&asked)
}

fn create_alone(reply: fn() -> Reply, timeout: Duration) -> Ended {
    let mut world = always(reply);
    let created = world.start(create(&fixed()).timeout(timeout));
    world.run();
    ended(&created)
}

/// What happens; the error; its time, its kind, what the call waited for, what the text says, and when to try again.
type Row = (
    &'static str,
    Ended,
    Duration,
    ErrorKind,
    Option<WaitReason>,
    &'static [&'static str],
    Option<Duration>,
);

/// The call waits for a token.
fn tokens() -> Vec<Row> {
    use ErrorKind::Deadline;
    use WaitReason::Token;
    let store = || builder().persist_token(true);
    let never_left = || Reply::failure(TransportError::never_left("refused"));
    vec![
        (
            "the token endpoint answers 429",
            without_token(refusing_tokens(TOO_MANY), builder()),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token", "请求太频繁"],
            None,
        ),
        (
            "the token endpoint answers 429 and asks to wait",
            without_token(
                refusing_tokens(|| Reply::http(429, "").header("retry-after", "60")),
                builder(),
            ),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token", "HTTP 429", "60.0s"],
            Some(secs(60)),
        ),
        (
            "the token endpoint fails",
            without_token(
                refusing_tokens(|| Reply::http(503, "").header("retry-after", "60")),
                builder(),
            ),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token", "HTTP 503", "60.0s"],
            Some(secs(60)),
        ),
        (
            "the token endpoint cannot be reached",
            without_token(refusing_tokens(never_left), builder()),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token", "could not be reached"],
            None,
        ),
        (
            "the token endpoint does not answer",
            without_token(refusing_tokens(Reply::hang), builder()),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token"],
            None,
        ),
        (
            "the fetch of another call is not run",
            without_token(World::new(routine).plan(|_| Plan::Leak), builder()),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token"],
            None,
        ),
        (
            "another process holds the store's lock",
            without_token(with_busy_store(), store()),
            secs(2),
            Deadline,
            Some(Token),
            &[
                "waited for an access token",
                "access token: the token store failed: another process holds the lock",
            ],
            None,
        ),
        (
            "the refresh of a pair is answered with 429",
            without_token(with_refused_refresh(), of(app())),
            secs(2),
            Deadline,
            Some(Token),
            &["waited for an access token", "请求太频繁"],
            None,
        ),
    ]
}

/// The call waits for its turn.
fn turns() -> Vec<Row> {
    use ErrorKind::{Deadline, QueueTooLong, RateLimited};
    use WaitReason::Pace;
    vec![
        (
            "the queue is too long",
            second_create(millis(1500)),
            Duration::ZERO,
            QueueTooLong,
            None,
            &["own pace", "one request every 1s", "0 ahead", "`Pacing`"],
            Some(secs(1)),
        ),
        (
            "the turn after a failure comes too late",
            failed_at_a_slow_pace(|| Reply::http(503, "")),
            2 * LATENCY,
            Deadline,
            Some(Pace),
            &["before its turn", "HTTP 503"],
            None,
        ),
        (
            "the turn after a rejected token comes too late",
            rejected_create(),
            // The second request for a token waits for its turn, too.
            millis(125) + LATENCY,
            Deadline,
            Some(Pace),
            &["before its turn", "token is expired"],
            None,
        ),
        (
            "the turn after a 429 comes too late",
            failed_at_a_slow_pace(TOO_MANY),
            2 * LATENCY,
            RateLimited,
            None,
            &["too many requests", "请求太频繁"],
            Some(millis(9950)),
        ),
        (
            "the service asks for a long wait",
            alone(HELD_OFF, secs(60)),
            LATENCY,
            RateLimited,
            None,
            &["too many requests", "200.0s", "HTTP 429"],
            Some(secs(200)),
        ),
        (
            "the service has asked another call for a long wait",
            held_off_by_another(),
            secs(1),
            RateLimited,
            None,
            &["too many requests", "HTTP 429"],
            // The other call goes first, and the class is slower after a 429.
            Some(secs(199) + LATENCY + millis(400)),
        ),
        (
            "the service asks another create to wait, again and again",
            held_off_again_and_again(),
            // Of this time, 4 s were waits for its turn, which took none of its own.
            secs(104) + 2 * LATENCY,
            RateLimited,
            None,
            &["too many requests", "HTTP 429"],
            Some(secs(54) + LATENCY),
        ),
    ]
}

/// The call waits for a response, or for another attempt.
fn attempts() -> Vec<Row> {
    use ErrorKind::{Ambiguous, Deadline};
    use WaitReason::Backoff;
    let busy = || Reply::http(503, "").header("retry-after", "200");
    vec![
        (
            "a backoff is too long",
            alone(busy, secs(60)),
            LATENCY,
            Deadline,
            Some(Backoff),
            &["before another attempt", "HTTP 503", "200.0s"],
            Some(secs(200)),
        ),
        (
            "a response does not come",
            unanswered(secs(5)),
            secs(5),
            Deadline,
            None,
            &["no time for another attempt", "timed out"],
            None,
        ),
        (
            "the response to a create does not come",
            create_alone(Reply::hang, secs(5)),
            secs(5),
            Ambiguous,
            None,
            &["timed out"],
            None,
        ),
        (
            "too little time is left for a create",
            create_alone(Reply::hang, millis(999)),
            Duration::ZERO,
            Deadline,
            None,
            &["too little time to send"],
            None,
        ),
    ]
}

#[test]
fn error_at_a_deadline_tells_its_cause() {
    for (place, (when, error), at, kind, waiting_for, says, retry_after) in
        [tokens(), turns(), attempts()].concat()
    {
        let text = error.to_string();
        let seen = match &error {
            Error::Deadline { waiting_for, .. } => *waiting_for,
            _ => None,
        };
        assert_eq!((error.kind(), seen), (kind, waiting_for), "{place}: {text}");
        assert!(when.abs_diff(at) <= millis(1), "{place}: {when:?}: {text}");
        for part in says {
            assert!(text.contains(part), "{place}: no {part:?} in {text:?}");
        }
        assert_eq!(error.retry_after(), retry_after, "{place}: {text}");
        assert_eq!(
            error.is_retryable(),
            kind != ErrorKind::Ambiguous,
            "{place}"
        );
    }
}
