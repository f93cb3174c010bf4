//! Copies within the drive, immediate and asynchronous.

use std::time::Duration;

use pan123_mock::{CopyTask, File, Service, TaskScript, path};
use serde_json::{Value, json};

use crate::mock::edits::{NOT_FOUND, drive, refused};
use crate::mock::file_shapes::{same_shape, strict, text};
use crate::mock::world::{World, code_and_message, get, post, world};

/// Copies a file or folder and returns the copy.
fn copy(world: &mut World, token: &str, id: u64, folder: u64) -> File {
    let body = json!({"fileId": id, "targetDirId": folder});
    let response = world.post(path::COPY, token, &body);
    assert_eq!(response["data"]["sourceFileId"], id, "{response}");
    let copy = response["data"]["targetFileId"].as_u64().expect("an id");
    world.file(copy).clone()
}

fn start(world: &mut World, token: &str, ids: &[u64], folder: u64) -> u64 {
    let body = json!({"fileIds": ids, "targetDirId": folder});
    let response = world.post(path::ASYNC_COPY, token, &body);
    response["data"]["taskId"].as_u64().expect("a task id")
}

fn poll(world: &mut World, token: &str, task: u64) -> Value {
    let path = format!("{}?taskId={task}", path::ASYNC_COPY_PROGRESS);
    world.envelope(&get(&path, token))
}

fn status(world: &mut World, token: &str, task: u64) -> i64 {
    let response = poll(world, token, task);
    assert_eq!(response["data"]["taskId"], task, "{response}");
    response["data"]["status"].as_i64().expect("a status")
}

/// Creates a folder with a file, and another folder.
fn two_folders(world: &mut World) -> (u64, u64, u64) {
    let now = world.now;
    let folder = world.service.add_folder(now, 0, "folder");
    let file = world.service.add_file(now, folder, "a.zip", 7);
    (folder, file, world.service.add_folder(now, 0, "to"))
}

#[test]
fn responses_match_the_documentation() {
    let (mut world, token) = strict();
    let (_, file, to) = two_folders(&mut world);
    let request = post(
        path::COPY,
        &token,
        &json!({"fileId": file, "targetDirId": to}),
    );
    same_shape(&mut world, &request, text!("official_copy_response"));

    let body = json!({"fileIds": [file], "targetDirId": to});
    let request = post(path::ASYNC_COPY, &token, &body);
    let response = same_shape(&mut world, &request, text!("official_async_copy_response"));
    let task = &response["data"]["taskId"];
    let url = format!("{}?taskId={task}", path::ASYNC_COPY_PROGRESS);
    let recorded = text!("official_async_copy_process_response");
    for status in [1, 2, 2] {
        let progress = same_shape(&mut world, &get(&url, &token), recorded);
        assert_eq!(progress["data"], json!({"taskId": task, "status": status}));
    }
}

#[test]
fn copy_is_a_new_file_with_the_same_content() {
    let mut world = world();
    let token = world.token();
    let (folder, file, to) = two_folders(&mut world);
    let original = world.file(file).clone();
    world.now += Duration::from_secs(1);
    let first = copy(&mut world, &token, file, to);
    assert_eq!(
        (first.parent(), first.name(), first.size()),
        (to, "a.zip", 7)
    );
    assert_eq!((first.created(), first.updated()), (world.now, world.now));
    assert_eq!(world.file(file), &original);

    let second = copy(&mut world, &token, file, to);
    assert_eq!(second.name(), "a(1).zip");
    let beside = copy(&mut world, &token, first.id(), folder);
    assert_eq!(beside.name(), "a(1).zip");
    assert_eq!(copy(&mut world, &token, file, 0).parent(), 0);

    let mut etag = |id: u64| {
        let request = get(&format!("{}?fileID={id}", path::FILE_DETAIL), &token);
        world.envelope(&request)["data"]["etag"].take()
    };
    assert_eq!(etag(file), etag(beside.id()), "content of a copy of a copy");
}

#[test]
fn folder_copy_includes_descendants_but_not_the_trash() {
    let mut world = world();
    let token = world.token();
    let (folder, _, to) = two_folders(&mut world);
    let now = world.now;
    let below = world.service.add_folder(now, folder, "below");
    world.service.add_file(now, below, "b", 1);
    let trashed = world.service.add_folder(now, folder, "trashed");
    world.service.add_file(now, trashed, "c", 1);
    world.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));
    let before = drive(&world).len();

    let top = copy(&mut world, &token, folder, to);
    assert_eq!(
        (top.name(), top.is_folder(), top.parent()),
        ("folder", true, to)
    );
    let all = drive(&world);
    let new: Vec<_> = all[before..]
        .iter()
        .map(|it| (it.name(), it.parent()))
        .collect();
    assert_eq!(
        new,
        [
            ("folder", to),
            ("a.zip", top.id()),
            ("below", top.id()),
            ("b", top.id() + 2)
        ]
    );
    assert_eq!(copy(&mut world, &token, folder, 0).name(), "folder(1)");
}

#[test]
fn invalid_copies_are_rejected_without_changes() {
    let mut world = world();
    let token = world.token();
    let (folder, file, to) = two_folders(&mut world);
    let now = world.now;
    let below = world.service.add_folder(now, folder, "below");
    let gone = world.service.add_folder(now, 0, "gone");
    world.post(path::TRASH, &token, &json!({"fileIDs": [gone]}));
    let cases = [
        (folder, folder, 1),
        (folder, below, 1),
        (1, to, NOT_FOUND),
        (0, to, NOT_FOUND),
        (gone, to, NOT_FOUND),
        (file, 1, NOT_FOUND),
        (file, file, NOT_FOUND),
        (file, gone, NOT_FOUND),
    ];
    let one = |id: u64, to: u64| json!({"fileId": id, "targetDirId": to});
    refused(
        &mut world,
        &token,
        path::COPY,
        cases.map(|(id, to, code)| (one(id, to), code)),
    );
    let requests = [
        (json!({"fileId": file}), 1),
        (json!({"targetDirId": to}), 1),
    ];
    refused(&mut world, &token, path::COPY, requests);
    let rejected = world.post(path::COPY, &token, &one(folder, below));
    assert_eq!(
        code_and_message(&rejected),
        (1, "不能复制到自身或其子文件夹")
    );

    let many = |ids: &[u64], to: u64| json!({"fileIds": ids, "targetDirId": to});
    refused(
        &mut world,
        &token,
        path::ASYNC_COPY,
        cases.map(|(id, to, code)| (many(&[id], to), code)),
    );
    let requests = [
        (many(&[], to), 1),
        (many(&vec![file; 3001], to), 1),
        (many(&[file, 1], to), NOT_FOUND),
        (json!({"fileIds": [file]}), 1),
    ];
    refused(&mut world, &token, path::ASYNC_COPY, requests);
    assert!(world.service.copy_tasks().is_empty());
}

#[test]
fn task_runs_at_the_first_poll_and_is_done_at_the_second() {
    let mut world = world();
    let token = world.token();
    let (folder, file, to) = two_folders(&mut world);
    let before = drive(&world);
    let ids = [vec![file; 2998], vec![folder, file]].concat();
    let task = start(&mut world, &token, &ids, to);
    let known = &world.service.copy_tasks()[0];
    assert_eq!((known.id(), known.status(), known.polls()), (task, 0, 0));
    assert_eq!(
        (known.file_ids(), known.target_dir_id()),
        (&[file, folder][..], to)
    );
    assert_eq!(status(&mut world, &token, task), 1);
    assert_eq!(drive(&world), before);

    world.now += Duration::from_secs(1);
    assert_eq!(status(&mut world, &token, task), 2);
    let known = &world.service.copy_tasks()[0];
    assert_eq!(known.polls(), 2);
    let names = known.copies().iter().map(|id| world.file(*id));
    let names: Vec<_> = names
        .map(|it| (it.name(), it.parent(), it.created()))
        .collect();
    assert_eq!(names, [("a.zip", to, world.now), ("folder", to, world.now)]);
    assert_eq!(drive(&world).len(), before.len() + 3);
    assert_eq!(status(&mut world, &token, task), 2);
    assert_eq!(drive(&world).len(), before.len() + 3);
    assert_eq!(start(&mut world, &token, &[file], to), task + 1);
}

#[test]
fn failing_task_copies_nothing_and_the_next_succeeds() {
    let mut world = world();
    let token = world.token();
    let (_, file, to) = two_folders(&mut world);
    let before = drive(&world);
    world.service.next_copy_fails();
    let tasks = [(); 2].map(|()| start(&mut world, &token, &[file], to));
    let mut statuses = tasks.map(|task| [(); 3].map(|()| status(&mut world, &token, task)));
    assert_eq!(statuses[0], [1, 3, 3]);
    assert_eq!(statuses[1], [1, 2, 2]);
    assert_eq!(drive(&world).len(), before.len() + 1);
    assert!(world.service.copy_tasks()[0].copies().is_empty());

    // A script may fail, too, and unknown statuses are passed through.
    let script = TaskScript::steps([(0.0, 3), (0.0, 13), (0.0, 1), (100.0, 2)]);
    world.service.set_copy_script(script);
    let task = start(&mut world, &token, &[file], to);
    statuses[0] = [(); 3].map(|()| status(&mut world, &token, task));
    assert_eq!(statuses[0], [0, 13, 3]);
    assert_eq!(status(&mut world, &token, task), 3, "the outcome is final");
    assert_eq!(drive(&world).len(), before.len() + 1);
}

#[test]
fn task_fails_if_anything_can_no_longer_be_copied() {
    let mut world = world();
    let token = world.token();
    let (folder, file, to) = two_folders(&mut world);
    let other = world.service.add_file(world.now, 0, "other", 1);
    for gone in [file, to] {
        let task = start(&mut world, &token, &[other, file], to);
        let before = drive(&world).len();
        world.post(path::TRASH, &token, &json!({"fileIDs": [gone]}));
        let statuses = [(); 2].map(|()| status(&mut world, &token, task));
        assert_eq!(statuses, [1, 3]);
        assert_eq!(drive(&world).len(), before, "all or nothing");
        world.post(path::RECOVER, &token, &json!({"fileIDs": [gone]}));
    }
    let task = start(&mut world, &token, &[folder], to);
    let moved = json!({"fileIDs": [to], "toParentFileID": folder});
    assert_eq!(world.post(path::MOVE, &token, &moved)["code"], 0);
    let statuses = [(); 2].map(|()| status(&mut world, &token, task));
    assert_eq!(statuses, [1, 3], "the folder would be below itself now");
}

#[test]
fn task_by_the_clock_ends_without_polls() {
    let script = TaskScript::succeeds_within(Duration::from_secs(10));
    let mut world = World::new(Service::builder().copy_script(script).service());
    let token = world.token();
    let (_, file, to) = two_folders(&mut world);
    let before = drive(&world).len();
    let task = start(&mut world, &token, &[file], to);
    world.service.next_copy_fails();
    let failing = start(&mut world, &token, &[file], to);
    assert_eq!(status(&mut world, &token, task), 1);
    let due = world.now + Duration::from_secs(10);
    assert_eq!(world.service.next_due(), Some(due));

    world.service.run_due(due);
    let known = world.service.copy_tasks().iter().map(CopyTask::status);
    assert_eq!(known.collect::<Vec<_>>(), [2, 3]);
    assert_eq!(drive(&world).len(), before + 1);
    world.now = due + Duration::from_secs(5);
    assert_eq!(status(&mut world, &token, task), 2);
    assert_eq!(status(&mut world, &token, failing), 3);
    assert_eq!(
        drive(&world).last().map(pan123_mock::File::created),
        Some(due)
    );
}

#[test]
fn unknown_task_is_rejected_like_an_unknown_download() {
    let mut world = world();
    let token = world.token();
    let (_, file, to) = two_folders(&mut world);
    let task = start(&mut world, &token, &[file], to);
    for unknown in [0, 1, task + 1, u64::MAX] {
        let rejected = poll(&mut world, &token, unknown);
        assert_eq!(code_and_message(&rejected), (1, "任务不存在"));
    }
    assert_eq!(world.poll(&token, task)["message"], "任务不存在");
    for query in ["", "?taskId=x", "?taskId=-1"] {
        let request = get(&format!("{}{query}", path::ASYNC_COPY_PROGRESS), &token);
        assert_eq!(world.envelope(&request)["code"], 1, "{query}");
    }
}
