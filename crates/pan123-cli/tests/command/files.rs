//! `ls`, `info`, `mkdir`, `mv`, `cp`, `rm`, `link`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use pan123_mock::http::StatusCode;
use pan123_mock::path::{COPY, FILE_INFOS, FILE_LIST, MKDIR, MOVE, TRASH};
use pan123_mock::{CannedResponse, Fault, MockPan123, Service};
use serde_json::Value;

use crate::support::{Ended, LIMIT, User};

/// A drive with some files, and its user.
pub(crate) struct Drive {
    pub(crate) mock: MockPan123,
    pub(crate) user: User,
}

impl Drive {
    pub(crate) fn new() -> Drive {
        let mock = MockPan123::start_blocking();
        let user = User::of(&mock);
        Drive { mock, user }
    }

    pub(crate) fn folder(&self, parent: u64, name: &str) -> u64 {
        let now = self.mock.now();
        self.mock
            .service(|service| service.add_folder(now, parent, name))
    }

    pub(crate) fn file(&self, parent: u64, name: &str, size: u64) -> u64 {
        let now = self.mock.now();
        self.mock
            .service(|service| service.add_file(now, parent, name, size))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.user.run(arguments)
    }

    /// The names in a folder that are not in the trash, in order of their ids.
    pub(crate) fn names(&self, parent: u64) -> Vec<String> {
        self.mock.service(|service| {
            let files = service.files();
            files
                .filter(|file| file.parent() == parent && !file.is_trashed())
                .map(|file| file.name().to_owned())
                .collect()
        })
    }

    pub(crate) fn is_trashed(&self, id: u64) -> bool {
        self.mock.service(|service| {
            let mut files = service.files();
            files.any(|file| file.id() == id && file.is_trashed())
        })
    }
}

pub(crate) fn texts<'a>(objects: &'a [Value], key: &str) -> Vec<&'a str> {
    let texts = objects.iter().map(|object| object[key].as_str());
    texts.map(|text| text.expect("a text")).collect()
}

#[test]
fn ls_lists_by_name_and_reads_every_page() {
    let drive = Drive::new();
    let videos = drive.folder(0, "视频");
    drive.file(0, "b.txt", 5);
    drive.file(0, "a\u{1b}[31m.txt", 5);
    drive.mock.add_files(videos, 250);
    let ended = drive.run(&["ls"]).exits(0);
    assert_eq!(ended.stdout, "a\\u{1b}[31m.txt\nb.txt\n视频/\n");

    for place in [
        "/视频",
        "视频/",
        &format!("id:{videos}"),
        &videos.to_string(),
    ] {
        let files = drive.run(&["ls", place, "--json"]).exits(0).objects();
        assert_eq!(files.len(), 250, "{place}");
        assert_eq!(texts(&files[..2], "name"), ["1.bin", "10.bin"]);
        assert_eq!(files[0]["parent"], videos);
    }
    let root = drive.run(&["ls", "/", "--json"]).exits(0).objects();
    assert_eq!(texts(&root, "name"), ["a\u{1b}[31m.txt", "b.txt", "视频"]);
    assert_eq!(texts(&root, "kind"), ["file", "file", "folder"]);
}

#[test]
fn long_ls_has_even_columns() {
    let drive = Drive::new();
    drive.folder(0, "电影");
    drive.file(0, "电影.mp4", 1_500_000_000);
    drive.file(0, "z", 5);
    let ended = drive.run(&["ls", "-l"]).exits(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let [z, folder, film] = lines[..] else {
        panic!("{ended:#?}");
    };
    assert!(
        film.contains("  1.5 GB  ") && film.ends_with("  电影.mp4"),
        "{film}"
    );
    assert!(folder.ends_with("  电影/"), "{folder}");
    let starts = [(z, "z"), (folder, "电影"), (film, "电影")];
    let starts = starts.map(|(line, name)| line.find(name));
    assert!(starts.iter().all(|start| *start == starts[0]), "{ended:#?}");
    let words: Vec<&str> = z.split_whitespace().collect();
    assert_eq!(words[1..3], ["5", "B"]);
    assert_eq!(words[3].matches('-').count(), 2, "{z}");
    assert_eq!(words[4].matches(':').count(), 1, "{z}");
}

#[test]
fn ls_of_a_file_is_that_file_and_of_several_places_has_headings() {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    drive.file(folder, "f", 5);
    assert_eq!(drive.run(&["ls", "/d/f"]).exits(0).stdout, "f\n");
    let ended = drive.run(&["ls", "/d", "/missing", "/d/f"]).exits(1);
    assert_eq!(ended.stdout, "/d:\nf\n\n/missing:\n\n/d/f:\nf\n");
    assert!(
        ended
            .stderr
            .contains("there is no file or folder `/missing`")
    );
    let objects = drive
        .run(&["ls", "/d", "/missing", "--json"])
        .exits(1)
        .objects();
    assert_eq!(texts(&objects, "type"), ["entry", "error"]);
}

#[test]
fn trashed_entries_are_not_listed() {
    let drive = Drive::new();
    let gone = drive.file(0, "gone", 5);
    drive.file(0, "here", 5);
    drive.mock.trash_files(&[gone]);
    assert_eq!(drive.run(&["ls"]).exits(0).stdout, "here\n");
    drive.run(&["ls", "/gone"]).exits(1);
}

#[test]
fn info_shows_all_that_is_known() {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    let file = drive.file(folder, "电影.mp4", 1_500_000_000);
    let by_id = drive
        .run(&["info", &format!("id:{file}"), "--json"])
        .exits(0);
    let by_path = drive.run(&["info", "/d/电影.mp4", "--json"]).exits(0);
    assert_eq!(by_id.stdout, by_path.stdout);
    let object = by_id.object();
    assert_eq!(object["id"], file);
    assert_eq!(object["parent"], folder);
    assert_eq!(object["size"], 1_500_000_000);
    assert_eq!(object["md5"].as_str().map(str::len), Some(32));
    let text = drive.run(&["info", "/d/电影.mp4"]).exits(0).stdout;
    for part in ["name: 电影.mp4", "1.5 GB (1500000000 B)", "kind: file"] {
        assert!(text.contains(part), "{text}");
    }
    drive.mock.trash_files(&[file]);
    let id = format!("id:{file}");
    let text = drive.run(&["info", &id]).exits(0).stdout;
    assert!(text.contains("state: in the trash"), "{text}");
    assert_eq!(
        drive.run(&["info", &id, "--json"]).exits(0).object()["trashed"],
        true
    );
}

#[test]
fn place_that_is_none_exits_2_and_one_where_nothing_is_1() {
    let drive = Drive::new();
    drive.file(0, "f", 5);
    for (arguments, exit, text) in [
        (&["ls", "id:x"][..], 2, "a whole number"),
        (&["ls", ""], 2, "give a path"),
        (&["ls", "/a/../b"], 2, "`.` or `..`"),
        (&["info", "/"], 2, "the root"),
        (&["rm", "--yes", "/"], 2, "the root"),
        (&["mv", "id:0", "/g"], 2, "the root"),
        (&["ls", "99999999999999999999"], 2, "write `/9"),
        (
            &["info", "id:987654321"],
            1,
            "no file or folder id:987654321",
        ),
        (&["ls", "/f/g"], 1, "no file or folder `/f/g`"),
        (&["mkdir", "/f/g"], 1, "not a folder"),
        (&["mkdir", "/x/y"], 1, "no file or folder `/x/`"),
    ] {
        let ended = drive.run(arguments).exits(exit);
        assert!(ended.stderr.contains(text), "{ended:#?}");
    }
    assert_eq!(drive.names(0), ["f"]);
}

#[test]
fn number_alone_is_an_id_and_after_a_slash_a_name() {
    let drive = Drive::new();
    let other = drive.file(0, "other", 5);
    drive.file(0, &other.to_string(), 5);
    let info = |place: &str| drive.run(&["info", place, "--json"]).exits(0).object();
    assert_eq!(info(&other.to_string())["name"], "other");
    assert_eq!(info(&format!("/{other}"))["name"], *other.to_string());
}

#[test]
fn mkdir_creates_a_folder_and_with_p_those_on_the_way() {
    let drive = Drive::new();
    let object = drive.run(&["mkdir", "/电影", "--json"]).exits(0).object();
    assert_eq!(object["change"], "created");
    assert_eq!(object["parent"], 0);
    assert_eq!(drive.names(0), ["电影"]);
    drive.run(&["mkdir", "/电影"]).exits(1);

    drive.run(&["mkdir", "a/b/c"]).exits(1);
    let first = drive.run(&["mkdir", "-p", "a/b/c", "--json"]).exits(0);
    let again = drive.run(&["mkdir", "-p", "a/b/c", "--json"]).exits(0);
    assert_eq!(first.stdout, again.stdout);
    assert_eq!(drive.names(0), ["电影", "a"]);
    drive.run(&["mkdir", "a/x:y"]).exits(2);
    drive.run(&["mkdir", "id:5"]).exits(2);
    drive.run(&["mkdir", "/"]).exits(2);
    // Each of them is tried.
    drive.run(&["mkdir", "/a", "/new"]).exits(1);
    assert_eq!(drive.names(0), ["电影", "a", "new"]);
}

#[test]
fn mv_into_a_folder_keeps_names() {
    let drive = Drive::new();
    let to = drive.folder(0, "to");
    let from = drive.folder(0, "from");
    drive.file(from, "一.txt", 1);
    let two = drive.file(from, "2.txt", 1);
    let ended = drive.run(&["mv", "/from/一.txt", &format!("id:{two}"), "/to", "--json"]);
    let objects = ended.exits(0).objects();
    assert_eq!(texts(&objects, "change"), ["moved", "moved"]);
    assert!(objects.iter().all(|object| object["parent"] == to));
    assert_eq!(drive.names(to), ["一.txt", "2.txt"]);
    assert_eq!(drive.names(from), [""; 0]);
    // What is there already is there.
    drive.run(&["mv", &format!("id:{two}"), "/to/"]).exits(0);
    drive.mock.assert_requests(MOVE, 1);
    drive.run(&["mv", "/to", "/"]).exits(0);
    drive.run(&["mv", "/to/2.txt", "/"]).exits(0);
    assert_eq!(drive.names(0), ["to", "from", "2.txt"]);
}

#[test]
fn mv_to_a_new_name_renames() {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    let file = drive.file(0, "a.txt", 1);
    let object = drive
        .run(&["mv", "a.txt", "乙.txt", "--json"])
        .exits(0)
        .object();
    assert_eq!(
        (&object["id"], &object["name"]),
        (&file.into(), &"乙.txt".into())
    );
    assert_eq!(drive.names(0), ["d", "乙.txt"]);
    drive.run(&["mv", "乙.txt", "/d/c.txt"]).exits(0);
    assert_eq!(drive.names(folder), ["c.txt"]);
    assert_eq!(drive.names(0), ["d"]);
}

#[test]
fn mv_overwrites_nothing_and_loses_nothing() {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    drive.file(0, "a", 1);
    drive.file(0, "b", 1);
    for (arguments, text) in [
        (&["mv", "a", "b"][..], "nothing is overwritten"),
        (&["mv", "a", "b", "/missing"], "no folder `/missing`"),
        (&["mv", "a", "/missing/"], "no folder `/missing/`"),
        (&["mv", "a", "/missing/c"], "no file or folder `/missing/`"),
        (&["mv", "a", "id:987654321"], "no folder id:987654321"),
        (&["mv", "missing", "/d"], "no file or folder `missing`"),
    ] {
        let ended = drive.run(arguments).exits(1);
        assert!(ended.stderr.contains(text), "{ended:#?}");
    }
    assert_eq!(drive.names(0), ["d", "a", "b"]);
    // The others are moved.
    drive.run(&["mv", "missing", "a", "/d"]).exits(1);
    assert_eq!(drive.names(folder), ["a"]);
}

#[test]
fn cp_of_a_file_tells_the_copy() {
    let drive = Drive::new();
    let folder = drive.folder(0, "d");
    let file = drive.file(0, "甲.txt", 1);
    let object = drive
        .run(&["cp", "甲.txt", "/d", "--json"])
        .exits(0)
        .object();
    assert_eq!(object["change"], "copied");
    assert!(object["id"].as_u64().is_some_and(|id| id != file));
    drive.run(&["cp", "甲.txt", "/d/b.txt"]).exits(0);
    assert_eq!(drive.names(folder), ["甲.txt", "b.txt"]);
    assert_eq!(drive.names(0), ["d", "甲.txt"]);
    // The service gives it another name.
    let object = drive
        .run(&["cp", "甲.txt", "/", "--json"])
        .exits(0)
        .object();
    assert_eq!(object["name"], "甲(1).txt");
    drive.run(&["cp", "甲.txt", "乙.txt"]).exits(0);
    assert_eq!(drive.names(0), ["d", "甲.txt", "甲(1).txt", "乙.txt"]);
    let ended = drive.run(&["cp", "甲.txt", "/d/b.txt"]).exits(1);
    assert!(
        ended.stderr.contains("nothing is overwritten"),
        "{ended:#?}"
    );
}

#[test]
fn cp_of_folders_waits_for_the_end_of_the_copy() {
    let drive = Drive::new();
    let from = drive.folder(0, "from");
    drive.file(from, "inner", 1);
    drive.file(0, "f", 1);
    let to = drive.folder(0, "to");
    let objects = drive
        .run(&["cp", "/from", "f", "/to", "--json"])
        .exits(0)
        .objects();
    assert_eq!(texts(&objects, "name"), ["from", "f"]);
    assert_eq!(drive.names(to), ["from", "f"]);
    drive.run(&["cp", "/from", "/new"]).exits(2);
    drive.mock.next_copy_fails();
    let ended = drive.run(&["cp", "/from", "/to"]).exits(1);
    assert!(ended.stderr.contains("copy task"), "{ended:#?}");
}

#[test]
fn copy_whose_response_is_lost_exits_4_and_is_not_repeated() {
    let drive = Drive::new();
    drive.folder(0, "d");
    drive.file(0, "f", 1);
    drive.mock.fault(Fault::response_lost().on(COPY).always());
    let object = drive.run(&["cp", "f", "/d", "--json"]).exits(4).object();
    assert_eq!(object["exit"], 4);
    drive.mock.assert_requests(COPY, 1);
}

#[test]
fn rm_moves_to_the_trash_only_with_yes_where_nobody_can_be_asked() {
    let drive = Drive::new();
    let file = drive.file(0, "电影", 1);
    for arguments in [&["rm", "电影"][..], &["rm", "电影", "--json"]] {
        let ended = drive.run(arguments).exits(2);
        let shown = format!("{ended:?}");
        assert!(shown.contains("--yes"), "{shown}");
    }
    assert_eq!(drive.mock.requests().len(), 0);
    let objects = drive
        .run(&["rm", "--yes", "missing", "电影", "--json"])
        .exits(1)
        .objects();
    assert_eq!(texts(&objects, "type"), ["error", "change"]);
    assert_eq!(objects[1]["change"], "trashed");
    assert!(drive.is_trashed(file));
    let id = format!("id:{file}");
    let ended = drive.run(&["rm", "--yes", &id]).exits(1);
    assert!(ended.stderr.contains("is in the trash"), "{ended:#?}");
}

#[test]
fn many_ids_are_looked_up_and_removed_a_hundred_at_a_time() {
    let drive = Drive::new();
    let files = drive.mock.add_files(0, 150);
    let ids: Vec<String> = files.iter().map(|id| format!("id:{id}")).collect();
    let mut arguments = vec!["rm", "--yes", "--json"];
    arguments.extend(ids.iter().map(String::as_str));
    let objects = drive.run(&arguments).exits(0).objects();
    assert_eq!(objects.len(), 150);
    assert_eq!(drive.names(0), [""; 0]);
    drive.mock.assert_requests(FILE_INFOS, 2);
    drive.mock.assert_requests(TRASH, 2);
}

#[test]
fn link_prints_a_url_and_nothing_else() {
    let drive = Drive::new();
    drive.folder(0, "d");
    let file = drive.file(0, "电影.mp4", 1);
    let ended = drive.run(&["link", "/电影.mp4"]).exits(0);
    assert!(ended.stdout.starts_with("http://127.0.0.1:"), "{ended:#?}");
    assert_eq!(ended.stdout.lines().count(), 1);
    let object = drive
        .run(&["link", "/电影.mp4", "--json"])
        .exits(0)
        .object();
    assert_eq!(object["id"], file);
    assert_eq!(object["url"], *ended.stdout.trim());
    let ended = drive.run(&["link", "/d"]).exits(1);
    assert!(ended.stderr.contains("is a folder"), "{ended:#?}");
}

#[test]
fn row_that_cannot_be_read_loses_only_itself_and_exits_1() {
    let drive = Drive::new();
    drive.file(0, "f", 1);
    let rows = r#"{"code":0,"message":"ok","data":{"lastFileId":-1,"fileList":[
        {"fileId":7,"filename":"a","type":0,"parentFileId":0},{"fileId":"x","filename":"b","type":0},
        {"fileId":9,"filename":"c","type":1,"parentFileId":0}]}}"#;
    let page = CannedResponse::raw(StatusCode::OK, rows);
    drive.mock.respond_next(FILE_LIST, page);
    let objects = drive.run(&["ls", "--json"]).exits(1).objects();
    assert_eq!(texts(&objects, "type"), ["error", "entry", "entry"]);
    assert_eq!(texts(&objects[1..], "name"), ["a", "c"]);
}

#[test]
fn entry_whose_row_cannot_be_read_is_not_called_missing() {
    let drive = Drive::new();
    let file = drive.file(0, "f", 1);
    let rows = format!(
        r#"{{"code":0,"message":"ok","data":{{"fileList":[{{"fileId":{file},"type":0}}]}}}}"#
    );
    let id = format!("id:{file}");
    for places in [&[&*id][..], &[&*id, "id:987654321"]] {
        let page = CannedResponse::raw(StatusCode::OK, rows.clone());
        drive.mock.respond_next(FILE_INFOS, page);
        let ended = drive.run(&[&["link"], places].concat()).exits(1);
        let first = ended.stderr.lines().next().unwrap();
        assert!(!first.contains("there is no file"), "{ended:#?}");
        assert_eq!(
            ended.stderr.matches("there is no file").count(),
            places.len() - 1
        );
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_lets_a_change_in_flight_end_and_sends_no_other() {
    let (arrived, arrival) = channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = Arc::clone(&is_armed);
    // The mock reads its clock once for each request.
    let clock = move || {
        if armed.swap(false, Ordering::SeqCst) {
            arrived.send(()).expect("the test waits");
            let _ = released.lock().expect("the only reader").recv();
        }
        SystemTime::now()
    };
    let mock = MockPan123::builder().clock(clock).start_blocking();
    let user = User::of(&mock);
    user.run(&["whoami"]).exits(0);

    is_armed.store(true, Ordering::SeqCst);
    let mut running = user.start(&["mkdir", "/a", "/b"]);
    arrival.recv_timeout(LIMIT).expect("a request");
    running.signal("INT");
    running.wait_for_note("press Ctrl-C again");
    release.send(()).expect("the mock waits");
    let ended = running.end().exits(130);
    assert!(ended.stdout.starts_with("created: a "), "{ended:#?}");
    mock.assert_requests(MKDIR, 1);
}

#[cfg(unix)]
#[test]
fn second_ctrl_c_ends_at_once() {
    let drive = Drive::new();
    drive.mock.fault(Fault::hang().on(MKDIR).always());
    let mut running = drive.user.start(&["mkdir", "/a"]);
    let is_sent = |service: &Service| {
        let mut requests = service.requests().iter();
        requests.find(|request| request.path() == MKDIR).map(|_| ())
    };
    drive.mock.wait_for(LIMIT, is_sent).expect("a request");
    running.signal("INT");
    running.wait_for_note("press Ctrl-C again");
    running.signal("INT");
    running.end().exits(130);
}
