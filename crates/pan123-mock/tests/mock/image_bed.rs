//! Offline downloads to the image bed.

use std::time::Duration;

use pan123_mock::{Effect, Service, Task, TaskEnd, TaskOutcome, TaskScript, path};
use serde_json::{Value, json};

use crate::mock::world::{World, code_and_message, get, world};

const URL: &str = "https://example.com/a.png";

fn create(world: &mut World, token: &str, body: &Value) -> Value {
    world.post(path::IMAGE_BED_DOWNLOAD, token, body)
}

fn task(world: &mut World, token: &str) -> u64 {
    let created = create(world, token, &json!({"url": URL, "type": 1}));
    created["data"]["taskID"].as_u64().expect("a task id")
}

fn poll(world: &mut World, token: &str, task: u64) -> Value {
    let path = format!("{}?taskID={task}", path::IMAGE_BED_PROGRESS);
    world.envelope(&get(&path, token))
}

#[test]
fn image_download_runs_to_success() {
    let mut world = world();
    let token = world.token();
    let body = json!({
        "url": URL,
        "type": 1,
        "fileName": "b.JPG",
        "businessDirID": "yk6baz03t0l000d7w33fbyt8704m2bohDIYPAIDOBIY0DcxvDwFO",
        "callBackUrl": "http://127.0.0.1:9/cb",
    });
    let created = create(&mut world, &token, &body);
    let task = created["data"]["taskID"].as_u64().expect("a task id");
    let asked = &world.service.tasks()[0];
    assert!(asked.is_image_bed());
    assert_eq!((asked.id(), asked.url()), (task, URL));
    assert_eq!(asked.file_name(), Some("b.JPG"));
    assert_eq!(asked.dir_id(), None);
    assert_eq!(asked.business_dir_id(), body["businessDirID"].as_str());

    let progress = [(); 3].map(|()| poll(&mut world, &token, task)["data"].take());
    assert_eq!(
        progress,
        [
            json!({"process": 0, "status": 0}),
            json!({"process": 50, "status": 0}),
            json!({"process": 100, "status": 2}),
        ]
    );
    assert_eq!(world.service.files().count(), 0);
    let Some(Effect::PostCallback { body, .. }) = world.effects.pop() else {
        panic!("a callback is due");
    };
    let body: Value = serde_json::from_slice(&body).unwrap();
    let Some(TaskOutcome::Succeeded { file_id, .. }) = world.service.tasks()[0].outcome() else {
        panic!("the task has succeeded");
    };
    assert_eq!(
        (&body["url"], &body["fileID"]),
        (&json!(URL), &json!(file_id))
    );
}

#[test]
fn non_images_and_missing_types_are_rejected() {
    for strict in [true, false] {
        let mut world = World::new(Service::builder().strict(strict).service());
        let token = world.token();
        for body in [
            json!({"url": URL}),
            json!({"url": URL, "type": 0}),
            json!({"url": URL, "type": 2}),
            json!({"type": 1}),
            json!({"url": "magnet:?xt=urn:btih:0", "type": 1}),
            json!({"url": URL, "type": 1, "fileName": "a.mp4"}),
            json!({"url": URL, "type": 1, "fileName": "png"}),
            json!({"url": URL, "type": 1, "businessDirID": 10023}),
        ] {
            let refused = create(&mut world, &token, &body);
            assert_eq!(refused["code"], 1, "{body}");
        }
        assert!(world.service.tasks().is_empty());

        let formats = "png gif jpeg tiff webp jpg tif svg bmp";
        for format in formats.split(' ') {
            let body = json!({"url": URL, "type": 1, "fileName": format!("a.{format}")});
            let created = create(&mut world, &token, &body);
            assert_eq!(created["code"], 0, "{format}");
        }
    }
}

#[test]
fn drive_and_image_bed_have_separate_tasks() {
    let mut world = world();
    let token = world.token();
    let in_drive = world.task(&token, &json!({ "url": URL }));
    let in_image_bed = task(&mut world, &token);
    assert_eq!(in_image_bed, in_drive + 1);

    let elsewhere = poll(&mut world, &token, in_drive);
    assert_eq!(elsewhere["code"], 1);
    let unknown = poll(&mut world, &token, in_image_bed + 1);
    assert_eq!(code_and_message(&elsewhere), code_and_message(&unknown));
    assert_eq!(world.poll(&token, in_image_bed)["code"], 1);
    let poll_counts = world.service.tasks().iter().map(Task::polls);
    assert_eq!(poll_counts.sum::<usize>(), 0);
    let kinds = world.service.tasks().iter().map(Task::is_image_bed);
    assert_eq!(kinds.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn running_limit_counts_drive_and_image_bed_separately_until_a_task_ends() {
    let service = Service::builder().running_limit(1).running_limit_code(7);
    let mut world = World::new(service.service());
    let token = world.token();
    world.task(&token, &json!({ "url": URL }));
    let first = task(&mut world, &token);
    let body = json!({"url": URL, "type": 1});
    let refused = create(&mut world, &token, &body);
    assert_eq!(
        code_and_message(&refused),
        (7, "同时下载的任务超出最大限制")
    );

    world
        .service
        .end_task(world.now, first, TaskEnd::Succeeded { size: 1 });
    assert_eq!(world.create(&token, &json!({ "url": URL }))["code"], 7);
    assert_eq!(create(&mut world, &token, &body)["code"], 0);
    assert_eq!(create(&mut world, &token, &body)["code"], 7);
}

#[test]
fn percentages_are_whole_only_in_the_image_bed() {
    let script = TaskScript::succeeds_within(Duration::from_secs(3));
    let service = Service::builder().default_script(script);
    let mut world = World::new(service.service());
    let token = world.token();
    let in_drive = world.task(&token, &json!({ "url": URL }));
    let in_image_bed = task(&mut world, &token);
    world.now += Duration::from_secs(2);
    assert_eq!(world.poll(&token, in_drive)["data"]["process"], 66.67);
    assert_eq!(
        poll(&mut world, &token, in_image_bed)["data"]["process"],
        66
    );

    world.now += Duration::from_secs(1);
    world.service.run_due(world.now);
    let done = json!({"process": 100, "status": 2});
    assert_eq!(poll(&mut world, &token, in_image_bed)["data"], done);
}

#[test]
fn loopback_sources_are_fetched_for_the_image_bed() {
    let mut world = World::new(Service::builder().fetch_loopback(true).service());
    let token = world.token();
    let body = json!({"url": "http://127.0.0.1:9/a.png", "type": 1});
    create(&mut world, &token, &body);
    assert!(matches!(world.effects[..], [Effect::Fetch { .. }]));
}
