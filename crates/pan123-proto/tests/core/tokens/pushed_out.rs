//! Tokens that other processes push out: when a call goes on with another token, and when its 401 is final.
//!
//! Final is the 401 of a token that was issued after the call's first 401. At most two stored tokens in a row are tried, and a
//! call causes at most one issue after its first 401.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::support::callers::get_user;
use crate::support::disk::Disk;
use crate::support::server::{issue_token, token_in};
use crate::support::{Reply, START, World, builder, path, routine, secs};
use pan123_proto::{Account, ClockSkew, Error, ErrorKind, Pacing, Session, StoredToken};

const DAY: Duration = secs(24 * 3600);
const PUSHED_OUT: &str = "tokens number has exceeded the limit";
/// At most so many tokens of one client id live at once.
const MAX_LIVE: usize = 3;

fn process() -> Session {
    let builder = builder().pacing(Pacing::off()).persist_token(true);
    builder.build().unwrap()
}

fn stored(value: &str) -> StoredToken {
    let account = Account::new("https://open-api.123pan.com", "client-id");
    let expired_at = SystemTime::UNIX_EPOCH + START + DAY;
    StoredToken::new(
        account,
        value,
        Some(expired_at),
        ClockSkew::Ahead(Duration::ZERO),
    )
}

/// What happens to the live tokens just before a request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    Nothing,
    Newest,
    All,
}

/// A request that arrived: for a token, with the number of the issued one; or for the user, with the token and whether it was
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Arrived {
    Issued(String),
    Accepted(String),
    Rejected(String),
}

/// A service that pushes tokens out by a plan, one entry a request.
fn world(plan: Vec<Push>, disk: &Disk) -> (World, Rc<RefCell<Vec<Arrived>>>) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let arrived = Rc::clone(&log);
    let mut live: Vec<String> = Vec::new();
    let mut issued = 0;
    let world = World::new(move |view, request| {
        let number = arrived.borrow().len();
        match plan.get(number) {
            Some(Push::Newest) => drop(live.pop()),
            Some(Push::All) => live.clear(),
            Some(Push::Nothing) | None => {}
        }
        if request.uri().path() == path::TOKEN {
            issued += 1;
            let token = format!("token-{issued}");
            live.push(token.clone());
            let oldest = live.len().saturating_sub(MAX_LIVE);
            live.drain(..oldest);
            arrived.borrow_mut().push(Arrived::Issued(token));
            return issue_token(view, issued, DAY);
        }
        let token = token_in(request.headers()).to_owned();
        if live.contains(&token) {
            arrived.borrow_mut().push(Arrived::Accepted(token));
            return routine(view, request);
        }
        arrived.borrow_mut().push(Arrived::Rejected(token));
        Reply::code(401, PUSHED_OUT)
    });
    (world.hooks(disk.clone()), log)
}

/// Checks one call by the requests that it caused.
fn check(result: &Result<(), Error>, requests: &[Arrived], case: &str) {
    let first_rejection = requests
        .iter()
        .position(|request| matches!(request, Arrived::Rejected(_)));
    let after = &requests[first_rejection.map_or(requests.len(), |at| at + 1)..];
    let issued_after: Vec<&String> = after
        .iter()
        .filter_map(|request| match request {
            Arrived::Issued(token) => Some(token),
            _ => None,
        })
        .collect();
    assert!(issued_after.len() <= 1, "{case}: {requests:?}");
    let stored_tries = after
        .iter()
        .filter(|request| match request {
            Arrived::Rejected(token) | Arrived::Accepted(token) => !issued_after.contains(&token),
            Arrived::Issued(_) => false,
        })
        .count();
    assert!(stored_tries <= 2, "{case}: {requests:?}");
    match result {
        Ok(()) => assert!(
            matches!(requests.last(), Some(Arrived::Accepted(_))),
            "{case}: {requests:?}"
        ),
        Err(error) if error.kind() == ErrorKind::Unauthorized => {
            let Some(Arrived::Rejected(last)) = requests.last() else {
                panic!("{case}: {requests:?}");
            };
            assert!(issued_after.contains(&last), "{case}: {requests:?}");
        }
        Err(error) => panic!("{case}: {error}"),
    }
}

/// All sequences of `length` choices.
fn sequences<T: Copy>(choices: &[T], length: usize) -> Vec<Vec<T>> {
    (0..length).fold(vec![Vec::new()], |sequences, _| {
        sequences
            .iter()
            .flat_map(|sequence| {
                choices
                    .iter()
                    .map(move |choice| [&sequence[..], &[*choice]].concat())
            })
            .collect()
    })
}

#[test]
fn every_order_of_pushes_keeps_the_rule_of_the_final_401() {
    let mut unauthorized = 0;
    let mut recovered = 0;
    for processes in [2, 3] {
        let order: Vec<usize> = (0..processes).collect();
        for callers in sequences(&order, 3) {
            for plan in sequences(&[Push::Nothing, Push::Newest, Push::All], 4) {
                let case = format!("{callers:?} {plan:?}");
                // The first two requests are the ones of the first call: an issue and its use.
                let disk = Disk::default();
                let (mut world, log) = world([&[Push::Nothing; 2], &plan[..]].concat(), &disk);
                let sessions: Vec<Session> = order.iter().map(|_| process()).collect();
                get_user(&mut world, &sessions[0]).unwrap();
                for caller in &callers {
                    let before = log.borrow().len();
                    let result = get_user(&mut world, &sessions[*caller]).map(drop);
                    let requests = log.borrow()[before..].to_vec();
                    check(&result, &requests, &case);
                    let rejected = requests
                        .iter()
                        .any(|request| matches!(request, Arrived::Rejected(_)));
                    recovered += usize::from(rejected && result.is_ok());
                    unauthorized += usize::from(result.is_err());
                }
            }
        }
    }
    assert!(
        recovered > 500 && unauthorized > 20,
        "{recovered} {unauthorized}"
    );
}

#[test]
fn call_goes_on_when_the_stored_token_was_pushed_out_too() {
    let disk = Disk::default();
    let plan = [Push::Nothing, Push::Nothing, Push::All];
    let (mut world, log) = world(plan.to_vec(), &disk);
    let session = process();
    get_user(&mut world, &session).unwrap();
    disk.put(stored("stored-by-another"));
    get_user(&mut world, &session).unwrap();
    let rejected = |token: &str| Arrived::Rejected(token.to_owned());
    assert_eq!(
        log.borrow()[2..],
        [
            rejected("token-1"),
            rejected("stored-by-another"),
            Arrived::Issued("token-2".to_owned()),
            Arrived::Accepted("token-2".to_owned()),
        ]
    );
    assert_eq!(disk.stored().unwrap().expose(), "token-2");
}

#[test]
fn third_stored_token_in_a_row_is_not_tried() {
    let disk = Disk::default();
    let stores = RefCell::new(vec!["third", "second"]);
    let theirs = disk.clone();
    let mut issued = 0;
    let mut world = World::new(move |view, request| match request.uri().path() {
        path::TOKEN => {
            issued += 1;
            issue_token(view, issued, DAY)
        }
        _ if token_in(request.headers()) == "token-1" => routine(view, request),
        _ => {
            // Other processes store one token after the other.
            if let Some(next) = stores.borrow_mut().pop() {
                theirs.put(stored(next));
            }
            Reply::code(401, PUSHED_OUT)
        }
    })
    .hooks(disk.clone());
    disk.put(stored("first"));
    get_user(&mut world, &process()).unwrap();
    let sent: Vec<&str> = world
        .sent_to(path::USER_INFO)
        .iter()
        .map(|sent| sent.token())
        .collect();
    assert_eq!(sent, ["first", "second", "token-1"]);
}

#[test]
fn late_401_of_an_older_token_is_not_the_first_of_a_newer_one() {
    // Two calls send token-1; the second one's 401 arrives when token-2 is there, and token-2 was issued before it. So the 401
    // of token-2 does not end the second call.
    let mut world = World::new(|view, request| {
        let rejected = Reply::code(401, PUSHED_OUT);
        match (request.uri().path(), token_in(request.headers())) {
            (path::TOKEN, _) => routine(view, request),
            (_, "token-1") if view.count(path::USER_INFO) == 0 => rejected.after(secs(10)),
            (_, "token-1" | "token-2")
                if view.at >= secs(10) || view.count(path::USER_INFO) == 1 =>
            {
                rejected
            }
            _ => routine(view, request),
        }
    });
    let session = builder().pacing(Pacing::off()).build().unwrap();
    let slow = crate::support::callers::ask_user(&mut world, &session);
    let quick = crate::support::callers::ask_user(&mut world, &session);
    world.run();
    quick.get().unwrap();
    slow.get().unwrap();
    assert_eq!(world.sent_to(path::TOKEN).len(), 3);
    assert_eq!(world.sent().last().unwrap().token(), "token-3");
}
