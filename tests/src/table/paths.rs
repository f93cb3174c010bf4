//! Creating missing folders, finding paths, and finding the file of a download.

use pan123_mock::TaskScript;
use pan123_mock::path::{FILE_LIST, MKDIR};
use pan123_mock::{CannedResponse, http::StatusCode};
use pan123_proto::DirId;

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
        Scenario::new("paths that cannot be")
            .call(Call::EnsureDir("/"))
            .call(Call::EnsureDir("/a/../b"))
            .call(Call::EnsureDir("/a/b?"))
            .call(Call::Find(""))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["Build"; 4]);
                assert!(observed.requests.is_empty());
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
    ]
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
            .expect(|observed| assert!(observed.results[1].value.starts_with("found"))),
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
