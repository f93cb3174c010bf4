//! The comparison itself: what one driver does otherwise, whichever it is, is found.

use pan123_mock::TaskScript;
use pan123_proto::TransportErrorKind;
use pan123_tests::compare::{differences, play};
use pan123_tests::drivers::DRIVERS;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::seen::Seen;
use pan123_tests::table::{create, watch};

type Planted = (&'static str, fn(&mut Seen));

/// How one driver could differ, by name.
const PLANTED: [Planted; 21] = [
    ("another method", |seen| {
        seen.requests[2].method.push('T');
    }),
    ("another path", |seen| seen.requests[2].path.push('/')),
    ("another query", |seen| seen.requests[2].query.push('0')),
    ("another body", |seen| seen.requests[1].body.push(b' ')),
    ("a header is changed", |seen| {
        value_of(seen, 2, "platform").push(b'2');
    }),
    ("another token", |seen| {
        value_of(seen, 2, "authorization").push(b'x');
    }),
    ("a header of the core is missing", |seen| {
        seen.requests[2]
            .headers
            .retain(|header| header.0 != "user-agent");
    }),
    ("a token where none belongs", |seen| {
        let token = seen.requests[1].headers[0].clone();
        seen.requests[0].headers.insert(0, token);
    }),
    ("a header comes twice", |seen| {
        let header = seen.requests[2].headers[1].clone();
        seen.requests[2].headers.insert(1, header);
    }),
    ("a transport adds a header", |seen| {
        let header = ("referer".to_owned(), b"http://127.0.0.1/".to_vec());
        seen.requests[2].extra.push(header);
    }),
    ("a request is missing", |seen| drop(seen.requests.remove(2))),
    ("the last request is missing", |seen| {
        drop(seen.requests.pop());
    }),
    ("a request comes twice", |seen| {
        let request = seen.requests[1].clone();
        seen.requests.insert(1, request);
    }),
    ("requests change places", |seen| seen.requests.swap(1, 2)),
    ("another value", |seen| seen.results[1].value.push('1')),
    ("another kind", |seen| {
        seen.results[3].kind.push('!');
    }),
    ("another text", |seen| seen.results[3].text.push('.')),
    ("another reach", |seen| {
        seen.results[3].reached = Some(TransportErrorKind::TimedOut);
    }),
    ("a result is missing", |seen| drop(seen.results.pop())),
    ("one more token", |seen| seen.minted += 1),
    ("a request that was not heard", |seen| {
        seen.unheard.insert("/", 1);
    }),
];

fn value_of<'a>(seen: &'a mut Seen, request: usize, name: &str) -> &'a mut Vec<u8> {
    let headers = seen.requests[request].headers.iter_mut();
    let mut named = headers.filter(|header| header.0 == name);
    &mut named.next().expect("the header is there").1
}

#[test]
fn what_one_driver_does_otherwise_is_found() {
    let scenario = Scenario::new("a base to plant differences in")
        .service(|service| service.default_script(TaskScript::fails_after(3, "下载失败")))
        .call(create())
        .call(watch());
    let seen = play(&DRIVERS, &scenario);
    assert_eq!(differences(&DRIVERS, false, &seen), []);
    for (driver, odd) in DRIVERS.iter().zip(0..) {
        for (what, plant) in PLANTED {
            let mut seen = seen.clone();
            plant(&mut seen[odd]);
            let found = differences(&DRIVERS, false, &seen);
            assert!(
                !found.is_empty(),
                "{what} under {} is not found",
                driver.name
            );
            let named = |found: &_| format!("{found:?}").contains(driver.name);
            assert!(found.iter().all(named), "{what}: {found:?}");
        }
    }
}

#[test]
fn where_order_means_nothing_all_else_does() {
    let scenario = Scenario::new("a base of many at once").act(Act::Together(4, Call::UserInfo));
    let seen = play(&DRIVERS, &scenario);
    assert_eq!(differences(&DRIVERS, true, &seen), []);
    for odd in 0..DRIVERS.len() {
        let mut swapped = seen.clone();
        swapped[odd].requests.reverse();
        assert_eq!(differences(&DRIVERS, true, &swapped), []);

        let mut planted = seen.clone();
        let last = planted[odd].requests.len() - 1;
        value_of(&mut planted[odd], last, "authorization").push(b'x');
        assert_ne!(differences(&DRIVERS, true, &planted), []);
    }
}
