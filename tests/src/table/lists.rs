//! Lists, page by page, and what changes while they are read.

use std::time::SystemTime;

use pan123_mock::path::FILE_LIST;
use pan123_mock::{CannedResponse, Fault, http::StatusCode};
use pan123_proto::Parent;
use pan123_proto::file::ListFiles;

use crate::door::{Door, FIRST_ENTRY, make_dirs, trash};
use crate::scenario::{Act, Call, Scenario, Trash};

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

fn three_folders(door: &mut dyn Door, now: SystemTime) {
    make_dirs(door, now, &["a", "b", "c"]);
}

fn five_folders(door: &mut dyn Door, now: SystemTime) {
    make_dirs(door, now, &["a", "b", "c", "d", "e"]);
}

fn four_folders(door: &mut dyn Door, now: SystemTime) {
    make_dirs(door, now, &["a", "b", "c", "d"]);
}

fn whole() -> Vec<Scenario> {
    vec![
        Scenario::new("an empty drive")
            .call(Call::List(root(), Trash::With))
            .expect(|seen| {
                assert!(seen.results.is_empty());
                assert_eq!(seen.count(FILE_LIST), 1);
            }),
        Scenario::new("a list of one page")
            .act(Act::Elsewhere(three_folders))
            .call(Call::List(root(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok"; 3]);
                assert!(seen.results[2].value.contains("in 0: \"c\""));
                assert_eq!(seen.count(FILE_LIST), 1);
            }),
        Scenario::new("a list whose last page is full")
            .act(Act::Elsewhere(four_folders))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|seen| assert_eq!(seen.kinds(), ["ok"; 4])),
        Scenario::new("a list of three pages in its order")
            .act(Act::Elsewhere(five_folders))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|seen| {
                let names = seen.results.iter().map(|told| &told.value);
                let names: Vec<_> = names.filter_map(|value| value.split('"').nth(1)).collect();
                assert_eq!(names, ["a", "b", "c", "d", "e"]);
                assert_eq!(seen.count(FILE_LIST), 3);
            }),
        Scenario::new("a list of nothing but trash")
            .act(Act::Elsewhere(three_folders))
            .act(Act::Elsewhere(|door, now| {
                trash(door, now, &[FIRST_ENTRY, FIRST_ENTRY + 1, FIRST_ENTRY + 2]);
            }))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|seen| {
                assert!(seen.results.is_empty());
                assert_eq!(seen.count(FILE_LIST), 2);
            }),
        Scenario::new("a list with the trash in it")
            .act(Act::Elsewhere(three_folders))
            .act(Act::Elsewhere(|door, now| {
                trash(door, now, &[FIRST_ENTRY + 1]);
            }))
            .call(Call::List(root(), Trash::With))
            .call(Call::List(root(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok"; 5]);
                assert!(seen.results[1].value.ends_with("\"b\", trashed"));
            }),
        Scenario::new("a search")
            .act(Act::Elsewhere(|door, now| {
                make_dirs(door, now, &["ab", "b", "c"]);
            }))
            .call(Call::List(ListFiles::search("b"), Trash::Without))
            .call(Call::List(ListFiles::search_exactly("b"), Trash::Without))
            .expect(|seen| assert_eq!(seen.kinds(), ["ok"; 3])),
    ]
}

/// A page that a test has prepared.
fn page(cursor: &str, id: u64) -> CannedResponse {
    let body = format!(
        r#"{{"code":0,"message":"ok","data":{{"lastFileId":{cursor},"fileList":[{{"fileId":{id},"filename":"f","type":0,"parentFileId":0}}]}}}}"#
    );
    CannedResponse::raw(StatusCode::OK, body)
}

fn odd() -> Vec<Scenario> {
    vec![
        Scenario::new("a cursor that does not move")
            .canned(FILE_LIST, page("7", 7).times(9))
            .call(Call::List(root(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok", "PaginationLoop"]);
                assert_eq!(seen.count(FILE_LIST), 2);
            }),
        Scenario::new("a cursor that leads in a circle")
            .canned(FILE_LIST, page("7", 7))
            .canned(FILE_LIST, page("8", 8))
            .canned(FILE_LIST, page("7", 9).times(9))
            .call(Call::List(root(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok", "ok", "PaginationLoop"]);
                assert_eq!(seen.count(FILE_LIST), 3);
            }),
        Scenario::new("a list that ends with the cursor 0")
            .canned(FILE_LIST, page("7", 7))
            .canned(FILE_LIST, page("0", 8))
            .call(Call::List(root(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok", "ok"]);
                assert_eq!(seen.count(FILE_LIST), 2);
            }),
        Scenario::new("a page that is cut off")
            .act(Act::Elsewhere(five_folders))
            .fault(Fault::reset().on(FILE_LIST))
            .call(Call::List(by_two(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok"; 5]);
                assert_eq!(seen.count(FILE_LIST), 4);
            }),
        Scenario::new("a page that never comes whole")
            .act(Act::Elsewhere(five_folders))
            .canned(FILE_LIST, page("7", 7))
            .canned(
                FILE_LIST,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "").times(9),
            )
            .call(Call::List(by_two(), Trash::Without))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok", "RetriesExhausted"]);
                assert_eq!(seen.count(FILE_LIST), 5);
            }),
    ]
}

fn changing() -> Vec<Scenario> {
    vec![
        Scenario::new("a list that grows while it is read")
            .act(Act::Elsewhere(three_folders))
            .act(Act::ListWhile(by_two(), 2, |door, now| {
                make_dirs(door, now, &["d", "e"]);
            }))
            .expect(|seen| {
                assert_eq!(seen.kinds(), ["ok"; 5]);
                assert_eq!(seen.count(FILE_LIST), 3);
            }),
        Scenario::new("a list that is thinned out while it is read")
            .act(Act::Elsewhere(five_folders))
            .act(Act::ListWhile(by_two(), 2, |door, now| {
                trash(door, now, &[FIRST_ENTRY, FIRST_ENTRY + 3]);
            }))
            .expect(|seen| {
                let ids = seen.results.iter().map(|told| &told.value);
                let names: Vec<_> = ids.filter_map(|value| value.split('"').nth(1)).collect();
                assert_eq!(names, ["a", "b", "c", "e"]);
            }),
    ]
}
