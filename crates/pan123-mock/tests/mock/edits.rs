//! Changes to the drive, and rejected requests that change nothing.

use std::time::Duration;

use pan123_mock::{File, path};
use serde_json::{Value, json};

use crate::mock::world::{World, code_and_message, post, put, world};

pub(crate) const NOT_FOUND: i64 = 5066;

pub(crate) fn drive(world: &World) -> Vec<File> {
    world.service.files().cloned().collect()
}

/// Asserts that these requests are rejected with these codes and change nothing.
pub(crate) fn refused<const N: usize>(
    world: &mut World,
    token: &str,
    path: &str,
    requests: [(Value, i64); N],
) {
    let before = drive(world);
    world.now += Duration::from_secs(1);
    for (body, code) in requests {
        let response = world.post(path, token, &body);
        assert_eq!(response["code"], code, "{body}: {response}");
        assert_eq!(response["data"], Value::Null);
        assert_eq!(drive(world), before, "{body}");
    }
}

#[test]
fn second_mkdir_of_the_same_name_is_rejected() {
    let mut world = world();
    let token = world.token();
    let body = json!({"name": "影片", "parentID": 0});
    let made = world.post(path::MKDIR, &token, &body);
    let folder = made["data"]["dirID"].as_u64().expect("an id");
    let second = world.post(path::MKDIR, &token, &body);
    let expected = (1, "该目录下已经有同名文件夹,无法进行创建");
    assert_eq!(code_and_message(&second), expected);
    let found = world.list(&token, "parentFileId=0&limit=100");
    assert_eq!(found["data"]["fileList"][0]["fileId"], folder);
    assert_eq!(drive(&world).len(), 1);

    let inside = json!({"name": "影片", "parentID": folder});
    let inside = world.post(path::MKDIR, &token, &inside);
    let inside = inside["data"]["dirID"].as_u64().expect("an id");
    assert_eq!(world.file(inside).parent(), folder);

    world.post(path::TRASH, &token, &json!({"fileIDs": [folder]}));
    let again = world.post(path::MKDIR, &token, &body);
    assert_eq!(again["code"], 0);
}

#[test]
fn mkdir_rejects_invalid_names_and_parents() {
    let mut world = world();
    let token = world.token();
    let file = world.service.add_file(world.now, 0, "a", 1);
    let trashed = world.service.add_folder(world.now, 0, "b");
    world.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));
    let named = |name: &str| (json!({"name": name, "parentID": 0}), 1);
    let under = |parent: u64| (json!({"name": "c", "parentID": parent}), NOT_FOUND);
    let requests = [
        (json!({"name": "c"}), 1),
        (json!({"parentID": 0}), 1),
        (json!({"name": 1, "parentID": 0}), 1),
        named(""),
        named(" 　"),
        named("a/b"),
        named("来自:离线下载"),
        named(&"好".repeat(256)),
        named("a"),
        under(1),
        under(file),
        under(trashed),
    ];
    refused(&mut world, &token, path::MKDIR, requests);
    let longest = json!({"name": "好".repeat(255), "parentID": 0});
    assert_eq!(world.post(path::MKDIR, &token, &longest)["code"], 0);
}

#[test]
fn trash_is_all_or_nothing() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "a");
    let inside = world.service.add_file(world.now, folder, "b", 1);
    let requests = [
        (json!({}), 1),
        (json!({"fileIDs": []}), 1),
        (json!({"fileIDs": folder}), 1),
        (json!({"fileIDs": vec![folder; 101]}), 1),
        (json!({"fileIDs": [folder, 0]}), NOT_FOUND),
        (json!({"fileIDs": [folder, 1]}), NOT_FOUND),
    ];
    refused(&mut world, &token, path::TRASH, requests);

    let body = json!({"fileIDs": vec![folder; 100]});
    for _ in 0..2 {
        assert_eq!(world.post(path::TRASH, &token, &body)["code"], 0);
        assert!(world.file(folder).is_trashed());
        assert_eq!(world.file(folder).updated(), world.now);
        assert!(!world.file(inside).is_trashed());
    }
    world.now += Duration::from_secs(1);
    world.post(path::TRASH, &token, &body);
    assert_ne!(world.file(folder).updated(), world.now);
}

#[test]
fn edits_accept_forms() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "a");
    let files = world.service.add_files(world.now, 0, 2);
    let ids = format!("fileIDs={}&fileIDs[]={}", files[0], files[1]);
    for (path, more) in [
        (path::TRASH, ""),
        (path::RECOVER, ""),
        (path::MOVE, "&toParentFileID="),
        (path::TRASH, ""),
        (path::RECOVER_BY_PATH, "&parentFileID="),
        (path::TRASH, ""),
        (path::DELETE, ""),
    ] {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!("{more}{folder}")
        };
        let mut request = post(path, &token, &json!({}));
        *request.body_mut() = format!("{ids}{more}").into();
        let response = world.envelope(&request);
        assert_eq!(response["code"], 0, "{path}: {response}");
    }
    assert_eq!(world.service.files().count(), 1, "only the folder is left");
}

#[test]
fn move_takes_folders_with_their_contents() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let service = &mut world.service;
    let from = service.add_folder(now, 0, "from");
    let to = service.add_folder(now, 0, "to");
    let file = service.add_file(now, from, "a", 1);
    let folder = service.add_folder(now, from, "b");
    let inside = service.add_file(now, folder, "c", 1);

    let body = json!({"fileIDs": [file, folder, file], "toParentFileID": to});
    assert_eq!(world.post(path::MOVE, &token, &body)["code"], 0);
    assert_eq!(world.file(file).parent(), to);
    assert_eq!(world.file(folder).parent(), to);
    assert_eq!(world.file(inside).parent(), folder);
    let left = world.list(&token, &format!("parentFileId={from}&limit=1"));
    assert_eq!(left["data"]["fileList"], json!([]));

    // The name is free in the old folder and taken in the new one.
    let again = world.service.add_file(world.now, from, "a", 1);
    assert_eq!(world.file(again).name(), "a");
    let requests = [(json!({"fileIDs": [again], "toParentFileID": to}), 1)];
    refused(&mut world, &token, path::MOVE, requests);
    let body = json!({"fileIDs": [again], "toParentFileID": 0});
    assert_eq!(world.post(path::MOVE, &token, &body)["code"], 0);
}

#[test]
fn move_rejects_descendants_and_the_current_folder() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let service = &mut world.service;
    let top = service.add_folder(now, 0, "top");
    let middle = service.add_folder(now, top, "middle");
    let bottom = service.add_folder(now, middle, "bottom");
    let file = service.add_file(now, 0, "file", 1);
    let same = service.add_file(now, bottom, "file", 1);
    let other = service.add_file(now, middle, "file", 1);
    let moved = |ids: &[u64], to: u64| json!({"fileIDs": ids, "toParentFileID": to});

    let requests = [
        (moved(&[top], top), 1),
        (moved(&[top], middle), 1),
        (moved(&[file, top], bottom), 1),
        (moved(&[middle, file], 0), 1),
        (moved(&[same, other], top), 1),
        (moved(&[other, 1], top), NOT_FOUND),
        (moved(&[other], 1), NOT_FOUND),
        (moved(&[other], file), NOT_FOUND),
        (moved(&[], top), 1),
        (moved(&[other; 101], top), 1),
        (json!({"fileIDs": [other]}), 1),
    ];
    refused(&mut world, &token, path::MOVE, requests);
    let there = world.post(path::MOVE, &token, &moved(&[file], 0));
    let expected = (1, "文件已在当前文件夹中，请选择其他文件夹");
    assert_eq!(code_and_message(&there), expected);

    assert_eq!(
        world.post(path::MOVE, &token, &moved(&[middle], 0))["code"],
        0
    );
    assert_eq!(
        world.post(path::MOVE, &token, &moved(&[top], bottom))["code"],
        0
    );
}

#[test]
fn single_rename_rejects_taken_names() {
    let mut world = world();
    let token = world.token();
    let files = ["a", "b"].map(|name| world.service.add_file(world.now, 0, name, 1));
    let mut rename = |id: u64, name: &str| {
        let body = json!({"fileId": id, "fileName": name});
        world.envelope(&put(path::FILE_NAME, &token, &body))["code"].take()
    };
    assert_eq!(rename(files[0], "b"), 1);
    assert_eq!(rename(files[0], "a?"), 1);
    assert_eq!(rename(files[1] + 1, "c"), NOT_FOUND);
    assert_eq!(rename(files[0], "a"), 0);
    assert_eq!(rename(files[0], "c"), 0);
    assert_eq!(rename(files[1], "a"), 0);
    assert_eq!(world.file(files[0]).name(), "c");
    assert_eq!(world.file(files[1]).name(), "a");
}

#[test]
fn batch_rename_is_all_or_nothing() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let [a, b, c] = ["a", "b", "c"].map(|name| world.service.add_file(now, 0, name, 1));
    let list = |names: &[String]| json!({ "renameList": names });
    let good = format!("{a}|new");
    let with = |other: String| list(&[good.clone(), other]);

    let requests = [
        (json!({}), 1),
        (json!({"renameList": [{"fileId": a, "fileName": "new"}]}), 1),
        (list(&[]), 1),
        (list(&vec![good.clone(); 31]), 1),
        (with(format!("{b}")), 1),
        (with("x|y".to_owned()), 1),
        (with(format!("{b}|")), 1),
        (with(format!("{b}|y|z")), 1),
        (with(format!("{b}|c")), 1),
        (with(format!("{b}|new")), 1),
        (with(format!("{}|y", c + 1)), NOT_FOUND),
    ];
    refused(&mut world, &token, path::RENAME, requests);

    let body = list(&vec![good.clone(); 30]);
    assert_eq!(world.post(path::RENAME, &token, &body)["code"], 0);
    assert_eq!(world.file(a).name(), "new");
    let exchanged = list(&[format!("{b}|c"), format!("{c}|b")]);
    assert_eq!(world.post(path::RENAME, &token, &exchanged)["code"], 0);
    assert_eq!((world.file(b).name(), world.file(c).name()), ("c", "b"));
    let requests = [(list(&[format!("{a}|b")]), 1)];
    refused(&mut world, &token, path::RENAME, requests);
}

#[test]
fn trashed_files_do_not_occupy_names() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let trashed = world.service.add_file(now, 0, "a", 1);
    world.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));
    world.service.add_file(now, 0, "a", 1);
    let folder = world.service.add_folder(now, 0, "folder");
    world.service.add_file(now, folder, "b", 1);
    let named = |name: &str| json!({"name": name, "parentID": 0});
    let renamed = json!({"renameList": [format!("{trashed}|b")]});
    let moved = json!({"fileIDs": [trashed], "toParentFileID": folder});
    for (path, body, code) in [
        (path::RENAME, renamed, 0),
        (path::MKDIR, named("a"), 1),
        (path::MKDIR, named("b"), 0),
        (path::MOVE, moved, 0),
    ] {
        assert_eq!(world.post(path, &token, &body)["code"], code, "{body}");
    }
    let trashed = world.file(trashed);
    assert_eq!((trashed.parent(), trashed.name()), (folder, "b"));
}
