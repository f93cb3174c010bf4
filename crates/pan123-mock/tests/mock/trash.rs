//! The trash: delete, recover, and recover to a folder.

use std::time::Duration;

use pan123_mock::path;
use serde_json::{Value, json};

use crate::mock::edits::{NOT_FOUND, drive, refused};
use crate::mock::file_shapes::{same_shape, strict, text, with_ids};
use crate::mock::shapes::fixture;
use crate::mock::world::{World, code_and_message, post, world};

fn trash(world: &mut World, token: &str, ids: &[u64]) {
    let response = world.post(path::TRASH, token, &json!({ "fileIDs": ids }));
    assert_eq!(response["code"], 0);
}

/// Restores files and returns the ids that could not be restored.
fn recover(world: &mut World, token: &str, ids: &[u64]) -> Value {
    let mut response = world.post(path::RECOVER, token, &json!({ "fileIDs": ids }));
    assert_eq!(response["code"], 0, "{response}");
    response["data"]["abnormalFileIDs"].take()
}

#[test]
fn documented_requests_get_documented_responses() {
    let (mut world, token) = strict();
    let files = ["a", "b"].map(|name| world.service.add_file(world.now, 0, name, 1));
    let folder = world.service.add_folder(world.now, 0, "c");
    trash(&mut world, &token, &files);

    let body = with_ids(&fixture!("official_recover_request"), files);
    let request = post(path::RECOVER, &token, &body);
    let recovered = world.envelope(&request);
    assert_eq!(recovered["data"], json!({"abnormalFileIDs": []}));
    let request = post(path::RECOVER, &token, &fixture!("official_recover_request"));
    let response = same_shape(&mut world, &request, text!("official_recover_response"));
    let unknown = json!({"abnormalFileIDs": [14_705_301, 14_705_306]});
    assert_eq!(response["data"], unknown);

    trash(&mut world, &token, &files);
    let mut body = with_ids(&fixture!("official_recover_by_path_request"), files);
    body["parentFileID"] = json!(folder);
    let request = post(path::RECOVER_BY_PATH, &token, &body);
    same_shape(
        &mut world,
        &request,
        text!("official_recover_by_path_response"),
    );
    assert!(files.map(|id| world.file(id).parent()) == [folder; 2]);

    trash(&mut world, &token, &files);
    let body = with_ids(&fixture!("official_delete_request"), files);
    let request = post(path::DELETE, &token, &body);
    same_shape(&mut world, &request, text!("official_delete_response"));
    assert_eq!(drive(&world).len(), 1);
}

#[test]
fn delete_removes_all_descendants() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let service = &mut world.service;
    let folder = service.add_folder(now, 0, "a");
    let below = service.add_folder(now, folder, "b");
    let deep = service.add_file(now, below, "c", 1);
    let trashed = service.add_file(now, below, "d", 1);
    let other = service.add_file(now, 0, "e", 1);
    trash(&mut world, &token, &[trashed, folder]);
    let deleted = world.post(path::DELETE, &token, &json!({"fileIDs": vec![folder; 100]}));
    assert_eq!(
        (&deleted["code"], &deleted["data"]),
        (&json!(0), &Value::Null)
    );
    let left: Vec<u64> = world.service.files().map(pan123_mock::File::id).collect();
    assert_eq!(left, [other]);
    for place in [0, folder, below] {
        let page = world.list(&token, &format!("parentFileId={place}&limit=100"));
        let rows = page["data"]["fileList"].as_array().unwrap();
        assert_eq!(rows.len(), usize::from(place == 0), "{page}");
    }

    // The names are free, even in a missing folder.
    let again = world.service.add_file(now, below, "c", 1);
    assert_eq!(world.file(again).name(), "c");
    assert!(again > deep, "ids are not reused");
}

#[test]
fn delete_rejects_files_outside_the_trash() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "a");
    let inside = world.service.add_file(world.now, folder, "b", 1);
    let other = world.service.add_file(world.now, 0, "c", 1);
    trash(&mut world, &token, &[folder]);
    let requests = [
        (json!({}), 1),
        (json!({"fileIDs": []}), 1),
        (json!({"fileIDs": vec![folder; 101]}), 1),
        (json!({"fileIDs": [folder, other]}), 1),
        // It is in a trashed folder, but not in the trash itself.
        (json!({"fileIDs": [inside]}), 1),
        (json!({"fileIDs": [folder, 1]}), NOT_FOUND),
        (json!({"fileIDs": [0]}), NOT_FOUND),
    ];
    refused(&mut world, &token, path::DELETE, requests);
    let rejected = world.post(path::DELETE, &token, &json!({"fileIDs": [other]}));
    assert_eq!(code_and_message(&rejected), (1, "文件不在回收站中"));
}

#[test]
fn recovered_file_is_back_in_its_folder() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "a");
    let file = world.service.add_file(world.now, folder, "b.zip", 1);
    trash(&mut world, &token, &[file]);
    world.now += Duration::from_secs(1);
    assert_eq!(recover(&mut world, &token, &[file, file]), json!([]));
    let back = world.file(file);
    assert_eq!((back.parent(), back.name()), (folder, "b.zip"));
    assert!(!back.is_trashed() && back.updated() == world.now);

    // It has its name again.
    let other = world.service.add_file(world.now, folder, "b.zip", 1);
    assert_eq!(world.file(other).name(), "b(1).zip");
    // If its name was taken meanwhile, it gets a number.
    trash(&mut world, &token, &[file]);
    let third = world.service.add_file(world.now, folder, "b.zip", 1);
    assert_eq!(world.file(third).name(), "b.zip");
    assert_eq!(recover(&mut world, &token, &[file]), json!([]));
    assert_eq!(world.file(file).name(), "b(2).zip");
}

#[test]
fn unrecoverable_ids_are_returned() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let service = &mut world.service;
    let top = service.add_folder(now, 0, "top");
    let middle = service.add_folder(now, top, "middle");
    let file = service.add_file(now, middle, "file", 1);
    let here = service.add_file(now, 0, "here", 1);
    trash(&mut world, &token, &[file, middle, top]);

    assert_eq!(recover(&mut world, &token, &[1, here, 1]), json!([1, here]));
    // Its folder is in the trash, or the folder above.
    assert_eq!(recover(&mut world, &token, &[file]), json!([file]));
    assert_eq!(recover(&mut world, &token, &[middle]), json!([middle]));
    assert_eq!(
        recover(&mut world, &token, &[file, middle]),
        json!([file, middle])
    );
    // Together they can be restored in any order.
    assert_eq!(
        recover(&mut world, &token, &[file, 1, middle, top]),
        json!([1])
    );
    assert!(
        [file, middle, top]
            .iter()
            .all(|id| !world.file(*id).is_trashed())
    );

    trash(&mut world, &token, &[file, top]);
    assert_eq!(recover(&mut world, &token, &[file]), json!([file]));
    assert_eq!(recover(&mut world, &token, &[top, file]), json!([]));

    // The folder does not exist.
    let lost = world.service.add_file(now, 10_023, "lost", 1);
    trash(&mut world, &token, &[lost]);
    assert_eq!(recover(&mut world, &token, &[lost]), json!([lost]));
    let requests = [
        (json!({}), 1),
        (json!({"fileIDs": []}), 1),
        (json!({"fileIDs": [here, "x"]}), 1),
        (json!({"fileIDs": vec![here; 101]}), 1),
    ];
    refused(&mut world, &token, path::RECOVER, requests);
}

#[test]
fn recover_by_path_moves_to_the_folder() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let service = &mut world.service;
    let to = service.add_folder(now, 0, "to");
    let lost = service.add_file(now, 10_023, "a.zip", 1);
    let folder = service.add_folder(now, 0, "folder");
    let inside = service.add_folder(now, folder, "inside");
    let other = service.add_file(now, to, "a.zip", 1);
    let gone = service.add_folder(now, 0, "gone");
    trash(&mut world, &token, &[lost, folder, gone]);
    let asked = |ids: &[u64], folder: u64| json!({"fileIDs": ids, "parentFileID": folder});

    let requests = [
        (json!({"fileIDs": [lost]}), 1),
        (asked(&[], to), 1),
        (asked(&[lost; 101], to), 1),
        (asked(&[lost, other], to), 1),
        (asked(&[lost, folder], inside), 1),
        (asked(&[lost, 1], to), NOT_FOUND),
        (asked(&[lost], 1), NOT_FOUND),
        (asked(&[lost], other), NOT_FOUND),
        (asked(&[lost], gone), NOT_FOUND),
    ];
    refused(&mut world, &token, path::RECOVER_BY_PATH, requests);

    let body = asked(&[lost, folder, lost], to);
    assert_eq!(world.post(path::RECOVER_BY_PATH, &token, &body)["code"], 0);
    let file = world.file(lost);
    assert_eq!(
        (file.parent(), file.name(), file.is_trashed()),
        (to, "a(1).zip", false)
    );
    assert_eq!(world.file(folder).parent(), to);
    assert_eq!(world.file(inside).parent(), folder);
    trash(&mut world, &token, &[lost]);
    let body = asked(&[lost], 0);
    assert_eq!(world.post(path::RECOVER_BY_PATH, &token, &body)["code"], 0);
    assert_eq!(world.file(lost).parent(), 0);
}
