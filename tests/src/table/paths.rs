//! Creating missing folders, finding paths, and finding the file of a download.

use pan123_mock::TaskScript;
use pan123_mock::path::{FILE_LIST, MKDIR};
use pan123_mock::{CannedResponse, http::StatusCode};
use pan123_proto::DirId;

use crate::observed::Observed;
use crate::scenario::{Act, Call, Of, Scenario};
use crate::service_access::{FIRST_ENTRY, make_dirs};

use super::{create, download};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = folders();
    table.extend(found());
    table.extend(file_lookup());
    table
}

fn folders() -> Vec<Scenario> {
    let ensured = |name| Scenario::new(name).call(Call::EnsureDir("/videos/2026"));
    vec![
        ensured("a path is made, and made once")
            .call(Call::EnsureDir("videos/2026/"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!(observed.results[0].value, observed.results[1].value);
                assert_eq!((observed.count(MKDIR), observed.count(FILE_LIST)), (2, 3));
            }),
        Scenario::new("a path that is there in part")
            .act(Act::Others(|service, now| {
                make_dirs(service, now, &["music", "videos"]);
            }))
            .call(Call::EnsureDir("/videos/2026"))
            .expect(|observed| {
                assert_eq!((observed.count(MKDIR), observed.count(FILE_LIST)), (1, 2));
            }),
        Scenario::new("two who make the same path")
            .act(Act::Together(2, Call::EnsureDir("/videos/2026")))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!(observed.results[0].value, observed.results[1].value);
            }),
        ensured("a making whose response is lost")
            .canned(
                MKDIR,
                CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, "").after_acting(),
            )
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                // Rejected the second time, found by listing again, and the folder below it created.
                assert_eq!((observed.count(MKDIR), observed.count(FILE_LIST)), (3, 3));
            }),
        ensured("a making that is rejected for another reason")
            .canned(MKDIR, CannedResponse::envelope(1, "内部错误").times(9))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Api"]);
                assert_eq!(observed.count(MKDIR), 1);
            }),
        ensured("a name that is taken and shows in no list")
            .canned(MKDIR, CannedResponse::envelope(5060, "已存在").times(9))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Api"]);
                assert_eq!((observed.count(MKDIR), observed.count(FILE_LIST)), (1, 4));
                assert!(observed.results[0].took.as_secs() >= 4);
            }),
        Scenario::new("no folder is made beside an unreadable row of its name")
            .canned(
                FILE_LIST,
                page(r#"{"fileId":7,"filename":"videos","type":null},{"fileId":8,"filename":"music","type":1}"#)
                    .times(4),
            )
            .call(Call::EnsureDir("/videos/2026"))
            .call(Call::Find("/videos"))
            .call(Call::Find("/music"))
            .call(Call::EnsureDir("/photos"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["UnreadableRow", "UnreadableRow", "ok", "ok"]);
                assert_eq!(observed.count(MKDIR), 1);
            }),
        Scenario::new("paths that cannot be")
            .call(Call::EnsureDir("/"))
            .call(Call::EnsureDir("/a/../b"))
            .call(Call::Find(""))
            .call(Call::Find("/a/./b"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Build"; 4]);
                assert!(observed.requests.is_empty());
            }),
        Scenario::new("missing folders that cannot be made")
            .call(Call::EnsureDir("/a/b?/c"))
            .call(Call::EnsureDir("/来自:离线下载/2026"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Build"; 2]);
                assert_eq!((observed.count(MKDIR), observed.count(FILE_LIST)), (0, 2));
            }),
        Scenario::new("a folder whose name is in another normal form")
            .act(Act::Others(|service, now| {
                make_dirs(service, now, &["cafe\u{301}"]);
            }))
            .call(Call::EnsureDir("/caf\u{e9}"))
            .call(Call::Find("/caf\u{e9}"))
            .expect(|observed| {
                assert_eq!(observed.results[0].value, format!("DirId({FIRST_ENTRY})"));
                assert_eq!(observed.kinds(), ["ok"; 2]);
                assert_eq!(observed.count(MKDIR), 0);
            }),
    ]
}

fn found() -> Vec<Scenario> {
    vec![
        Scenario::new("a path is found, and another is not")
            .call(Call::EnsureDir("/videos/2026"))
            .call(Call::Find("/videos/2026"))
            .call(Call::Find("/videos/2027/a"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 3]);
                assert!(observed.results[1].value.contains("\"2026\""));
                assert_eq!(observed.results[2].value, "None");
            }),
        Scenario::new("a file is found by its path")
            .service(|service| service.default_script(TaskScript::succeeds_after(1)))
            .call(create())
            .call(Call::Wait(Of::Last))
            .call(Call::Find("/来自:离线下载/video.mp4"))
            .expect(|observed| assert!(observed.results[2].value.contains("\"video.mp4\""))),
        Scenario::new("the service's own folder is used with either colon")
            .service(|service| service.default_script(TaskScript::succeeds_after(1)))
            .call(create())
            .call(Call::Wait(Of::Last))
            .call(Call::EnsureDir("/来自：离线下载/2026"))
            .call(Call::EnsureDir("/来自:离线下载/2026"))
            .call(Call::Find("/来自：离线下载/video.mp4"))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 5]);
                assert_eq!(observed.results[2].value, observed.results[3].value);
                assert!(observed.results[4].value.contains("\"video.mp4\""));
                assert_eq!(observed.count(MKDIR), 1);
            }),
    ]
}

/// A file whose dates cannot be read, in the first folder of an empty drive.
const UNDATED: &str = r#"{"fileId":9,"filename":"video.mp4","parentFileId":14710240,"type":0,"createAt":null,"updateAt":"-"}"#;

/// A page of a list with these entries, the last one.
fn page(entries: &str) -> CannedResponse {
    let body =
        format!(r#"{{"code":0,"message":"ok","data":{{"lastFileId":-1,"fileList":[{entries}]}}}}"#);
    CannedResponse::raw(StatusCode::OK, body)
}

/// The value of the last result.
fn last_value(observed: &Observed) -> &str {
    let last = observed.results.last().expect("a result");
    &last.value
}

fn file_lookup() -> Vec<Scenario> {
    let quick = |name| {
        Scenario::new(name).service(|service| service.default_script(TaskScript::succeeds_after(1)))
    };
    // The first folder of an empty drive.
    let dir = DirId::new(FIRST_ENTRY).expect("no folder is 0");
    let into = download().save_to(dir);
    let other = download().file_name("other.mp4").expect("a name");
    vec![
        quick("a download that is found in the default folder")
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| {
                assert!(last_value(observed).ends_with("by GuessedName: \"video.mp4\""));
            }),
        quick("a download that is found by the name that it asked for")
            .call(Call::Create(other.clone()))
            .call(Call::WaitForFile(Of::Last, other.clone()))
            .expect(|observed| {
                assert!(last_value(observed).ends_with("by RequestedName: \"other.mp4\""));
            }),
        quick("a download whose name was guessed wrong")
            .call(Call::Create(other.clone()))
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| {
                assert!(last_value(observed).ends_with("by Time: \"other.mp4\""));
                assert_eq!(observed.count(FILE_LIST), 6);
            }),
        quick("a download in the service's own folder with a full-width colon")
            .canned(
                FILE_LIST,
                page(r#"{"fileId":7,"filename":"来自：离线下载","parentFileId":0,"type":1}"#),
            )
            .canned(
                FILE_LIST,
                page(
                    r#"{"fileId":8,"filename":"video.mp4","parentFileId":7,"type":0,"createAt":"2026-11-27 17:00:00"}"#,
                ),
            )
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| {
                assert_eq!(last_value(observed), "found 8 by GuessedName: \"video.mp4\"");
            }),
        quick("a file without dates that is listed twice")
            .canned(FILE_LIST, CannedResponse::passthrough())
            .canned(FILE_LIST, page(&[UNDATED; 2].join(",")).times(3))
            .call(Call::EnsureDir("/videos"))
            .call(Call::Create(into.clone()))
            .call(Call::WaitForFile(Of::Last, into.clone()))
            .expect(|observed| {
                assert_eq!(last_value(observed), "found 9 by GuessedName: \"video.mp4\"");
                assert_eq!(observed.count(FILE_LIST), 4);
            }),
        quick("a file beside a row that cannot be read")
            .canned(
                FILE_LIST,
                page(r#"null,{"fileId":7,"filename":"来自:离线下载","type":1}"#),
            )
            .canned(
                FILE_LIST,
                page(r#"{"filename":"video.mp4"},{"fileId":8,"filename":"video(1).mp4","type":0,"createAt":"2026-11-27 17:00:00"}"#),
            )
            .canned(FILE_LIST, page("null").times(9))
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| {
                assert_eq!(observed.results[1].value, "found 8 by GuessedName: \"video(1).mp4\"");
                assert_eq!(observed.kinds(), ["ok", "ok", "UnreadableRow"]);
            }),
        quick("a download that is found in its own folder")
            .call(Call::EnsureDir("/videos"))
            .call(Call::Create(into.clone()))
            .call(Call::WaitForFile(Of::Last, into))
            .expect(|observed| assert!(observed.results[2].value.ends_with("\"video.mp4\""))),
        quick("two downloads of one name")
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| {
                assert!(observed.results[1].value.starts_with("found"));
                assert_eq!(observed.results[3].value, "2 could be it");
            }),
        quick("a download whose file is not there")
            .call(create())
            .call(Call::WaitForFile(Of::Last, other))
            .expect(|observed| {
                assert_eq!(observed.results[1].value, "NotFound");
                assert_eq!(observed.count(FILE_LIST), 6);
                assert!(observed.results[1].took.as_secs() >= 7);
            }),
        quick("a download that succeeded, and a look that fails")
            .canned(FILE_LIST, CannedResponse::envelope(1, "内部错误"))
            .call(create())
            .call(Call::WaitForFile(Of::Last, download()))
            .expect(|observed| assert_eq!(observed.kinds(), ["ok", "Api"])),
    ]
}
