//! The comparison of drivers: any difference of any driver is found.

use pan123_mock::TaskScript;
use pan123_proto::TransportErrorKind;
use pan123_tests::compare::{differences, run_all};
use pan123_tests::drivers::DRIVERS;
use pan123_tests::observed::Observed;
use pan123_tests::scenario::{Act, Call, Scenario};
use pan123_tests::table::{create, watch};

type Planted = (&'static str, fn(&mut Observed));

/// How one driver could differ, by name.
const PLANTED: [Planted; 21] = [
    ("another method", |observed| {
        observed.requests[2].method.push('T');
    }),
    ("another path", |observed| {
        observed.requests[2].path.push('/');
    }),
    ("another query", |observed| {
        observed.requests[2].query.push('0');
    }),
    ("another body", |observed| {
        observed.requests[1].body.push(b' ');
    }),
    ("a header is changed", |observed| {
        value_of(observed, 2, "platform").push(b'2');
    }),
    ("another token", |observed| {
        value_of(observed, 2, "authorization").push(b'x');
    }),
    ("a header of the core is missing", |observed| {
        observed.requests[2]
            .headers
            .retain(|header| header.0 != "user-agent");
    }),
    ("a token where none belongs", |observed| {
        let token = observed.requests[1].headers[0].clone();
        observed.requests[0].headers.insert(0, token);
    }),
    ("a repeated header", |observed| {
        let header = observed.requests[2].headers[1].clone();
        observed.requests[2].headers.insert(1, header);
    }),
    ("a transport adds a header", |observed| {
        let header = ("referer".to_owned(), b"http://127.0.0.1/".to_vec());
        observed.requests[2].extra.push(header);
    }),
    ("a request is missing", |observed| {
        drop(observed.requests.remove(2));
    }),
    ("the last request is missing", |observed| {
        drop(observed.requests.pop());
    }),
    ("a repeated request", |observed| {
        let request = observed.requests[1].clone();
        observed.requests.insert(1, request);
    }),
    ("requests change places", |observed| {
        observed.requests.swap(1, 2);
    }),
    ("another value", |observed| {
        observed.results[1].value.push('1');
    }),
    ("another kind", |observed| {
        observed.results[3].kind.push('!');
    }),
    ("another text", |observed| {
        observed.results[3].text.push('.');
    }),
    ("another reach", |observed| {
        observed.results[3].reached = Some(TransportErrorKind::TimedOut);
    }),
    ("a result is missing", |observed| {
        drop(observed.results.pop());
    }),
    ("one more token", |observed| observed.issued += 1),
    ("a request that did not reach the service", |observed| {
        observed.unreceived.insert("/", 1);
    }),
];

fn value_of<'a>(observed: &'a mut Observed, request: usize, name: &str) -> &'a mut Vec<u8> {
    let headers = observed.requests[request].headers.iter_mut();
    let mut named = headers.filter(|header| header.0 == name);
    &mut named.next().expect("the header is there").1
}

#[test]
fn difference_of_one_driver_is_found() {
    let scenario = Scenario::new("a base to plant differences in")
        .service(|service| service.default_script(TaskScript::fails_after(3, "下载失败")))
        .call(create())
        .call(watch());
    let observed = run_all(&DRIVERS, &scenario);
    assert_eq!(differences(&DRIVERS, false, &observed), []);
    for (driver, odd) in DRIVERS.iter().zip(0..) {
        for (what, plant) in PLANTED {
            let mut observed = observed.clone();
            plant(&mut observed[odd]);
            let found = differences(&DRIVERS, false, &observed);
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
fn order_of_concurrent_calls_is_ignored_and_nothing_else() {
    let scenario = Scenario::new("a base of many at once").act(Act::Together(4, Call::UserInfo));
    let observed = run_all(&DRIVERS, &scenario);
    assert_eq!(differences(&DRIVERS, true, &observed), []);
    for odd in 0..DRIVERS.len() {
        let mut swapped = observed.clone();
        swapped[odd].requests.reverse();
        assert_eq!(differences(&DRIVERS, true, &swapped), []);

        let mut planted = observed.clone();
        let last = planted[odd].requests.len() - 1;
        value_of(&mut planted[odd], last, "authorization").push(b'x');
        assert_ne!(differences(&DRIVERS, true, &planted), []);
    }
}
