//! The pace of each class, its hold-offs, its priorities.

use std::time::Duration;

use crate::support::server::LATENCY;
use crate::support::single;
use crate::support::{
    Outcome, Reply, World, at, fixed, gaps, millis, numbered_task, path, progress, routine, secs,
    session,
};
use pan123_proto::offline::{CreatedDownload, Download, GetDownloadProgress, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Call, Endpoint, Error, ErrorCode, ErrorKind, PaceStatus, Pacing, Session};

const HOUR: Duration = secs(3600);

/// A create with a number.
fn create(session: &Session, number: usize) -> Call<CreatedDownload> {
    let download = Download::new(format!("https://example.com/{number}")).unwrap();
    session.call(&download).unwrap().timeout(10 * HOUR)
}

fn create_many(
    world: &mut World,
    session: &Session,
    calls: usize,
) -> Vec<Outcome<Result<CreatedDownload, Error>>> {
    let start = |number| world.start(create(session, number));
    (0..calls).map(start).collect()
}

/// Which creates were sent, in their order.
fn order(world: &World) -> Vec<usize> {
    let number = |body: &[u8]| {
        let download: Download = serde_json::from_slice(body).unwrap();
        download.url().rsplit_once('/').unwrap().1.parse().unwrap()
    };
    let sent = world.sent_to(path::CREATE);
    sent.iter().map(|sent| number(&sent.body)).collect()
}

fn pace<E: Endpoint>(session: &Session, now: Duration) -> PaceStatus {
    session.pace(E::RATE, at(now).mono)
}

fn paced(pacing: Pacing) -> Session {
    let builder = Session::builder().access_token("t").pacing(pacing);
    builder.build().unwrap()
}

#[test]
fn each_class_keeps_its_own_pace() {
    let mut world = World::new(routine);
    let session = fixed();
    create_many(&mut world, &session, 10);
    for _ in 0..10 {
        world.start(session.call(&progress()).unwrap());
        world.start(session.call(&GetUserInfo).unwrap());
    }
    world.run();
    assert_eq!(gaps(&world.times(path::CREATE)), [secs(1); 9]);
    assert_eq!(gaps(&world.times(path::PROGRESS)), [millis(200); 9]);
    assert_eq!(gaps(&world.times(path::USER_INFO)), [millis(100); 9]);
    assert_eq!(order(&world), (0..10).collect::<Vec<_>>());
    for path in [path::CREATE, path::PROGRESS, path::USER_INFO] {
        assert_eq!(world.times(path)[0], Duration::ZERO);
    }
}

#[test]
fn pace_may_be_slower_than_one_a_second_or_off() {
    let slow = Pacing::default().every(Download::RATE, secs(5));
    let free = Pacing::default().every(Download::RATE, Duration::ZERO);
    for (pacing, gap) in [
        (slow, secs(5)),
        (free, Duration::ZERO),
        (Pacing::off(), Duration::ZERO),
    ] {
        let mut world = World::new(routine);
        create_many(&mut world, &paced(pacing), 5);
        world.run();
        assert_eq!(gaps(&world.times(path::CREATE)), [gap; 4]);
    }
}

#[test]
fn no_burst_follows_a_suspend() {
    let mut world = World::new(routine);
    let session = fixed();
    let created = create_many(&mut world, &session, 21);
    world.run_until(millis(500));
    world.suspend(HOUR);
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = world.times(path::CREATE);
    assert_eq!(times[1], HOUR + millis(500), "the first goes at once");
    assert_eq!(gaps(&times[1..]), [secs(1); 19]);
    assert_eq!(order(&world), (0..21).collect::<Vec<_>>());
}

#[test]
fn hold_off_keeps_the_order_of_its_class_and_spares_others() {
    let mut world = World::new(|view, request| {
        if request.uri().path() == path::CREATE && view.count(path::CREATE) == 2 {
            return Reply::code(429, "请求太频繁").header("retry-after", "10");
        }
        routine(view, request)
    });
    let session = fixed();
    let created = create_many(&mut world, &session, 8);
    for _ in 0..50 {
        world.start(session.call(&progress()).unwrap());
    }
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    assert_eq!(order(&world), [0, 1, 2, 2, 3, 4, 5, 6, 7]);
    let times = world.times(path::CREATE);
    assert_eq!(times[3], times[2] + LATENCY + secs(10));
    assert_eq!(gaps(&times[3..]), [secs(2); 5], "more slowly, and no burst");
    assert_eq!(gaps(&world.times(path::PROGRESS)), [millis(200); 49]);
}

#[test]
fn late_429_does_not_extend_the_hold_off() {
    let mut world = World::new(|view, request| {
        let refusal = Reply::code(429, "请求太频繁").header("retry-after", "5");
        match view.earlier.len() {
            0 => refusal.after(secs(1)),
            1 => refusal.after(secs(3)),
            _ => routine(view, request),
        }
    });
    let session = fixed();
    for _ in 0..8 {
        let call = session.call(&progress()).unwrap();
        world.start(call);
    }
    world.run_until(secs(4));
    let times: Vec<_> = [0, 200, 400, 600, 800].map(millis).to_vec();
    assert_eq!(world.times(path::PROGRESS), times);
    assert_eq!(
        pace::<GetDownloadProgress>(&session, secs(4)).interval,
        millis(400)
    );
    world.run();
    let rest = &world.times(path::PROGRESS)[5..];
    let others = [6000, 6400, 6800, 7200].map(millis);
    assert_eq!(rest[..4], others, "the class is not held off once more");
    assert_eq!(rest[4..], [millis(8200)], "but the rejected call waits");
}

#[test]
fn pace_recovers_a_minute_after_the_hold_off() {
    let mut world = World::new(|view, request| match view.count(path::CREATE) {
        0 => Reply::code(429, "请求太频繁").header("retry-after", "10"),
        _ => routine(view, request),
    });
    let session = fixed();
    create_many(&mut world, &session, 1);
    world.run();
    let end = LATENCY + secs(10 + 60);
    let before = pace::<Download>(&session, secs(10 + 60)).interval;
    let after = pace::<Download>(&session, end).interval;
    assert_eq!((before, after), (secs(2), secs(1)));
    world.run_until(end);
    create_many(&mut world, &session, 3);
    world.run();
    assert_eq!(gaps(&world.times(path::CREATE)[2..]), [secs(1); 2]);
}

#[test]
fn unpaced_class_is_paced_after_a_429() {
    let mut world = World::new(|view, request| match view.count(path::CREATE) {
        0..8 => Reply::code(429, "请求太频繁").header("retry-after", "3"),
        _ => routine(view, request),
    });
    let session = paced(Pacing::off());
    let created = create_many(&mut world, &session, 8);
    world.run();
    assert!(created.iter().all(|one| one.get().is_ok()));
    let times = &world.times(path::CREATE)[8..];
    assert!(times[0] >= secs(3) + LATENCY);
    assert!(gaps(times).iter().all(|gap| *gap >= millis(100)));
}

#[test]
fn dropped_call_frees_its_slot_for_the_next_booking() {
    for next_comes in [true, false] {
        let mut world = World::new(routine);
        let session = fixed();
        let created = create_many(&mut world, &session, 4);
        world.run_until(millis(500));
        world.abandon(&created[1]);
        let expected = if next_comes {
            world.start(create(&session, 4));
            vec![0, 4, 2, 3]
        } else {
            vec![0, 2, 3]
        };
        world.run();
        assert_eq!(order(&world), expected);
        let times: Vec<_> = if next_comes {
            [0, 1, 2, 3].map(secs).to_vec()
        } else {
            [0, 2, 3].map(secs).to_vec()
        };
        assert_eq!(world.times(path::CREATE), times);
    }
}

#[test]
fn slot_past_the_deadline_is_not_booked() {
    let mut world = World::new(routine);
    let session = fixed();
    let hurried: Vec<_> = (0..200)
        .map(|number| world.start(create(&session, number).timeout(millis(10_500))))
        .collect();
    world.run_until(Duration::ZERO);
    let refused: Vec<_> = hurried.iter().filter(|one| one.is_there()).collect();
    assert_eq!(
        refused.len(),
        190,
        "those who cannot be served know at once"
    );
    for (nth, one) in (0..).zip(refused) {
        let error = one.get().unwrap_err();
        assert!(error.is_retryable() && error.http_status().is_none());
        let Error::QueueTooLong {
            ahead, retry_after, ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(retry_after, secs(10 + nth));
        assert_eq!(ahead as u64, 9 + nth);
    }
    assert_eq!(pace::<Download>(&session, Duration::ZERO).waiting, 9);
    world.output_of(create(&session, 200)).unwrap();
    assert_eq!(*world.times(path::CREATE).last().unwrap(), secs(10));
}

/// What 200 creates at once come to, and the waits of those that were refused.
fn crowd(mut world: World, session: &Session) -> (usize, Vec<Duration>, World) {
    let crowd: Vec<_> = (0..200)
        .map(|_| world.start(single::create(session)))
        .collect();
    world.run();
    let results: Vec<_> = crowd.iter().map(Outcome::get).collect();
    let refused = results.iter().filter_map(|result| match result {
        Err(Error::QueueTooLong { retry_after, .. }) => Some(*retry_after),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    });
    let waits: Vec<_> = refused.collect();
    (results.len() - waits.len(), waits, world)
}

#[test]
fn creates_at_once_all_succeed_unless_a_timeout_was_set() {
    let (created, _, world) = crowd(World::new(routine), &fixed());
    assert_eq!(created, 200);
    assert_eq!(gaps(&world.times(path::CREATE)), [secs(1); 199]);

    let builder = Session::builder().access_token("t");
    let session = builder.call_timeout(secs(120)).build().unwrap();
    let (created, waits, mut world) = crowd(World::new(routine), &session);
    assert_eq!(created, 120);
    let expected: Vec<_> = (120..200).map(secs).collect();
    assert_eq!(waits, expected, "each another one, from the start");
    // Those who come back when they were told have their turn at once.
    for wait in waits {
        world.run_until(wait);
        world.start(single::create(&session));
    }
    world.run();
    assert_eq!(gaps(&world.times(path::CREATE)), [secs(1); 199]);
}

#[test]
fn only_the_first_turn_of_a_create_is_free() {
    let held_off = |wait: &'static str| Reply::code(429, "请求太频繁").header("retry-after", wait);
    // How long the token endpoint asks to wait once, and the service each time to how many creates; how many succeed.
    for (token, service, refusals, succeed) in [
        ("85", "0", 0, 200),
        ("125", "0", 0, 0),
        ("0", "110", 1, 200),
        ("70", "60", 1, 0),
        ("0", "70", 2, 0),
    ] {
        let mut world = World::new(move |view, request| {
            let number = view.count(request.uri().path());
            match request.uri().path() {
                path::TOKEN if number == 0 && token != "0" => held_off(token),
                path::CREATE if number < refusals => held_off(service),
                _ => routine(view, request),
            }
        });
        let session = session();
        let crowd: Vec<_> = (0..200)
            .map(|_| world.start(single::create(&session)))
            .collect();
        world.run();
        let succeeded = crowd.iter().filter(|one| match one.get() {
            Ok(_) => true,
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.code(), Some(ErrorCode::RateLimited), "{text}");
                false
            }
        });
        assert_eq!(succeeded.count(), succeed, "{token}, {service}");
    }
}

#[test]
fn turn_of_a_read_counts() {
    let pacing = Pacing::default().every(GetDownloadProgress::RATE, secs(1));
    let session = paced(pacing);
    let mut world = World::new(routine);
    let asked: Vec<_> = (0..200)
        .map(|_| world.start(session.call(&progress()).unwrap()))
        .collect();
    world.run();
    let (served, refused): (Vec<_>, Vec<_>) = asked
        .iter()
        .map(Outcome::timed)
        .partition(|(_, result)| result.is_ok());
    assert_eq!(served.len(), 120, "at 0 s, …, 119 s");
    for (when, result) in refused {
        let kind = result.unwrap_err().kind();
        assert_eq!((when, kind), (Duration::ZERO, ErrorKind::QueueTooLong));
    }
}

#[test]
fn call_is_not_starved_by_a_thousand_watches() {
    let mut world = World::new(routine);
    let session = fixed();
    for number in 1..=1000 {
        let task = numbered_task(number);
        world.follow(session.watch(task, WatchPolicy::default().deadline(secs(600))));
    }
    world.run_until(secs(10));
    assert!(pace::<GetDownloadProgress>(&session, secs(10)).waiting > 900);
    for nth in 0..5 {
        let asked = world.start(session.call(&progress()).unwrap());
        world.run_until(secs(11 + nth));
        let (when, result) = asked.timed();
        result.unwrap();
        assert!(when <= secs(10 + nth) + millis(400) + LATENCY, "{when:?}");
    }
    world.run_until(secs(220));
    let asked = |number: u64| {
        let query = format!("taskID={number}");
        let sent = world.sent_to(path::PROGRESS);
        sent.iter()
            .any(|sent| sent.query.as_deref() == Some(&query))
    };
    assert!((1..=1000).all(asked), "every watch has polled by then");
    assert!(
        gaps(&world.times(path::PROGRESS))
            .iter()
            .all(|gap| *gap >= millis(200))
    );
}

#[test]
fn pace_reports_interval_and_queue() {
    let mut world = World::new(routine);
    let session = fixed();
    let idle = pace::<Download>(&session, Duration::ZERO);
    assert_eq!((idle.waiting, idle.wait), (0, Duration::ZERO));
    create_many(&mut world, &session, 4);
    world.run_until(millis(500));
    let busy = pace::<Download>(&session, millis(500));
    assert_eq!(busy.interval, secs(1));
    assert_eq!((busy.waiting, busy.wait), (3, millis(3500)));
}
