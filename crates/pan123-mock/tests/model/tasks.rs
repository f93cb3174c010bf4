//! Offline downloads and their progress.

use pan123_mock::{Course, Service, path};
use serde_json::{Value, json};

use crate::world::{World, get, world};

#[test]
fn a_task_is_created_as_asked_and_followed_to_its_end() {
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

    let told: Vec<Value> = (0..4)
        .map(|_| world.poll(&token, task)["data"].clone())
        .collect();
    assert_eq!(
        told,
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
fn what_cannot_be_downloaded_is_refused() {
    let mut world = world();
    let token = world.token();
    for body in [
        json!({}),
        json!({"url": ""}),
        json!({"url": 7}),
        json!({"url": "magnet:?xt=urn:btih:0"}),
        json!({"url": "https://example.com/a", "dirID": 0}),
        json!({"url": "https://example.com/a", "dirID": "10023"}),
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
fn an_unknown_task_is_an_error_in_the_envelope() {
    let mut world = world();
    let token = world.token();
    let task = world.task(&token, &json!({"url": "https://example.com/a"}));
    assert_eq!(world.poll(&token, task + 1)["code"], 1);
    for query in ["", "?taskID=", "?taskID=x", "?taskId=1"] {
        let request = get(&format!("{}{query}", path::OFFLINE_PROGRESS), &token);
        assert_eq!(world.envelope(&request)["code"], 1, "{query}");
    }
    assert_eq!(world.service.tasks()[0].polls(), 0);
}

#[test]
fn a_source_goes_its_own_course_and_the_others_the_default() {
    let service = Service::builder()
        .default_course(Course::never_ends())
        .course_for("https://example.com/bad", Course::fails_after(1, "gone"))
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

    world.service.set_default_course(Course::succeeds_after(1));
    world
        .service
        .set_course_for("https://example.com/odd", Course::steps([(33.5, 13)]));
    let later = world.task(&token, &json!({"url": "https://example.com/other"}));
    let odd = world.task(&token, &json!({"url": "https://example.com/odd"}));
    assert_eq!(world.poll(&token, later)["data"]["status"], 2);
    assert_eq!(
        world.poll(&token, odd)["data"],
        json!({"process": 33.5, "status": 13})
    );
}

#[test]
fn only_loopback_sources_without_a_course_are_fetched_and_only_when_asked_for() {
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
    let with_course = on().course_for(source, Course::default());
    assert_eq!(fetches(with_course.service(), source), 0);
}

#[test]
fn a_fetched_task_shows_how_far_the_fetch_is() {
    let mut world = World::new(Service::builder().fetch_loopback(true).service());
    let token = world.token();
    let task = world.task(&token, &json!({"url": "http://localhost:9/a"}));
    assert_eq!(
        world.poll(&token, task)["data"],
        json!({"process": 0, "status": 0})
    );
    world.service.fetch_progress(task, 37.5);
    for _ in 0..3 {
        assert_eq!(world.poll(&token, task)["data"]["process"], 37.5);
    }
    assert!(world.service.fetch_ended(task, Ok(1234)).is_empty());
    assert_eq!(
        world.poll(&token, task)["data"],
        json!({"process": 100, "status": 2})
    );
    assert_eq!(world.service.tasks()[0].fetched_bytes(), 1234);

    assert!(world.service.fetch_ended(task + 1, Ok(0)).is_empty());
}
