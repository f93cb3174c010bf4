//! Where the files of downloads are stored.

use std::collections::HashSet;
use std::time::Duration;

use pan123_mock::{File, Service, TaskEnd, TaskOutcome, TaskScript, path};
use serde_json::{Value, json};

use crate::mock::world::{World, world};

/// A world whose tasks succeed at the first poll.
fn quick(strict: bool) -> World {
    let script = TaskScript::succeeds_after(1).size(7);
    let service = Service::builder().default_script(script).strict(strict);
    World::new(service.service())
}

/// Downloads a file and returns it.
fn downloaded(world: &mut World, token: &str, body: &Value) -> File {
    let task = world.task(token, body);
    world.poll(token, task);
    let task = world.service.tasks().last();
    let Some(TaskOutcome::Succeeded { file_id, .. }) = task.and_then(|task| task.outcome()) else {
        panic!("the task has succeeded");
    };
    world.file(*file_id).clone()
}

#[test]
fn download_without_a_folder_goes_to_the_default_one() {
    let mut world = quick(true);
    let token = world.token();
    let body = json!({"url": "https://example.com/a.zip"});
    let before = world.now;
    world.task(&token, &body);
    assert_eq!(world.service.files().count(), 0);

    world.now += Duration::from_secs(5);
    let first = downloaded(&mut world, &token, &body);
    let folder = world.file(first.parent()).clone();
    assert_eq!((folder.parent(), folder.name()), (0, "来自:离线下载"));
    assert!(folder.is_folder() && !first.is_folder() && !first.is_trashed());
    assert_eq!((folder.id(), first.id()), (14_710_240, 14_710_241));
    assert_eq!((first.name(), first.size()), ("a.zip", 7));
    assert_eq!(first.created(), before + Duration::from_secs(5));

    let second = downloaded(&mut world, &token, &json!({"url": "https://example.com/b"}));
    assert_eq!(second.parent(), folder.id());
    world.post(path::TRASH, &token, &json!({"fileIDs": [folder.id()]}));
    let third = downloaded(&mut world, &token, &body);
    assert_ne!(third.parent(), folder.id());
    assert_eq!(world.file(third.parent()).name(), folder.name());
}

#[test]
fn download_goes_to_its_folder_under_its_name() {
    for strict in [true, false] {
        let mut world = quick(strict);
        let token = world.token();
        let folder = world.service.add_folder(world.now, 0, "影片");
        let url = "https://example.com/%E6%B5%8B%20a.mp4?sign=1";
        let body = json!({"url": url, "dirID": folder});
        let file = downloaded(&mut world, &token, &body);
        assert_eq!((file.parent(), file.name()), (folder, "测 a.mp4"));

        let body = json!({"url": url, "dirID": folder, "fileName": "b.mkv"});
        let file = downloaded(&mut world, &token, &body);
        assert_eq!((file.parent(), file.name()), (folder, "b.mkv"));
        assert_eq!(world.service.files().count(), 3);
    }
}

#[test]
fn unknown_folder_is_rejected_only_if_strict() {
    let mut strict = quick(true);
    let token = strict.token();
    let file = strict.service.add_file(strict.now, 0, "a", 1);
    let trashed = strict.service.add_folder(strict.now, 0, "b");
    strict.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));
    for id in [json!(file), json!(trashed), json!(10023), json!(-1)] {
        let body = json!({"url": "https://example.com/a", "dirID": id});
        let refused = strict.create(&token, &body);
        assert_eq!(refused["code"], 1, "{id}");
    }
    assert!(strict.service.tasks().is_empty());

    let mut world = quick(false);
    let token = world.token();
    let body = json!({"url": "https://example.com/a", "dirID": 10023});
    let file = downloaded(&mut world, &token, &body);
    assert_eq!(world.service.files().count(), 1);
    let page = world.list(&token, "parentFileId=10023&limit=10");
    assert_eq!(page["data"]["fileList"][0]["fileId"], file.id());
}

#[test]
fn taken_name_gets_a_number() {
    let mut world = quick(false);
    let token = world.token();
    let body = json!({"url": "https://example.com/a.tar.gz"});
    let files = [(); 3].map(|()| downloaded(&mut world, &token, &body));
    let names: Vec<_> = files.iter().map(pan123_mock::File::name).collect();
    assert_eq!(names, ["a.tar.gz", "a.tar(1).gz", "a.tar(2).gz"]);

    let now = world.now;
    let service = &mut world.service;
    let elsewhere = service.add_file(now, 0, "a.tar.gz", 1);
    let folders = [(); 2].map(|()| service.add_folder(now, 0, "a.tar.gz"));
    service.add_file(now, 0, "b(1)", 1);
    let others = [(); 2].map(|()| service.add_file(now, 0, "b", 1));
    assert_eq!(world.file(elsewhere).name(), "a.tar.gz");
    assert_eq!(world.file(folders[1]).name(), "a.tar.gz(2)");
    assert_eq!(world.file(others[1]).name(), "b(2)");
}

#[test]
fn failed_download_leaves_no_file() {
    let mut world = world();
    let token = world.token();
    let task = world.task(&token, &json!({"url": "https://example.com/a"}));
    let failed = TaskEnd::failed("no");
    world.service.end_task(world.now, task, failed);
    assert_eq!(world.service.files().count(), 0);
}

#[test]
fn large_folder_can_be_filled_and_listed() {
    const FILES: usize = 20_000;
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "full");
    for _ in 0..FILES {
        world.service.add_file(world.now, folder, "a.bin", 1);
    }
    let names = world.service.files().map(pan123_mock::File::name);
    assert_eq!(names.collect::<HashSet<_>>().len(), FILES + 1);

    let mut last = json!(0);
    let mut rows = 0;
    while last != -1 {
        let query = format!("parentFileId={folder}&limit=100&lastFileId={last}");
        let page = world.list(&token, &query);
        rows += page["data"]["fileList"].as_array().unwrap().len();
        last = page["data"]["lastFileId"].clone();
    }
    assert_eq!(rows, FILES);
}
