//! The admin interface.

use pan123_mock::{FAULT_NAMES, path};
use serde_json::{Value, json};

use crate::program::process::{Program, start, until};
use crate::support::client::{agent, read};

#[test]
fn every_listed_route_responds() {
    let program = start(&["--quiet"]);
    let help = program.get("");
    assert_eq!(help["faults"], json!(FAULT_NAMES));
    for route in help["routes"].as_array().expect("a list") {
        let text = |key: &str| route[key].as_str().expect("a text").to_owned();
        let (method, path) = (text("method"), text("path"));
        let what = path.strip_prefix("/__admin/").expect("a path below");
        let (status, response) = program.request(&method, what, &json!({"no": "such thing"}));
        let refused = if what == "tasks/" { 404 } else { 400 };
        assert!(
            [200, refused].contains(&status),
            "{method} {path}: {response}"
        );
        let (status, response) = program.request("PATCH", what, None);
        let refused = if what == "tasks/" { 404 } else { 405 };
        assert_eq!(status, refused, "{path}: {response}");
    }
    let (status, response) = program.request("GET", "oops", None);
    assert_eq!(status, 404);
    assert!(
        response["error"]
            .as_str()
            .is_some_and(|it| it.contains("GET /__admin/"))
    );
    assert_eq!(
        program.get("requests"),
        json!([]),
        "admin requests are not recorded"
    );
}

fn poll(program: &Program, client: &crate::support::client::Client, task: u64) -> Value {
    assert!(program.get("state")["tasks"] != json!(0));
    client.poll(task)
}

#[test]
fn tasks_are_listed_updated_and_ended() {
    let program = start(&["--quiet"]);
    program.send("PUT", "script", &json!({"steps": [[7, 13]]}));
    program.send(
        "PUT",
        "script",
        &json!({"url": "https://example.com/b", "succeeds_after": 1}),
    );
    let client = program.client();
    let first = client.create(&json!({"url": "https://example.com/a", "fileName": "a.mp4"}));
    let second = client.create(&json!({"url": "https://example.com/b"}));
    assert_eq!(
        poll(&program, &client, first),
        json!({"process": 7, "status": 13})
    );
    assert_eq!(
        poll(&program, &client, second),
        json!({"process": 100, "status": 2})
    );

    let of_first = format!("tasks/{first}");
    program.send("POST", &of_first, &json!({"process": 12.5, "status": 3}));
    assert_eq!(
        poll(&program, &client, first),
        json!({"process": 12.5, "status": 3})
    );
    program.send("POST", &of_first, &json!({"reason": "源站404"}));
    assert_eq!(
        poll(&program, &client, first),
        json!({"process": 0, "status": 1})
    );

    let tasks = program.get("tasks");
    let listed =
        |task: usize| ["url", "file_name", "ended", "reason"].map(|key| tasks[task][key].clone());
    assert_eq!(
        listed(0),
        [
            json!("https://example.com/a"),
            json!("a.mp4"),
            json!(true),
            json!("源站404")
        ]
    );
    assert_eq!(
        listed(1),
        [
            json!("https://example.com/b"),
            json!(null),
            json!(true),
            json!(null)
        ]
    );
    assert!(tasks[1]["file_id"].as_u64() > Some(0));

    for (what, body) in [
        ("tasks/4", json!({"size": 1})),
        ("tasks/x", json!({"size": 1})),
    ] {
        assert_eq!(program.request("POST", what, &body).0, 404);
    }
    let again = program.request("POST", &of_first, &json!({"size": 1}));
    assert_eq!(again.0, 409, "the task has already ended");
    let third = client.create(&json!({"url": "https://example.com/a"}));
    for body in [
        json!({}),
        json!({"process": 1.0}),
        json!({"size": 1, "reason": "no"}),
        json!({"process": 100.0, "status": 2}),
    ] {
        let refused = program.request("POST", &format!("tasks/{third}"), &body);
        assert_eq!(refused.0, 400, "{body}");
    }
}

#[test]
fn clock_stops_advances_and_resumes() {
    let program = start(&["--quiet", "--token-lifetime", "3600"]);
    let client = program.client();
    let at = |now: Value| {
        program.send("POST", "time", &now);
        program.get("state")["now"].clone()
    };
    assert_eq!(
        at(json!({"stop_at": "2040-03-23T15:38:37+08:00"})),
        "2040-03-23T07:38:37Z"
    );
    assert_eq!(client.get(path::USER_INFO).2["message"], "token is expired");
    assert_eq!(at(json!({"advance_ms": 1500})), "2040-03-23T07:38:38.5Z");
    assert_eq!(program.get("state")["now"], "2040-03-23T07:38:38.5Z");
    assert_ne!(at(json!({"run": true})), "2040-03-23T07:38:38.5Z");
    let stopped = at(json!({"run": false}));
    assert_eq!(program.get("state")["now"], stopped);
    for wrong in [
        json!({"advance_ms": -1}),
        json!({"stop_at": "noon"}),
        json!({"go": 1}),
    ] {
        assert_eq!(program.request("POST", "time", &wrong).0, 400, "{wrong}");
    }
}

#[test]
fn tokens_and_limits_change_at_run_time() {
    let program = start(&["--quiet"]);
    program.send("POST", "time", &json!({"run": false}));
    let client = program.client();
    let code = || client.get(path::USER_INFO).2["code"].clone();
    assert_eq!(code(), 0);
    program.send("PUT", "rate-limits", &json!({(path::USER_INFO): 2}));
    assert_eq!([code(), code(), code()], [json!(0), json!(0), json!(429)]);
    program.send("PUT", "rate-limits", &json!("off"));
    program.send("POST", "revoke-tokens", None);
    assert_eq!(
        client.get(path::USER_INFO).2["message"],
        "tokens number has exceeded the limit"
    );

    let client = program.client();
    let create = || {
        client.post(
            path::OFFLINE_DOWNLOAD,
            &json!({"url": "https://example.com/a"}),
        )
    };
    program.send("PUT", "running-limit", &json!(1));
    assert_eq!(create()["code"], 0);
    assert_eq!(create()["message"], "同时下载的任务超出最大限制");
    program.send("PUT", "running-limit", &Value::Null);
    assert_eq!(
        program.request("PUT", "running-limit", None).0,
        400,
        "a missing body is rejected"
    );
    assert_eq!(program.request("PUT", "rate-limits", &json!("fast")).0, 400);
}

#[test]
fn reset_replaces_the_service_but_not_the_clock() {
    let program = start(&["--quiet", "--seed", "5"]);
    program.send(
        "POST",
        "time",
        &json!({"stop_at": "2040-03-23T15:38:37+08:00"}),
    );
    let client = program.client();
    client.create(&json!({"url": "https://example.com/a"}));
    program.fault("reset");
    program.send("POST", "reset", None);
    let state = program.get("state");
    for key in ["requests", "tasks", "faults", "tokens_issued"] {
        assert_eq!(state[key], 0, "{key}");
    }
    assert_eq!(state["now"], "2040-03-23T07:38:37Z");
    assert_eq!(program.get("options")["seed"], 5);

    program.send("POST", "reset", &json!({"seed": 6, "strict": true}));
    assert_eq!(program.get("options")["strict"], true);
    program.send("DELETE", "requests", None);
    let refused = program.request("POST", "reset", &json!({"fetch": true}));
    assert_eq!(
        refused.0, 400,
        "only the command line decides what is fetched"
    );
}

#[test]
fn huge_numbers_are_accepted() {
    let program = start(&["--quiet", "--token-lifetime", "18446744073709551615"]);
    let client = program.client();
    assert_eq!(client.get(path::USER_INFO).2["code"], 0);
    program.send(
        "PUT",
        "callbacks",
        &json!({"times": u64::MAX, "delay_ms": u64::MAX}),
    );
    program.send("PUT", "script", &json!({"succeeds_after": u32::MAX}));
    let task = client.create(&json!({"url": "https://example.com/a"}));
    assert_eq!(client.poll(task), json!({"process": 0, "status": 0}));

    program.send("PUT", "script", &json!({"succeeds_within_ms": 1}));
    let body = json!({"url": "https://example.com/a", "callBackUrl": "http://127.0.0.1:9/"});
    let task = client.create(&body);
    until("its callbacks", || {
        program.get("state")["callbacks"] != json!(0)
    });
    assert_eq!(client.poll(task)["status"], 2);
    assert_eq!(program.get("state")["callbacks"], 100);

    for _ in 0..2 {
        program.send("POST", "time", &json!({"advance_ms": u64::MAX}));
        assert_eq!(program.get("state")["now"], "9998-12-31T23:59:59Z");
    }
}

#[test]
fn web_pages_are_rejected() {
    let program = start(&["--quiet"]);
    let url = format!("{}/__admin/reset", program.base_url);
    let request = agent().post(url).header("Origin", "http://evil.example");
    let (parts, response) = read(request.send(""));
    assert_eq!(parts.status, 403, "{response}");
}

#[test]
fn only_known_host_names_reach_the_admin_interface() {
    let program = start(&["--quiet", "--admin-host", "mock"]);
    let status = |path: &str, host: &str| {
        let url = format!("{}{path}", program.base_url);
        read(agent().get(url).header("Host", host).call()).0.status
    };
    for host in [
        "127.0.0.1",
        "LocalHost:8123",
        "[::1]:80",
        "10.0.0.7",
        "mock",
        "mock:8123",
    ] {
        assert_eq!(status("/__admin/state", host), 200, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "mock.evil",
        "a b",
    ] {
        assert_eq!(
            status("/__admin/requests?secrets=true", host),
            403,
            "{host}"
        );
        assert_eq!(
            status("/nowhere", host),
            404,
            "{host}: the service itself answers"
        );
    }
}

#[test]
fn tokens_of_an_earlier_service_are_unknown() {
    let token = |args: &[&str]| start(args).client().token;
    assert_ne!(token(&["--quiet"]), token(&["--quiet"]));
    let seeded = ["--quiet", "--seed", "7"];
    assert_eq!(token(&seeded), token(&seeded));

    let program = start(&["--quiet"]);
    for body in [None, Some(json!({"strict": false}))] {
        let before = program.client();
        program.send("POST", "reset", body.as_ref());
        program.client();
        assert_eq!(before.get(path::USER_INFO).2["message"], "token is invalid");
    }
}

#[test]
fn own_routes_keep_a_state() {
    let program = start(&["--quiet"]);
    let client = program.client();
    let (create, list) = ("/api/v1/share/create", "/api/v1/share/list");
    for route in [
        json!({"method": "GET", "path": list, "data": {"shareList": []}}),
        json!({"method": "POST", "path": create, "data": {"shareID": 7}, "then": "shared"}),
        json!({"method": "GET", "path": list, "data": {"shareList": [7]}, "when": "shared", "then": "seen"}),
        json!({"method": "GET", "path": list, "code": 5066, "message": "gone", "when": "seen"}),
    ] {
        program.send("POST", "routes", &route);
    }
    let listed = || client.get(list).2;
    assert_eq!(listed()["data"], json!({"shareList": []}));
    assert_eq!(client.post(create, &json!({}))["data"]["shareID"], 7);
    assert_eq!(listed()["data"], json!({"shareList": [7]}));
    assert_eq!(listed()["message"], "gone");
    assert_eq!(program.get("routes").as_array().expect("a list").len(), 4);

    program.send("POST", "revoke-tokens", None);
    assert_eq!(listed()["code"], 401);
    program.send(
        "POST",
        "routes",
        &json!({"method": "GET", "path": list, "data": 1, "token": false}),
    );
    assert_eq!(listed()["data"], 1);
    program.send("DELETE", "routes", None);
    assert_eq!(client.get(list).0, 404);
    let refused = program.request("POST", "routes", &json!({"method": "GET", "path": "share"}));
    assert_eq!(refused.0, 400);
}
