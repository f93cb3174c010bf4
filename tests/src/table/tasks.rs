//! Tasks: created and followed to their end.

use std::time::Duration;

use crate::run::FILE_DETAIL;
use crate::scenario::{Act, Call, Identity, Of, Scenario};
use pan123_mock::http::StatusCode;
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_mock::{CannedResponse, TaskScript};
use pan123_proto::offline::{Download, GetDownloadProgress, WatchPolicy};
use pan123_proto::{DirId, Endpoint, ErrorCode, Pacing, TransportErrorKind};

use super::{create, watch};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = followed();
    table.extend(given_up());
    table.extend(odd());
    table.extend(endpoints_of_a_user());
    table
}

fn followed() -> Vec<Scenario> {
    vec![
        Scenario::new("from a cold start to the end of a task")
            .call(create())
            .call(watch())
            .expect(|observed| {
                let polls = [OFFLINE_PROGRESS; 3];
                let paths = [&[ACCESS_TOKEN, OFFLINE_DOWNLOAD], &polls[..]].concat();
                assert_eq!(observed.paths(), paths);
                assert_eq!(observed.kinds(), ["ok"; 4]);
                assert!(observed.results[3].value.contains("Succeeded"));
            }),
        Scenario::new("waiting for a task")
            .call(create())
            .call(Call::Wait(Of::Last))
            .call(Call::Progress(Of::Last))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 3]);
                assert!(observed.results[1].value.contains("percent: Some(100.0)"));
            }),
        Scenario::new("a task that fails")
            .service(|service| service.default_script(TaskScript::fails_after(2, "下载失败")))
            .call(create())
            .call(watch())
            .call(Call::Wait(Of::Last))
            .expect(|observed| {
                let kinds = ["ok", "ok", "DownloadFailed", "DownloadFailed"];
                assert_eq!(observed.kinds(), kinds);
            }),
        Scenario::new("unknown states are no end")
            .service(|service| {
                service.default_script(TaskScript::steps([
                    (0.0, 13),
                    (37.5, 3),
                    (37.5, -1),
                    (100.0, 2),
                ]))
            })
            .call(create())
            .call(watch())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 5]);
                assert!(observed.results[1].value.contains("Other(13)"));
                assert!(observed.results[2].value.contains("Retrying"));
            }),
        Scenario::new("two tasks, one after the other")
            .call(create())
            .act(Act::Advance(Duration::from_secs(5)))
            .call(create())
            .call(watch())
            .expect(|observed| assert_eq!((observed.tasks, observed.results.len()), (2, 5))),
    ]
}

fn given_up() -> Vec<Scenario> {
    let policy = WatchPolicy::default;
    let never_ends = |name| {
        let scenario = Scenario::new(name);
        scenario.service(|service| service.default_script(TaskScript::never_ends()))
    };
    vec![
        never_ends("a task that stands still")
            .call(create())
            .call(Call::Watch(
                Of::Last,
                policy().stall_timeout(Duration::from_secs(300)),
            ))
            .expect(|observed| assert_eq!(observed.kinds().last(), Some(&"Stalled"))),
        never_ends("a task that takes too long")
            .call(create())
            .call(Call::Watch(
                Of::Last,
                policy().deadline(Duration::from_secs(60)),
            ))
            .expect(|observed| assert_eq!(observed.kinds().last(), Some(&"WatchDeadline"))),
        never_ends("polls that fail")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>").times(8),
            )
            .call(create())
            .call(Call::Watch(Of::Last, policy().max_failed_polls(2)))
            .expect(|observed| assert_eq!(observed.kinds(), ["ok", "PollFailed", "Polls"])),
        never_ends("a task that stands still and whose turn to be polled comes rarely")
            .with(|settings| {
                let rarely = Duration::from_secs(2000);
                settings.pacing = Pacing::default().every(GetDownloadProgress::RATE, rarely);
            })
            .call(create())
            .call(watch())
            .expect(|observed| {
                assert_eq!(observed.kinds().last(), Some(&"WatchDeadline"));
                assert_eq!(observed.count(OFFLINE_PROGRESS), 43 + 1);
            }),
        Scenario::new("polls that never leave")
            .unreachable()
            .with(|settings| settings.identity = Identity::Token("t"))
            .call(Call::Watch(
                Of::Task(5),
                policy()
                    .max_failed_polls(1)
                    .unreachable_timeout(Duration::from_secs(60)),
            ))
            .expect(|observed| {
                let Some((last, before)) = observed.results.split_last() else {
                    panic!("a result");
                };
                assert!(before.len() >= 5 && before.iter().all(|it| it.kind == "PollFailed"));
                let reached = Some(TransportErrorKind::NeverLeft);
                assert_eq!((&*last.kind, last.reached), ("Polls", reached));
            }),
        Scenario::new("polls that fail once")
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "<html>").times(4),
            )
            .call(create())
            .call(watch())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "PollFailed", "ok", "ok", "ok"]);
            }),
        Scenario::new("a task that is unknown")
            .call(Call::Progress(Of::Task(4)))
            .call(Call::Watch(Of::Task(5), policy().max_failed_polls(3)))
            .expect(|observed| {
                assert_eq!(
                    observed.kinds(),
                    ["Api", "PollFailed", "PollFailed", "Polls"]
                );
                let outcome = &observed.results[0];
                assert_eq!(outcome.code, Some(ErrorCode::Internal));
                assert_eq!(outcome.message.as_deref(), Some("任务不存在"));
                assert_eq!(observed.count(OFFLINE_PROGRESS), 4);
            }),
    ]
}

fn odd() -> Vec<Scenario> {
    let full =
        Download::new("https://例子.测试/视频 1.mp4?键=值&sig=%E6%B5%8B+x#f").expect("a URL");
    let full = full.file_name("测试 离线下载 (1)&'.mp4").expect("a name");
    let full = full
        .save_to(DirId::new(u64::from(u32::MAX) + 7).expect("a folder"))
        .callback("https://bot.example.org/回调?job=7&k=a b")
        .expect("a URL");
    vec![
        Scenario::new("all that a download can say, and not in ASCII")
            .call(Call::Create(full))
            .expect(|observed| {
                let body = String::from_utf8_lossy(&observed.requests[1].body);
                let expected = concat!(
                    r#"{"url":"https://例子.测试/视频 1.mp4?键=值&sig=%E6%B5%8B+x#f","#,
                    r#""fileName":"测试 离线下载 (1)&'.mp4","dirID":4294967302,"#,
                    r#""callBackUrl":"https://bot.example.org/回调?job=7&k=a b"}"#
                );
                assert_eq!(body, expected);
                assert_eq!(observed.tasks, 1);
            }),
        Scenario::new("ids beyond 2^53")
            .canned(
                OFFLINE_DOWNLOAD,
                CannedResponse::raw(
                    StatusCode::OK,
                    r#"{"code":0,"message":"ok","data":{"taskID":9007199254740993}}"#,
                ),
            )
            .canned(
                OFFLINE_PROGRESS,
                CannedResponse::raw(
                    StatusCode::OK,
                    r#"{"code":0,"data":{"process":1,"status":0}}"#,
                )
                .times(2),
            )
            .call(create())
            .call(Call::Progress(Of::Last))
            .call(Call::Progress(Of::Task(u64::MAX)))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 3]);
                assert_eq!(observed.results[0].value, "TaskId(9007199254740993)");
                assert_eq!(observed.requests[2].query, "taskID=9007199254740993");
                assert_eq!(observed.requests[3].query, "taskID=18446744073709551615");
            }),
    ]
}

fn endpoints_of_a_user() -> Vec<Scenario> {
    let detail = || {
        CannedResponse::raw(
            StatusCode::OK,
            r#"{"code":0,"data":{"filename":"测试.mp4","size":18446744073709551615}}"#,
        )
    };
    let no_route = CannedResponse::raw(
        StatusCode::NOT_FOUND,
        r#"{"message":"no Route matched with those values"}"#,
    );
    vec![
        Scenario::new("an endpoint of a user's own")
            .canned(FILE_DETAIL, detail().times(2))
            .call(Call::Detail(14_749_954))
            .call(Call::DetailAs(14_749_954))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert!(
                    observed.results[0]
                        .value
                        .contains("size: 18446744073709551615")
                );
                assert!(observed.results[1].value.starts_with("NameOnly"));
                let query = "fileID=14749954&note=%E7%A9%BA%20%E6%A0%BC%26%3D%2B%2F%3F%23";
                assert_eq!(observed.requests[1].query, query);
            }),
        Scenario::new("a file that is not there")
            .call(Call::Detail(1))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Api"]);
                assert_eq!(observed.results[0].code, Some(ErrorCode::FileNotFound));
            }),
        Scenario::new("an endpoint that the service does not have")
            .canned(FILE_DETAIL, no_route)
            .call(Call::Detail(1))
            .expect(|observed| {
                assert_eq!(
                    (observed.kinds()[0], observed.results[0].status),
                    ("Http", Some(404))
                );
                assert_eq!(observed.count(FILE_DETAIL), 1);
            }),
    ]
}
