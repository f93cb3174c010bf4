//! When callbacks are posted, and their contents.

use std::time::Duration;

use pan123_mock::{
    CallbackPolicy, Delivery, Effect, ReasonKey, Service, TaskEnd, TaskOutcome, TaskScript,
};
use serde_json::{Value, json};

use crate::mock::world::{World, world};

fn posted(effect: &Effect) -> Value {
    match effect {
        Effect::PostCallback { body, .. } => serde_json::from_slice(body).expect("JSON"),
        other => panic!("not a callback: {other:?}"),
    }
}

#[test]
fn callback_is_posted_once_however_often_the_task_is_polled() {
    let mut world = world();
    let token = world.token();
    let with_callback = json!({
        "url": "https://example.com/a",
        "callBackUrl": "http://127.0.0.1:9/cb",
    });
    let task = world.task(&token, &with_callback);
    world.task(&token, &json!({"url": "https://example.com/b"}));

    for poll in 1..=5 {
        world.poll(&token, task);
        world.poll(&token, task + 1);
        let due = usize::from(poll >= 3);
        assert_eq!(world.effects.len(), due, "after poll {poll}");
    }
    assert!(
        world
            .service
            .end_task(world.now, task, TaskEnd::Succeeded { size: 1 })
            .is_empty()
    );

    let body = posted(&world.effects[0]);
    let Some(TaskOutcome::Succeeded { file_id, .. }) = world.service.tasks()[0].outcome() else {
        panic!("the task has succeeded");
    };
    assert_eq!(
        body,
        json!({
            "url": "https://example.com/a",
            "status": 0,
            "failReason": "",
            "fileID": file_id,
        })
    );
    assert_eq!(world.service.callbacks().len(), 1);
}

#[test]
fn failure_reason_is_under_the_configured_key() {
    for (key, name) in [
        (ReasonKey::FailReason, "failReason"),
        (ReasonKey::FileReason, "fileReason"),
    ] {
        let service = Service::builder()
            .default_script(TaskScript::fails_after(1, "源站404"))
            .reason_key(key)
            .service();
        let mut world = World::new(service);
        let token = world.token();
        let task = world.task(
            &token,
            &json!({"url": "https://example.com/a", "callBackUrl": "http://127.0.0.1:9/cb"}),
        );
        world.poll(&token, task);
        let body = posted(&world.effects[0]);
        assert_eq!(body["status"], 1);
        assert_eq!(body["fileID"], 0);
        assert_eq!(body[name], "源站404");
        assert_eq!(body.as_object().unwrap().len(), 4);
    }
}

#[test]
fn delivery_is_recorded() {
    let mut world = world();
    let token = world.token();
    let body = json!({"url": "https://example.com/a", "callBackUrl": "https://example.com/cb"});
    let tasks = [world.task(&token, &body), world.task(&token, &body)];
    for task in tasks {
        let effects = world
            .service
            .end_task(world.now, task, TaskEnd::failed("no"));
        assert_eq!(effects.len(), 1);
    }
    world
        .service
        .callback_delivered(tasks[1], Delivery::NotLoopback);

    let recorded: Vec<_> = world
        .service
        .callbacks()
        .iter()
        .map(|callback| (callback.task(), callback.delivery().cloned()))
        .collect();
    assert_eq!(
        recorded,
        [(tasks[0], None), (tasks[1], Some(Delivery::NotLoopback))]
    );
}

fn ended_with(callbacks: CallbackPolicy) -> World {
    let service = Service::builder()
        .default_script(TaskScript::succeeds_after(1))
        .callbacks(callbacks);
    let mut world = World::new(service.service());
    let token = world.token();
    let body = json!({"url": "https://example.com/a", "callBackUrl": "http://127.0.0.1:9/cb"});
    let task = world.task(&token, &body);
    world.poll(&token, task);
    world
}

#[test]
fn callback_can_be_delayed() {
    let minute = Duration::from_secs(60);
    let mut world = ended_with(CallbackPolicy::new().delay(minute));
    assert_eq!(world.effects.len(), 0);
    assert_eq!(world.service.callbacks().len(), 1);
    let due = world.service.next_due();
    assert_eq!(due, Some(world.now + minute));

    let too_early = world.now + minute - Duration::from_nanos(1);
    assert_eq!(world.service.run_due(too_early).len(), 0);
    assert_eq!(world.service.run_due(world.now + minute).len(), 1);
    assert_eq!(world.service.run_due(world.now + 2 * minute).len(), 0);
}

#[test]
fn callback_can_be_repeated_and_each_delivery_is_recorded() {
    let mut world = ended_with(CallbackPolicy::new().times(2));
    let bodies: Vec<Value> = world.effects.iter().map(posted).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);

    let task = world.service.callbacks()[0].task();
    for status in [500, 200] {
        let answered = Delivery::Responded(status);
        world.service.callback_delivered(task, answered);
    }
    let callbacks = world.service.callbacks().iter();
    let recorded: Vec<_> = callbacks.map(|it| it.delivery().cloned()).collect();
    let expected = [500, 200].map(|status| Some(Delivery::Responded(status)));
    assert_eq!(recorded, expected);
}

#[test]
fn callback_can_be_lost() {
    let world = ended_with(CallbackPolicy::lost());
    assert_eq!(world.effects.len(), 0);
    assert_eq!(world.service.next_due(), None);
    let callback = &world.service.callbacks()[0];
    assert_eq!(callback.delivery(), Some(&Delivery::Lost));
}
