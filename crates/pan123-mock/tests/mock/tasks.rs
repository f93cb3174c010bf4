//! Offline downloads and their progress.

use std::time::Duration;

use pan123_mock::{Service, TaskEnd, TaskOutcome, TaskScript, path};
use serde_json::{Value, json};

use crate::mock::world::{World, get, world};

#[test]
fn default_task_succeeds_at_the_third_poll() {
    let mut world = world();
    let token = world.token();
    let task = world.task(
        &token,
        &json!({
            "url": "https://example.com/a.zip",
            "fileName": "b.zip",
            "dirID": 10023,
            "callBackUrl": "http://127.0.0.1:9/cb?id=1",
        }),
    );
    assert!(task > 1);
    let asked = &world.service.tasks()[0];
    assert_eq!(asked.id(), task);
    assert_eq!(asked.url(), "https://example.com/a.zip");
    assert_eq!(asked.file_name(), Some("b.zip"));
    assert_eq!(asked.dir_id(), Some(10023));
    assert_eq!(asked.callback_url(), Some("http://127.0.0.1:9/cb?id=1"));

    let progress: Vec<Value> = (0..4)
        .map(|_| world.poll(&token, task)["data"].clone())
        .collect();
    assert_eq!(
        progress,
        [
            json!({"process": 0, "status": 0}),
            json!({"process": 50, "status": 0}),
            json!({"process": 100, "status": 2}),
            json!({"process": 100, "status": 2}),
        ]
    );
    assert_eq!(world.service.tasks()[0].polls(), 4);
}

#[test]
fn invalid_downloads_are_rejected() {
    let mut world = world();
    let token = world.token();
    for body in [
        json!({}),
        json!({"url": ""}),
        json!({"url": 7}),
        json!({"url": "magnet:?xt=urn:btih:0"}),
        json!({"url": "https://example.com/a", "dirID": "folder"}),
        json!({"url": "https://example.com/a", "fileName": 1}),
        json!(["https://example.com/a"]),
    ] {
        let refused = world.create(&token, &body);
        assert_eq!(refused["code"], 1, "{body}");
        assert_eq!(refused["data"], Value::Null);
    }
    assert!(world.service.tasks().is_empty());
}

#[test]
fn undocumented_parameters_are_rejected_only_if_strict() {
    let url = "https://example.com/a";
    for body in [
        json!({"url": url, "dirID": 0}),
        json!({"url": url, "dirID": "10023"}),
        json!({"url": url, "dirID": null}),
        json!({"url": url, "dirid": 10023}),
        json!({"url": url, "savePath": "/video"}),
        json!({"url": url, "fileName": ""}),
    ] {
        let mut world = world();
        let token = world.token();
        assert_eq!(world.create(&token, &body)["code"], 0, "{body}");

        let mut strict = World::new(Service::builder().strict(true).service());
        let token = strict.token();
        let refused = strict.create(&token, &body);
        assert_eq!(refused["code"], 1, "{body}");
        assert!(strict.service.tasks().is_empty());
    }
}

#[test]
fn root_means_the_default_folder() {
    let mut world = world();
    let token = world.token();
    world.task(&token, &json!({"url": "https://example.com/a", "dirID": 0}));
    assert_eq!(world.service.tasks()[0].dir_id(), None);
}

#[test]
fn script_by_the_clock_ends_without_polls() {
    let minute = Duration::from_secs(60);
    let service = Service::builder()
        .default_script(TaskScript::succeeds_within(minute))
        .script_for(
            "https://example.com/bad",
            TaskScript::fails_within(minute / 2, "源站404"),
        );
    let mut world = World::new(service.service());
    let token = world.token();
    let good = world.task(&token, &json!({"url": "https://example.com/good"}));
    let bad = world.task(&token, &json!({"url": "https://example.com/bad"}));
    assert_eq!(world.service.next_due(), Some(world.now + minute / 2));

    world.now += minute / 4;
    let quarter = json!({"process": 25, "status": 0});
    assert_eq!(world.poll(&token, good)["data"], quarter);
    world.now += minute / 4;
    world.service.run_due(world.now);
    let expected = "源站404".to_owned();
    let ended = world.service.tasks()[1].outcome().cloned();
    assert!(matches!(ended, Some(TaskOutcome::Failed { reason, .. }) if reason == expected));
    assert_eq!(
        world.poll(&token, bad)["data"],
        json!({"process": 0, "status": 1})
    );

    world.now += minute;
    assert_eq!(
        world.poll(&token, good)["data"],
        json!({"process": 100, "status": 2})
    );
    assert_eq!(world.service.next_due(), None);
}

#[test]
fn unknown_task_is_an_error_envelope() {
    let mut world = world();
    let token = world.token();
    let task = world.task(&token, &json!({"url": "https://example.com/a"}));
    assert_eq!(world.poll(&token, task + 1)["code"], 1);
    for query in ["", "?taskID=", "?taskID=x", "?task=1"] {
        let request = get(&format!("{}{query}", path::OFFLINE_PROGRESS), &token);
        assert_eq!(world.envelope(&request)["code"], 1, "{query}");
    }
    assert_eq!(world.service.tasks()[0].polls(), 0);
}

#[test]
fn source_script_overrides_the_default() {
    let service = Service::builder()
        .default_script(TaskScript::never_ends())
        .script_for(
            "https://example.com/bad",
            TaskScript::fails_after(1, "gone"),
        )
        .service();
    let mut world = World::new(service);
    let token = world.token();
    let bad = world.task(&token, &json!({"url": "https://example.com/bad"}));
    let other = world.task(&token, &json!({"url": "https://example.com/other"}));
    assert_eq!(
        world.poll(&token, bad)["data"],
        json!({"process": 0, "status": 1})
    );
    for _ in 0..100 {
        assert_eq!(world.poll(&token, other)["data"]["status"], 0);
    }

    world
        .service
        .set_default_script(TaskScript::succeeds_after(1));
    world
        .service
        .set_script_for("https://example.com/odd", TaskScript::steps([(33.5, 13)]));
    let later = world.task(&token, &json!({"url": "https://example.com/other"}));
    let odd = world.task(&token, &json!({"url": "https://example.com/odd"}));
    assert_eq!(world.poll(&token, later)["data"]["status"], 2);
    assert_eq!(
        world.poll(&token, odd)["data"],
        json!({"process": 33.5, "status": 13})
    );
}

#[test]
fn only_loopback_sources_without_a_script_are_fetched_if_enabled() {
    let source = "http://127.0.0.1:9/a";
    let fetches = |service: Service, url: &str| {
        let mut world = World::new(service);
        let token = world.token();
        world.task(&token, &json!({ "url": url }));
        world.effects.len()
    };
    let on = || Service::builder().fetch_loopback(true);
    assert_eq!(fetches(on().service(), source), 1);
    assert_eq!(fetches(on().service(), "http://10.0.0.1/a"), 0);
    assert_eq!(fetches(Service::default(), source), 0);
    let with_course = on().script_for(source, TaskScript::default());
    assert_eq!(fetches(with_course.service(), source), 0);
}

#[test]
fn fetched_task_reports_the_progress_of_its_fetch() {
    let mut world = World::new(Service::builder().fetch_loopback(true).service());
    let token = world.token();
    let task = world.task(&token, &json!({"url": "http://localhost:9/a"}));
    assert_eq!(
        world.poll(&token, task)["data"],
        json!({"process": 0, "status": 0})
    );
    world.service.set_fetch_progress(task, (37.5, 0));
    for _ in 0..3 {
        assert_eq!(world.poll(&token, task)["data"]["process"], 37.5);
    }
    assert!(
        world
            .service
            .end_task(world.now, task, TaskEnd::Succeeded { size: 1234 })
            .is_empty()
    );
    assert_eq!(
        world.poll(&token, task)["data"],
        json!({"process": 100, "status": 2})
    );
    assert_eq!(world.service.tasks()[0].fetched_bytes(), 1234);

    assert!(
        world
            .service
            .end_task(world.now, task + 1, TaskEnd::Succeeded { size: 0 })
            .is_empty()
    );
}

#[test]
fn task_ids_start_at_the_configured_id() {
    // 2^53 + 1, which no double can hold.
    let first = 9_007_199_254_740_993;
    let service = Service::builder().first_task(first).service();
    let mut world = World::new(service);
    let token = world.token();
    for expected in [first, first + 1] {
        let task = world.task(&token, &json!({"url": "https://example.com/a"}));
        assert_eq!(task, expected);
        assert_eq!(world.poll(&token, task)["code"], 0);
    }
    assert_eq!(world.poll(&token, first - 1)["code"], 1);
}
