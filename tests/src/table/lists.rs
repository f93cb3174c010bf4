//! Lists, page by page, and what changes while they are read.

use std::time::SystemTime;

use pan123_mock::path::{FILE_INFOS, FILE_LIST, OLD_FILE_LIST, RECOVER, RENAME};
use pan123_mock::{CannedResponse, Fault, http::StatusCode};
use pan123_proto::Parent;
use pan123_proto::file::{ListFiles, ListFilesV1};

use crate::drive_calls::DriveCall;
use crate::scenario::{Act, Call, Scenario, Trash};
use crate::service_access::{FIRST_ENTRY, ServiceAccess, make_dirs, trash};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = whole();
    table.extend(odd());
    table.extend(changing());
    table
}

fn root() -> ListFiles {
    ListFiles::of(Parent::Root)
}

fn by_two() -> ListFiles {
    root().page_size(2).expect("a page has 1 to 100 entries")
}

fn three_folders(service: &mut dyn ServiceAccess, now: SystemTime) {
    make_dirs(service, now, &["a", "b", "c"]);
}

fn five_folders(service: &mut dyn ServiceAccess, now: SystemTime) {
    make_dirs(service, now, &["a", "b", "c", "d", "e"]);
}

fn four_folders(service: &mut dyn ServiceAccess, now: SystemTime) {
    make_dirs(service, now, &["a", "b", "c", "d"]);
}

fn whole() -> Vec<Scenario> {
    vec![
        Scenario::new("an empty drive")
            .call(Call::List(root(), Trash::With))
            .expect(|observed| {
                assert!(observed.results.is_empty());
                assert_eq!(observed.count(FILE_LIST), 1);
            }),
        Scenario::new("a list of one page")
            .act(Act::Others(three_folders))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 3]);
                assert!(observed.results[2].value.contains("in 0: \"c\""));
                assert_eq!(observed.count(FILE_LIST), 1);
            }),
        Scenario::new("a list whose last page is full")
            .act(Act::Others(four_folders))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|observed| assert_eq!(observed.kinds(), ["ok"; 4])),
        Scenario::new("a list of three pages in its order")
            .act(Act::Others(five_folders))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|observed| {
                let names = observed.results.iter().map(|outcome| &outcome.value);
                let names: Vec<_> = names.filter_map(|value| value.split('"').nth(1)).collect();
                assert_eq!(names, ["a", "b", "c", "d", "e"]);
                assert_eq!(observed.count(FILE_LIST), 3);
            }),
        Scenario::new("a list of nothing but trash")
            .act(Act::Others(three_folders))
            .act(Act::Others(|service, now| {
                trash(
                    service,
                    now,
                    &[FIRST_ENTRY, FIRST_ENTRY + 1, FIRST_ENTRY + 2],
                );
            }))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|observed| {
                assert!(observed.results.is_empty());
                assert_eq!(observed.count(FILE_LIST), 2);
            }),
        Scenario::new("a list with the trash in it")
            .act(Act::Others(three_folders))
            .act(Act::Others(|service, now| {
                trash(service, now, &[FIRST_ENTRY + 1]);
            }))
            .call(Call::List(root(), Trash::With))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 5]);
                assert!(observed.results[1].value.ends_with("\"b\", trashed"));
            }),
        Scenario::new("a search")
            .act(Act::Others(|service, now| {
                make_dirs(service, now, &["ab", "b", "c"]);
            }))
            .call(Call::List(ListFiles::search("b"), Trash::Without))
            .call(Call::List(ListFiles::search_exactly("b"), Trash::Without))
            .expect(|observed| assert_eq!(observed.kinds(), ["ok"; 3])),
    ]
}

/// A page of one entry.
fn page(cursor: &str, id: u64) -> CannedResponse {
    let row = format!(r#"{{"fileId":{id},"filename":"f","type":0,"parentFileId":0}}"#);
    rows(cursor, &row)
}

/// A page of these rows.
fn rows(cursor: &str, rows: &str) -> CannedResponse {
    data(&format!(r#"{{"lastFileId":{cursor},"fileList":[{rows}]}}"#))
}

fn data(data: &str) -> CannedResponse {
    CannedResponse::raw(
        StatusCode::OK,
        format!(r#"{{"code":0,"message":"ok","data":{data}}}"#),
    )
}

fn odd() -> Vec<Scenario> {
    vec![
        Scenario::new("a cursor that does not move")
            .canned(FILE_LIST, page("7", 7).times(9))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "PaginationLoop"]);
                assert_eq!(observed.count(FILE_LIST), 2);
            }),
        Scenario::new("a cursor that leads in a circle")
            .canned(FILE_LIST, page("7", 7))
            .canned(FILE_LIST, page("8", 8))
            .canned(FILE_LIST, page("7", 9).times(9))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok", "PaginationLoop"]);
                assert_eq!(observed.count(FILE_LIST), 3);
            }),
        Scenario::new("a list that ends with the cursor 0")
            .canned(FILE_LIST, page("7", 7))
            .canned(FILE_LIST, page("0", 8))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!(observed.count(FILE_LIST), 2);
            }),
        Scenario::new("a list with odd rows")
            .canned(
                FILE_LIST,
                rows(
                    "9",
                    r#"null,
                    {"fileId":6,"filename":"parent","type":1,"parentFileId":-1},
                    {"fileId":7,"filename":"kind","type":null},
                    {"fileId":8,"filename":"half \ud83d","type":0},
                    {"fileId":9,"filename":"dates","type":0,"parentFileId":0,"createAt":1,"updateAt":{}}"#,
                ),
            )
            .canned(FILE_LIST, rows("-1", "[],7"))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                let odd = "UnreadableRow";
                assert_eq!(observed.kinds(), [odd, "ok", odd, odd, "ok", odd, odd]);
                assert_eq!(observed.results[1].value, "6 in ?: \"parent\"");
                assert_eq!(observed.results[4].value, "9 in 0: \"dates\"");
                assert_eq!(observed.count(FILE_LIST), 2);
            }),
        Scenario::new("lists that end without a cursor")
            .canned(FILE_LIST, rows("null", ""))
            .canned(FILE_LIST, rows("\"\"", r#"{"fileId":7,"filename":"f","type":0}"#))
            .canned(FILE_LIST, rows("null", ""))
            .call(Call::List(root(), Trash::Without))
            .call(Call::List(root(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"]);
                assert_eq!(observed.count(FILE_LIST), 3);
            }),
        Scenario::new("odd rows of single pages")
            .canned(FILE_INFOS, data(r#"{"list":[{"fileId":7,"filename":"f","type":0},{}]}"#))
            .canned(OLD_FILE_LIST, data(r#"{"total":null,"fileList":[null,{"fileId":7,"filename":"f","type":0}]}"#))
            .canned(RECOVER, data(r#"{"abnormalFileIDs":["x",7]}"#))
            .canned(RENAME, data(r#"{"successList":[null,{"fileID":7}],"failList":[{"fileID":"x","message":[]}]}"#))
            .call(Call::Drive(DriveCall::Infos(vec![7, 8])))
            .call(Call::Drive(DriveCall::OldList(ListFilesV1::of(Parent::Root))))
            .call(Call::Drive(DriveCall::Recover(vec![7, 8])))
            .call(Call::Drive(DriveCall::RenameMany(vec![(7, "a"), (8, "b")])))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 4]);
                for outcome in &observed.results[..3] {
                    assert_eq!(outcome.value.matches("UnreadableRow").count(), 1);
                    assert!(outcome.value.contains('7'), "{}", outcome.value);
                }
                assert_eq!(observed.results[3].value.matches("id: None").count(), 2);
            }),
        Scenario::new("a page that is cut off")
            .act(Act::Others(five_folders))
            .fault(Fault::reset().on(FILE_LIST))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 5]);
                assert_eq!(observed.count(FILE_LIST), 4);
            }),
        Scenario::new("a page that never comes whole")
            .act(Act::Others(five_folders))
            .canned(FILE_LIST, page("7", 7))
            .canned(
                FILE_LIST,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "").times(9),
            )
            .call(Call::List(by_two(), Trash::Without))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "RetriesExhausted"]);
                assert_eq!(observed.count(FILE_LIST), 5);
            }),
    ]
}

fn changing() -> Vec<Scenario> {
    vec![
        Scenario::new("a list that grows while it is read")
            .act(Act::Others(three_folders))
            .act(Act::ListWhile(by_two(), 2, |service, now| {
                make_dirs(service, now, &["d", "e"]);
            }))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 5]);
                assert_eq!(observed.count(FILE_LIST), 3);
            }),
        Scenario::new("a list that is thinned out while it is read")
            .act(Act::Others(five_folders))
            .act(Act::ListWhile(by_two(), 2, |service, now| {
                trash(service, now, &[FIRST_ENTRY, FIRST_ENTRY + 3]);
            }))
            .expect(|observed| {
                let ids = observed.results.iter().map(|outcome| &outcome.value);
                let names: Vec<_> = ids.filter_map(|value| value.split('"').nth(1)).collect();
                assert_eq!(names, ["a", "b", "c", "e"]);
            }),
    ]
}
