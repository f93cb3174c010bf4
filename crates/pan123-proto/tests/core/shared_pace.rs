//! One pace for several sessions, which stand for processes and machines.

use std::time::Duration;

use fastrand::Rng;
use pan123_proto::offline::{GetDownloadProgress, WatchError, WatchEvent, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{
    Endpoint, ErrorCode, ErrorKind, GateEvent, Input, Machine, PaceOp, PaceResult, Pacing,
    Priority, Session, Step,
};

use crate::support::server::LATENCY;
use crate::support::shared_pace::{PaceStore, ROUND_TRIP, least_gap};
use crate::support::single;
use crate::support::{
    Outcome, Reply, ServerView, World, at, builder, download, fixed, gaps, hand, millis, path,
    progress, routine, secs, task,
};

const HOUR: Duration = secs(3600);
/// A session that shares its pace.
fn sharing() -> Session {
    let builder = Session::builder().access_token("t");
    builder.share_pace(true).build().unwrap()
}

fn world(store: &PaceStore) -> World {
    World::new(routine).hooks(store.clone())
}

fn creates(world: &mut World, session: &Session, number: usize) -> Vec<Outcome<single::Created>> {
    (0..number)
        .map(|_| world.start(single::create(session)))
        .collect()
}

/// When slots were asked for.
fn reservations(store: &PaceStore) -> Vec<Duration> {
    let ops = store.ops().into_iter();
    ops.filter(|(_, op)| matches!(op, PaceOp::Reserve { .. }))
        .map(|(at, _)| at)
        .collect()
}

fn hold_offs(store: &PaceStore) -> usize {
    let ops = store.ops().into_iter();
    ops.filter(|(_, op)| matches!(op, PaceOp::HoldOff { .. }))
        .count()
}

#[test]
fn sessions_that_share_keep_one_pace() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let sessions: Vec<_> = (0..8).map(|_| sharing()).collect();
    let created: Vec<_> = sessions
        .iter()
        .flat_map(|session| creates(&mut world, session, 5))
        .collect();
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = world.times(path::CREATE);
    assert!(gaps(&times).iter().all(|gap| *gap >= secs(1)), "{times:?}");
    assert!(world.now() < secs(42), "no slot is lost: {:?}", world.now());
    assert_eq!(
        reservations(&store).len(),
        40,
        "one reservation for each request"
    );
}

#[test]
fn sessions_that_do_not_share_ask_nothing() {
    let store = PaceStore::default();
    let mut world = world(&store);
    creates(&mut world, &fixed(), 3);
    world.run();
    assert!(store.ops().is_empty());
}

#[test]
fn unlimited_class_asks_nothing() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let builder = Session::builder().access_token("t").pacing(Pacing::off());
    let session = builder.share_pace(true).build().unwrap();
    creates(&mut world, &session, 3);
    world.run();
    assert!(store.ops().is_empty());
    assert_eq!(world.times(path::CREATE), [Duration::ZERO; 3]);
}

#[test]
fn only_the_head_of_a_queue_reserves() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let created = creates(&mut world, &sharing(), 100);
    world.run_until(millis(9_500));
    assert_eq!(reservations(&store).len(), 10);
    for one in created.iter().skip(10) {
        world.abandon(one);
    }
    world.run();
    assert_eq!(
        reservations(&store).len(),
        10,
        "nothing is reserved for those who left"
    );
}

#[test]
fn classes_do_not_wait_for_each_other() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let session = sharing();
    creates(&mut world, &session, 5);
    for _ in 0..5 {
        world.start(session.call(&progress()).unwrap());
        world.start(session.call(&GetUserInfo).unwrap());
    }
    world.run();
    // Each slot is a little longer than the interval, so that a request may be late.
    for (path, gap) in [
        (path::CREATE, millis(1_050)),
        (path::PROGRESS, millis(210)),
        (path::USER_INFO, millis(110)),
    ] {
        assert_eq!(world.times(path)[0], ROUND_TRIP);
        assert_eq!(gaps(&world.times(path)), [gap; 4], "{path}");
    }
}

#[test]
fn slot_goes_to_whoever_is_first_in_the_queue_then() {
    let store = PaceStore::default();
    // Another machine takes five slots first.
    let class = GetDownloadProgress::RATE;
    for _ in 0..5 {
        let every = class.interval();
        store.answer(Duration::ZERO, &PaceOp::Reserve { class, every });
    }
    let mut world = world(&store);
    let session = sharing();
    let low = session.call(&progress()).unwrap().priority(Priority::Low);
    let low = world.start(low);
    world.run_until(millis(500));
    let high = world.start(session.call(&progress()).unwrap());
    world.run();
    let (high, low) = (high.timed().0, low.timed().0);
    assert!(high < low, "{high:?} {low:?}");
    assert_eq!(world.times(path::PROGRESS)[0], secs(1) + ROUND_TRIP);
}

#[test]
fn call_whose_slot_comes_too_late_ends_and_leaves_it_to_others() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let [first, second] = [(); 2].map(|()| sharing());
    creates(&mut world, &first, 1);
    world.run();
    let hurried = world.start(single::create(&second).timeout(millis(1_500)));
    let patient = world.start(single::create(&second));
    world.run();
    let error = hurried.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueueTooLong, "{error}");
    patient.get().unwrap();
}

#[test]
fn hold_off_is_told_to_the_others() {
    let store = PaceStore::default();
    let refusal = |view: &ServerView<'_>, request: &http::Request<bytes::Bytes>| {
        if view.count(path::CREATE) == 2 && request.uri().path() == path::CREATE {
            return Reply::code(429, "请求太频繁").header("retry-after", "30");
        }
        routine(view, request)
    };
    let mut world = World::new(refusal).hooks(store.clone());
    let sessions: Vec<_> = (0..3).map(|_| sharing()).collect();
    let created: Vec<_> = sessions
        .iter()
        .flat_map(|session| creates(&mut world, session, 4))
        .collect();
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = world.times(path::CREATE);
    // The slots that two others had when the 429 came are used; then nobody sends for as long as the service asked.
    let held_off = times[2] + LATENCY + secs(30);
    let meanwhile = times.iter().filter(|at| (times[2]..held_off).contains(at));
    assert_eq!(meanwhile.count(), 1 + 2);
    let rest: Vec<_> = times.iter().copied().filter(|at| *at >= held_off).collect();
    assert_eq!(rest.len(), 8);
    assert!(
        gaps(&rest).iter().all(|gap| *gap >= secs(2)),
        "and all are slower for a while: {rest:?}"
    );
    assert_eq!(hold_offs(&store), 1);
}

#[test]
fn rejection_of_a_slot_from_before_the_hold_off_holds_nobody_off_again() {
    let store = PaceStore::default();
    let refusal = |view: &ServerView<'_>, request: &http::Request<bytes::Bytes>| {
        if (1..4).contains(&view.count(path::CREATE)) && request.uri().path() == path::CREATE {
            return Reply::code(429, "请求太频繁").header("retry-after", "10");
        }
        routine(view, request)
    };
    let mut world = World::new(refusal).hooks(store.clone());
    let sessions: Vec<_> = (0..3).map(|_| sharing()).collect();
    let created: Vec<_> = sessions
        .iter()
        .flat_map(|session| creates(&mut world, session, 3))
        .collect();
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = world.times(path::CREATE);
    let first_refusal = times[1] + LATENCY;
    assert_eq!(hold_offs(&store), 3, "each tells what it saw");
    assert!(times[4] >= first_refusal + secs(10));
    assert!(times[4] < first_refusal + millis(10_100), "{times:?}");
}

#[test]
fn nothing_is_sent_while_the_pace_is_unavailable() {
    let store = PaceStore::default().down(secs(2), secs(300));
    let mut world = world(&store);
    let session = sharing();
    let created: Vec<_> = (0..5)
        .map(|_| world.start(single::create(&session).timeout(HOUR)))
        .collect();
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = world.times(path::CREATE);
    assert!(times[1] < secs(2) && times[2] >= secs(300), "{times:?}");
    assert!(
        times[2] < secs(306),
        "it is asked again every few seconds: {times:?}"
    );
    let asked = reservations(&store).len();
    assert!((5 + 60..5 + 70).contains(&asked), "asked {asked} times");
}

#[test]
fn create_does_not_wait_for_ever_while_the_pace_is_unavailable() {
    let store = PaceStore::default().down(Duration::ZERO, HOUR);
    let mut world = world(&store);
    let created = creates(&mut world, &sharing(), 3);
    world.run_until(secs(200));
    for one in created {
        let (when, result) = one.timed();
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
        assert_eq!(error.root().kind(), ErrorKind::SharedPace, "{error}");
        assert!(error.is_retryable());
        assert!(error.to_string().contains("connection refused"), "{error}");
        assert!((secs(119)..secs(126)).contains(&when), "{when:?}");
    }
    assert!(world.sent().is_empty());
}

#[test]
fn watch_stands_still_while_the_pace_is_unavailable() {
    let store = PaceStore::default().down(secs(60), 3 * HOUR);
    let succeeds = |view: &ServerView<'_>, request: &http::Request<bytes::Bytes>| {
        if view.at < secs(60) {
            return Reply::data(serde_json::json!({"process": 10, "status": 0}));
        }
        match request.uri().path() {
            path::PROGRESS => Reply::data(serde_json::json!({"process": 100, "status": 2})),
            _ => routine(view, request),
        }
    };
    for (deadline, ends) in [(HOUR, true), (secs(30), false)] {
        let mut world = World::new(succeeds).hooks(store.clone());
        let policy = WatchPolicy::default().deadline(deadline);
        let watch = world.output_of(sharing().watch(task(), policy).to_end());
        match watch {
            Ok(_) => assert!(ends),
            Err(error) => {
                assert!(
                    matches!(error, WatchError::Deadline { .. }) && !ends,
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn watch_that_stood_still_tells_no_failed_poll_and_ends_later_by_the_outage() {
    let store = PaceStore::default().down(secs(3000), secs(5000));
    let running = |_: &ServerView<'_>, _: &http::Request<bytes::Bytes>| {
        Reply::data(serde_json::json!({"process": 10, "status": 0}))
    };
    let mut world = World::new(running).hooks(store);
    let policy = WatchPolicy::default()
        .deadline(HOUR)
        .stall_timeout(10 * HOUR);
    let items = world.follow(sharing().watch(task(), policy));
    world.run();
    let mut items = items.all();
    assert!(items.pop().is_some_and(|(_, end)| end.is_none()));
    let (end, last) = items.pop().unwrap();
    assert!(matches!(last, Some(Err(WatchError::Deadline { .. }))));
    let all_progress = |(_, item): &(_, _)| matches!(item, Some(Ok(WatchEvent::Progress(_))));
    assert!(items.iter().all(all_progress));
    assert!(
        (HOUR + secs(1980)..HOUR + secs(2010)).contains(&end),
        "{end:?}"
    );
}

#[test]
fn slot_within_a_hold_off_is_given_up() {
    let session = sharing();
    let reserved = |wait| Input::Paced(PaceResult::Reserved(wait));
    let mut first = single::create(&session);
    first.resume(at(Duration::ZERO), Input::Wake);
    let sent = first.resume(at(Duration::ZERO), reserved(Duration::ZERO));
    assert!(matches!(sent, Step::Transmit(_)));
    let mut second = single::create(&session);
    second.resume(at(secs(1)), Input::Wake);
    let step = second.resume(at(secs(1)), reserved(millis(900)));
    assert!(matches!(step, Step::Wait(_)));
    let rejection = http::Response::builder()
        .status(429)
        .header("retry-after", "1");
    let rejection = rejection.body(bytes::Bytes::new()).unwrap();
    let step = first.resume(at(millis(1_500)), Input::Response(rejection));
    assert!(
        matches!(step, Step::Pace(PaceOp::HoldOff { .. })),
        "{step:?}"
    );
    // In a queue of its own it would be its turn, with a slot that is still good.
    let step = second.resume(at(millis(2_600)), Input::Wake);
    assert!(
        matches!(step, Step::Pace(PaceOp::Reserve { .. })),
        "{step:?}"
    );
}

#[test]
fn fault_that_lasts_ends_the_call_at_once() {
    for (answer, text) in [
        (
            Input::Paced(PaceResult::Failed("no such table".to_owned())),
            "the shared pace failed: no such table",
        ),
        (
            Input::Paced(PaceResult::Unsupported),
            "this driver has none",
        ),
        (
            Input::Paced(PaceResult::HeldOff),
            "the result of another operation",
        ),
    ] {
        let mut call = single::create(&sharing());
        let now = at(Duration::ZERO);
        assert!(matches!(call.resume(now, Input::Wake), Step::Pace(_)));
        let error = hand::ready(call.resume(now, answer)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SharedPace);
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn driver_that_answers_nothing_is_asked_again() {
    let mut call = single::create(&sharing());
    let now = at(Duration::ZERO);
    for _ in 0..3 {
        let step = call.resume(now, Input::Wake);
        assert!(matches!(step, Step::Pace(PaceOp::Reserve { .. })));
    }
    let reserved = Input::Paced(PaceResult::Reserved(Duration::ZERO));
    assert!(matches!(call.resume(now, reserved), Step::Transmit(_)));
}

#[test]
fn answer_to_nobody_reserves_nothing() {
    let mut call = single::create(&sharing());
    let reserved = || Input::Paced(PaceResult::Reserved(Duration::ZERO));
    let step = call.resume(at(Duration::ZERO), reserved());
    assert!(matches!(step, Step::Pace(_)), "{step:?}");
}

#[test]
fn caller_that_leaves_while_it_asks_makes_room_for_the_next() {
    let session = sharing();
    let now = at(Duration::ZERO);
    let mut first = single::create(&session);
    let mut second = single::create(&session);
    assert!(matches!(first.resume(now, Input::Wake), Step::Pace(_)));
    // The local pace would allow the second one a second later.
    let later = at(secs(1));
    let Step::Wait(wait) = second.resume(later, Input::Wake) else {
        panic!("somebody asks already");
    };
    drop(first);
    assert!(wait.signal.wait_until(later.mono), "it was not woken");
    assert!(matches!(second.resume(later, Input::Wake), Step::Pace(_)));
}

#[test]
fn those_who_wait_for_an_answer_to_another_are_woken() {
    let session = sharing();
    let mut first = single::create(&session);
    let mut second = single::create(&session);
    assert!(matches!(
        first.resume(at(Duration::ZERO), Input::Wake),
        Step::Pace(_)
    ));
    let later = at(secs(1));
    let Step::Wait(wait) = second.resume(later, Input::Wake) else {
        panic!("somebody asks already");
    };
    let reserved = Input::Paced(PaceResult::Reserved(secs(5)));
    first.resume(later, reserved);
    assert!(wait.signal.wait_until(later.mono), "it was not woken");
    match second.resume(later, Input::Wake) {
        Step::Wait(wait) => assert_eq!(wait.until, at(secs(7)).mono),
        other => panic!("{other:?}"),
    }
}

#[test]
fn slot_that_has_passed_is_not_used() {
    for (late, sends) in [(millis(49), true), (millis(50), false), (HOUR, false)] {
        let mut call = single::create(&sharing()).timeout(10 * HOUR);
        let now = at(Duration::ZERO);
        assert!(matches!(call.resume(now, Input::Wake), Step::Pace(_)));
        let reserved = Input::Paced(PaceResult::Reserved(secs(10)));
        assert!(matches!(call.resume(now, reserved), Step::Wait(_)));
        let step = call.resume(at(secs(10) + late), Input::Wake);
        assert_eq!(matches!(step, Step::Transmit(_)), sends, "{step:?}");
        assert_eq!(matches!(step, Step::Pace(_)), !sends, "{step:?}");
    }
}

#[test]
fn token_fetch_takes_its_turn_too() {
    let store = PaceStore::default();
    let mut world = world(&store);
    let session = builder().share_pace(true).build().unwrap();
    world.output_of(single::create(&session)).unwrap();
    let ops = store.ops();
    let classes: Vec<_> = ops.iter().map(|(_, op)| op.class().name()).collect();
    assert_eq!(classes.len(), 2, "{classes:?}");
    assert_ne!(classes[0], classes[1]);
}

#[test]
fn gated_call_whose_slot_grew_old_waits_for_another() {
    let session = sharing();
    let mut call = session.call(&download()).unwrap().gated();
    let reserved = |wait| Input::Paced(PaceResult::Reserved(wait));
    assert!(matches!(
        call.resume(at(Duration::ZERO), Input::Wake),
        Step::Pace(_)
    ));
    let step = call.resume(at(Duration::ZERO), reserved(Duration::ZERO));
    assert!(matches!(step, Step::Ready(GateEvent::AtGate)));
    call.proceed();
    let step = call.resume(at(secs(2)), Input::Wake);
    assert!(matches!(step, Step::Pace(_)), "{step:?}");
    let step = call.resume(at(secs(2)), reserved(secs(3)));
    assert!(matches!(step, Step::Wait(_)), "{step:?}");
    let step = call.resume(at(secs(5)), Input::Wake);
    assert!(matches!(step, Step::Transmit(_)), "{step:?}");
}

#[test]
fn gated_call_is_not_sent_long_after_its_gate() {
    let session = sharing();
    let mut call = session
        .call(&download())
        .unwrap()
        .gated()
        .max_send_delay(secs(10));
    let reserved = |wait| Input::Paced(PaceResult::Reserved(wait));
    call.resume(at(Duration::ZERO), Input::Wake);
    call.resume(at(Duration::ZERO), reserved(Duration::ZERO));
    call.proceed();
    call.resume(at(secs(2)), Input::Wake);
    let step = call.resume(at(secs(2)), reserved(secs(9)));
    let Step::Ready(GateEvent::Ended(Err(error))) = step else {
        panic!("{step:?}");
    };
    assert_eq!(error.kind(), ErrorKind::GateExpired);
}

#[test]
fn any_number_of_sessions_keep_the_pace_whatever_happens() {
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let mut store = PaceStore::default().jitter(rng.fork());
        for _ in 0..rng.u8(0..3) {
            let from = secs(rng.u64(0..60));
            store = store.down(from, from + millis(rng.u64(0..20_000)));
        }
        let mut refusals = rng.fork();
        let mut world = World::new(move |view, request| {
            if refusals.u8(0..40) == 0 {
                return Reply::code(429, "请求太频繁").header("retry-after", "3");
            }
            routine(view, request)
        })
        .hooks(store.clone())
        .late_by_up_to(millis(rng.u64(0..1500)), seed);
        let sessions: Vec<_> = (0..rng.usize(1..9)).map(|_| sharing()).collect();
        let mut created = Vec::new();
        for step in 0..60 {
            world.run_until(secs(step));
            let session = &sessions[rng.usize(..sessions.len())];
            created.push(world.start(single::create(session).timeout(HOUR)));
            if rng.u8(0..10) == 0 {
                let one = created.swap_remove(rng.usize(..created.len()));
                world.abandon(&one);
            }
        }
        world.run();
        for one in &created {
            if let Err(error) = one.get() {
                let code = error.code();
                assert_eq!(code, Some(ErrorCode::RateLimited), "seed {seed}: {error}");
            }
        }
        let times = world.times(path::CREATE);
        assert!(least_gap(&times) >= secs(1), "seed {seed}: {times:?}");
    }
}
