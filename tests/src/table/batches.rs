//! Batches: all their items end, none is sent twice, and the next batch on the ledger goes on.

use std::time::Duration;

use pan123_mock::path::{FILE_DETAIL, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_mock::{CLIENT_ID, CannedResponse, Fault, TaskScript};
use pan123_proto::batch::BatchPolicy;
use pan123_proto::offline::WatchPolicy;

use crate::batch_run::{BatchRun, Deed, url};
use crate::observed::Observed;
use crate::scenario::{Act, Identity, Scenario};
use crate::service_access::FIRST_ENTRY;

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = ends();
    table.extend(refused());
    table.extend(unconfirmed());
    table.extend(stopped());
    table
}

/// What an item goes through that succeeds at its third poll.
const SUCCEEDS: [&str; 4] = ["Created", "Progress", "Progress", "Succeeded"];

/// A scenario whose tasks succeed at their third poll.
fn thrice(name: &'static str) -> Scenario {
    Scenario::new(name).service(|service| service.default_script(TaskScript::succeeds_after(3)))
}

fn took(observed: &Observed) -> Duration {
    observed
        .results
        .last()
        .map(|it| it.took)
        .unwrap_or_default()
}

fn ends() -> Vec<Scenario> {
    vec![
        thrice("a batch whose items succeed")
            .batch(BatchRun::of(&["a", "b", "c", "d", "e", "f"]))
            .expect(|observed| {
                for key in ["a", "b", "c", "d", "e", "f"] {
                    assert_eq!(observed.changes(key), SUCCEEDS);
                }
                assert!(observed.changes("").is_empty());
                assert_eq!(observed.reports(), ["6 succeeded"]);
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 6);
                assert_eq!(observed.count(OFFLINE_PROGRESS), 18);
            }),
        thrice("a batch of nothing")
            .batch(BatchRun::of(&[]))
            .expect(|observed| {
                assert_eq!(observed.reports(), [""]);
                assert!(observed.requests.is_empty());
            }),
        thrice("a batch with a key twice, and once more in a later batch")
            .batch(BatchRun::of(&["a", "b", "a"]))
            .act(Act::Restart)
            .batch(BatchRun::of(&["b", "a"]))
            .expect(|observed| {
                assert_eq!(observed.changes("a"), SUCCEEDS);
                assert_eq!(observed.reports(), ["2 succeeded"; 2]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (2, 2));
            }),
        thrice("a batch one of whose tasks fails each time")
            .service(|service| {
                let fails = TaskScript::fails_after(2, "下载失败");
                let succeeds = TaskScript::succeeds_after(3);
                service.default_script(succeeds).script_for(url("a"), fails)
            })
            .batch(one_by_one(&["a", "b"]))
            .expect(|observed| {
                let [task, again] = [["Created", "Progress"], ["WillRetry", "Failed"]];
                let all = [&task[..], &again[..1]].concat();
                let all = [&all[..], &all, &task, &again[1..]].concat();
                assert_eq!(observed.changes("a"), all);
                assert_eq!(observed.changes("b"), SUCCEEDS);
                assert_eq!(observed.reports(), ["1 succeeded, 1 failed"]);
                let failed = "a: failed, 3 attempts, 3 failures, 2 other tasks";
                assert_eq!(observed.items()[0], failed);
                assert!(took(observed) >= Duration::from_secs(30 + 60));
            }),
        thrice("a batch one of whose polls fails")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(pan123_mock::http::StatusCode::BAD_GATEWAY, "<html>").times(4),
            )
            .batch(BatchRun::of(&["a"]))
            .expect(|observed| {
                assert_eq!(observed.changes("a")[..2], ["Created", "PollFailed"]);
                assert_eq!(observed.reports(), ["1 succeeded"]);
            }),
        thrice("a batch that is asked to look at a task")
            .batch(
                BatchRun::of(&["a"])
                    .policy(rarely())
                    .after("a", "Created", Deed::Nudge("a"))
                    .after("a", "Progress", Deed::Nudge("a"))
                    .after("a", "Progress", Deed::Notify("a", 77)),
            )
            .expect(|observed| {
                assert_eq!(observed.changes("a"), SUCCEEDS);
                assert_eq!(observed.items(), ["a: succeeded, 1 attempts, file 77"]);
                assert!(took(observed) < Duration::from_secs(60));
            }),
    ]
}

/// Polls a task once in an hour.
fn rarely() -> BatchPolicy {
    let hour = Duration::from_secs(3600);
    let watch = WatchPolicy::default().interval(hour).max_interval(hour);
    BatchPolicy::default().watch(watch)
}

/// One create at a time: with several, threads decide which item is first.
fn one_by_one(keys: &[&str]) -> BatchRun {
    BatchRun::of(keys).policy(policy())
}

fn policy() -> BatchPolicy {
    BatchPolicy::default().max_creates(1)
}

fn refused() -> Vec<Scenario> {
    let refusal = |code, message| CannedResponse::envelope(code, message);
    vec![
        thrice("a batch that runs into the limit of running tasks")
            .service(|service| {
                let script = TaskScript::succeeds_after(4);
                service.default_script(script).running_limit(2)
            })
            .batch(one_by_one(&["a", "b", "c", "d", "e"]))
            .expect(|observed| {
                assert_eq!(observed.reports(), ["5 succeeded; limit 2"]);
                assert_eq!(observed.tasks, 5);
                let full = observed.changes("");
                assert!(!full.is_empty() && full.iter().all(|it| *it == "WindowFull"));
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 5 + full.len());
            }),
        thrice("a batch one of whose creates is rate limited")
            .canned(OFFLINE_DOWNLOAD, refusal(429, "请求太频繁"))
            .batch(one_by_one(&["a", "b"]))
            .expect(|observed| {
                assert_eq!(observed.changes(""), ["Paused"]);
                assert_eq!(observed.changes("a"), SUCCEEDS);
                assert_eq!(observed.changes("b"), SUCCEEDS);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (3, 2));
            }),
        thrice("a batch without traffic left for a while")
            .canned(OFFLINE_DOWNLOAD, refusal(5113, "流量超限").times(2))
            .batch(one_by_one(&["a"]))
            .expect(|observed| {
                assert_eq!(observed.changes(""), ["Paused"; 2]);
                assert_eq!(observed.changes("a"), SUCCEEDS);
            }),
        thrice("a batch whose token is rejected")
            .canned(OFFLINE_DOWNLOAD, refusal(401, "token is expired"))
            .batch(one_by_one(&["a", "b"]))
            .expect(|observed| {
                assert!(observed.changes("").is_empty());
                assert_eq!(observed.changes("a"), SUCCEEDS);
                assert_eq!((observed.issued, observed.tasks), (2, 2));
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 3);
            }),
        thrice("a batch one of whose items the service rejects")
            .canned(OFFLINE_DOWNLOAD, refusal(1, "该资源无法下载"))
            .batch(one_by_one(&["a", "b"]))
            .expect(|observed| {
                assert_eq!(observed.changes("a"), ["Failed"]);
                assert_eq!(observed.changes("b"), SUCCEEDS);
                assert_eq!(observed.reports(), ["1 succeeded, 1 failed"]);
                assert_eq!(observed.items()[0], "a: failed, 1 attempts");
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 2);
            }),
        thrice("a batch that cannot reach the service")
            .unreachable()
            .with(|settings| settings.identity = Identity::Token("t"))
            .batch(
                one_by_one(&["a", "b", "c"])
                    .after("", "Paused", Deed::Nudge("a"))
                    .after("", "Paused", Deed::Nudge("a"))
                    .after("", "Paused", Deed::Stop),
            )
            .expect(|observed| {
                assert_eq!(observed.changes(""), ["Paused"; 3]);
                assert_eq!(observed.reports(), ["3 not submitted"]);
            }),
        thrice("a batch with wrong credentials")
            .with(|settings| settings.identity = Identity::Credentials(CLIENT_ID, "wrong"))
            .batch(one_by_one(&["a", "b"]).after("", "Paused", Deed::Stop))
            .expect(|observed| {
                assert_eq!(observed.changes(""), ["Paused"]);
                assert_eq!(observed.reports(), ["2 not submitted"]);
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 0);
            }),
    ]
}

fn unconfirmed() -> Vec<Scenario> {
    // The first entry is the folder of all downloads. The file of the first item exists when the second one has been created.
    let settled = |name, file| {
        thrice(name)
            .service(|service| {
                let at_once = TaskScript::succeeds_within(Duration::from_millis(1));
                let later = TaskScript::succeeds_after(3);
                let service = service.default_script(at_once);
                service.script_for(url("c"), later)
            })
            .fault(Fault::response_lost().on(OFFLINE_DOWNLOAD))
            .batch(one_by_one(&["a", "b", "c"]).after("c", "Progress", Deed::Notify("a", file)))
    };
    vec![
        thrice("a batch one of whose creates gets no response, and later ones")
            .fault(Fault::response_lost().on(OFFLINE_DOWNLOAD))
            .batch(one_by_one(&["a", "b"]))
            .batch(one_by_one(&["a", "b"]))
            .act(Act::Restart)
            .act(Act::Advance(Duration::from_secs(100_000)))
            .batch(one_by_one(&["a", "c"]))
            .expect(|observed| {
                assert_eq!(observed.changes("a"), ["Unconfirmed"]);
                assert_eq!(observed.changes("b"), SUCCEEDS);
                assert_eq!(observed.changes("c"), SUCCEEDS);
                let report = "1 succeeded, 1 unconfirmed";
                let last = "2 succeeded, 1 unconfirmed";
                assert_eq!(observed.reports(), [report, report, last]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (3, 3));
            }),
        thrice("a batch finds the file of an unconfirmed item by its name")
            .service(|service| {
                service.default_script(TaskScript::succeeds_within(Duration::from_millis(1)))
            })
            .fault(Fault::response_lost().on(OFFLINE_DOWNLOAD))
            .batch(one_by_one(&["a", "b"]).policy(policy().confirm_by_name(true)))
            .expect(|observed| {
                assert_eq!(observed.changes("a"), ["Unconfirmed", "Confirmed"]);
                assert_eq!(observed.reports(), ["2 succeeded"]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (2, 2));
            }),
        settled("a callback settles what is unconfirmed", FIRST_ENTRY + 1).expect(|observed| {
            assert_eq!(observed.changes("a"), ["Unconfirmed", "Confirmed"]);
            assert_eq!(observed.reports(), ["3 succeeded"]);
            assert_eq!(observed.count(FILE_DETAIL), 1);
        }),
        settled("a callback whose file does not exist settles nothing", 77).expect(|observed| {
            assert_eq!(observed.changes("a"), ["Unconfirmed"]);
            assert_eq!(observed.reports(), ["2 succeeded, 1 unconfirmed"]);
            assert_eq!(observed.count(FILE_DETAIL), 1);
        }),
        settled(
            "a callback whose file has another name settles nothing",
            FIRST_ENTRY + 2,
        )
        .expect(|observed| {
            assert_eq!(observed.changes("a"), ["Unconfirmed"]);
            assert_eq!(observed.reports(), ["2 succeeded, 1 unconfirmed"]);
            assert_eq!(observed.count(FILE_DETAIL), 1);
        }),
    ]
}

fn stopped() -> Vec<Scenario> {
    vec![
        thrice("a batch that is stopped ends its tasks, and the next one sends the rest")
            .batch(one_by_one(&["a", "b", "c"]).after("a", "Created", Deed::Stop))
            .act(Act::Restart)
            .batch(one_by_one(&[]))
            .expect(|observed| {
                assert_eq!(observed.changes("a"), SUCCEEDS);
                let reports = ["1 succeeded, 2 not submitted", "3 succeeded"];
                assert_eq!(observed.reports(), reports);
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 3);
            }),
        thrice("a batch that is stopped leaves its tasks, and the next one follows them")
            .batch(
                one_by_one(&["a", "b", "c"])
                    .policy(policy().grace(Duration::ZERO))
                    .after("a", "Created", Deed::Nudge("a"))
                    .after("a", "Progress", Deed::Stop),
            )
            .act(Act::Restart)
            .batch(one_by_one(&["d"]))
            .expect(|observed| {
                assert_eq!(observed.changes("a")[..2], SUCCEEDS[..2]);
                assert!(observed.changes("a").contains(&"Resumed"));
                assert!(observed.reports()[0].starts_with("1 running, 2 not submitted"));
                assert_eq!(observed.reports()[1], "4 succeeded");
                assert_eq!(observed.count(OFFLINE_DOWNLOAD), 4);
            }),
    ]
}
