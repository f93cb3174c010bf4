//! Ready-made scenes, and assertions that say what came instead.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pan123_mock::{Service, TaskOutcome, path};
use serde_json::json;

use crate::world::{code_and_message, world};

#[test]
fn the_scenes_are_what_their_names_say() {
    let mut world = world();
    let token = world.token();
    let create = json!({"url": "https://example.com/a"});
    world.service.tasks_succeed_after(2);
    let task = world.task(&token, &create);
    let told = [(); 2].map(|()| world.poll(&token, task)["data"].clone());
    assert_eq!(
        told,
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
    let ending = world.service.task(task).and_then(|task| task.outcome());
    assert!(matches!(ending, Some(TaskOutcome::Failed { reason, .. }) if reason == "源站404"));

    world.service.rate_limit_next(2);
    let codes = [(); 3].map(|()| world.user_info(&token)["code"].clone());
    assert_eq!(codes, [429, 429, 0]);

    let others = [world.token(), world.token()];
    world.service.revoke_tokens(world.now);
    for token in [&token, &others[0], &others[1]] {
        let told = world.user_info(token);
        let pushed_out = (401, "tokens number has exceeded the limit");
        assert_eq!(code_and_message(&told), pushed_out);
    }
    let next = world.token();
    assert_eq!(world.user_info(&next)["code"], 0);
}

/// What an assertion that does not hold says.
fn said(assert: impl FnOnce()) -> String {
    let told = catch_unwind(AssertUnwindSafe(assert)).expect_err("it does not hold");
    let told = told.downcast_ref::<String>().cloned();
    told.expect("a text")
}

#[test]
fn an_assertion_passes_or_says_what_came_instead() {
    let mut world = world();
    let token = world.token();
    let url = "https://example.com/a.mp4";
    let nothing = said(|| world.service.assert_created_once(url));
    assert!(nothing.starts_with(&format!(
        "0 offline downloads of {url} were created, and not 1"
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
    let twice = said(|| world.service.assert_created_once(url));
    assert!(twice.starts_with("2 offline downloads"));
    let asked = format!(r#"POST /api/v1/offline/download {{"url":"{url}"}} -> code"#);
    assert_eq!(twice.matches(&asked).count(), 3, "{twice}");
    assert!(twice.contains("-> code 429"), "{twice}");
    world.service.assert_created(url, 2);

    world.service.assert_tokens_issued(1);
    assert!(said(|| world.service.assert_tokens_issued(2)).starts_with("1 tokens were minted"));
    world.service.assert_requests(path::OFFLINE_DOWNLOAD, 3);
    let came = said(|| world.service.assert_requests(path::USER_INFO, 1));
    assert!(
        came.starts_with("0 requests came to /api/v1/user/info, and not 1"),
        "{came}"
    );
}

#[test]
fn a_long_list_of_requests_is_cut() {
    let mut world = world();
    for _ in 0..30 {
        world.token();
    }
    let said = said(|| Service::assert_tokens_issued(&world.service, 3));
    assert!(
        said.contains("requests to /api/v1/access_token: 30"),
        "{said}"
    );
    assert!(said.contains("and 10 more"), "{said}");
}
