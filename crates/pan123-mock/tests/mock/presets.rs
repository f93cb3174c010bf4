//! Presets, and the messages of failed assertions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pan123_mock::{Service, TaskOutcome, path};
use serde_json::json;

use crate::mock::world::{code_and_message, world};

#[test]
fn presets_do_what_their_names_say() {
    let mut world = world();
    let token = world.token();
    let create = json!({"url": "https://example.com/a"});
    world.service.tasks_succeed_after(2);
    let task = world.task(&token, &create);
    let polls = [(); 2].map(|()| world.poll(&token, task)["data"].clone());
    assert_eq!(
        polls,
        [
            json!({"process": 0, "status": 0}),
            json!({"process": 100, "status": 2})
        ]
    );

    world.service.tasks_fail_with("源站404");
    let task = world.task(&token, &create);
    assert_eq!(
        world.poll(&token, task)["data"],
        json!({"process": 0, "status": 1})
    );
    let outcome = world.service.task(task).and_then(|task| task.outcome());
    assert!(matches!(outcome, Some(TaskOutcome::Failed { reason, .. }) if reason == "源站404"));

    world.service.rate_limit_next(2);
    let codes = [(); 3].map(|()| world.user_info(&token)["code"].clone());
    assert_eq!(codes, [429, 429, 0]);

    let others = [world.token(), world.token()];
    world.service.revoke_tokens(world.now);
    for token in [&token, &others[0], &others[1]] {
        let rejected = world.user_info(token);
        let revoked = (401, "tokens number has exceeded the limit");
        assert_eq!(code_and_message(&rejected), revoked);
    }
    let next = world.token();
    assert_eq!(world.user_info(&next)["code"], 0);
}

/// Returns the message of a failed assertion.
fn failure(assert: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assert)).expect_err("the assertion fails");
    let message = panic.downcast_ref::<String>().cloned();
    message.expect("a message")
}

#[test]
fn failed_assertions_list_the_requests() {
    let mut world = world();
    let token = world.token();
    let url = "https://example.com/a.mp4";
    let nothing = failure(|| world.service.assert_created_once(url));
    assert!(nothing.starts_with(&format!(
        "0 offline downloads of {url} were created, expected 1"
    )));
    assert!(
        nothing.contains("requests to /api/v1/offline/download: 0"),
        "{nothing}"
    );
    assert!(
        nothing.contains("other requests: 1\n  POST /api/v1/access_token"),
        "{nothing}"
    );
    assert!(nothing.contains("[redacted]") && !nothing.contains("mock-client-secret"));

    world.create(&token, &json!({ "url": url }));
    world.service.assert_created_once(url);
    world.service.rate_limit_next(1);
    world.create(&token, &json!({ "url": url }));
    world.service.assert_created_once(url);
    world.service.assert_created("https://example.com/b.mp4", 0);

    world.create(&token, &json!({ "url": url }));
    let twice = failure(|| world.service.assert_created_once(url));
    assert!(twice.starts_with("2 offline downloads"));
    let asked = format!(r#"POST /api/v1/offline/download {{"url":"{url}"}} -> code"#);
    assert_eq!(twice.matches(&asked).count(), 3, "{twice}");
    assert!(twice.contains("-> code 429"), "{twice}");
    world.service.assert_created(url, 2);

    world.service.assert_tokens_issued(1);
    assert!(failure(|| world.service.assert_tokens_issued(2)).starts_with("1 tokens were issued"));
    world.service.assert_requests(path::OFFLINE_DOWNLOAD, 3);
    let message = failure(|| world.service.assert_requests(path::USER_INFO, 1));
    assert!(
        message.starts_with("0 requests were sent to /api/v1/user/info, expected 1"),
        "{message}"
    );
}

#[test]
fn long_lists_of_requests_are_truncated() {
    let mut world = world();
    for _ in 0..30 {
        world.token();
    }
    let message = failure(|| Service::assert_tokens_issued(&world.service, 3));
    assert!(
        message.contains("requests to /api/v1/access_token: 30"),
        "{message}"
    );
    assert!(message.contains("and 10 more"), "{message}");
}
