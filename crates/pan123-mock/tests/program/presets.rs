//! Files, codes, token pairs, list ends and copies through the admin interface.

use pan123_mock::path;
use serde_json::{Value, json};

use crate::program::process::{Program, start};
use crate::support::client::{agent, read};

fn oauth(program: &Program, query: &str) -> (u16, Value) {
    let credentials = "client_id=mock-client-id&client_secret=mock-client-secret";
    let url = format!(
        "{}{}?{credentials}&{query}",
        program.base_url,
        path::OAUTH_TOKEN
    );
    let request = agent().post(url).header("Platform", "open_platform");
    let (parts, body) = read(request.send_empty());
    (parts.status.as_u16(), body)
}

#[test]
fn app_tokens_are_issued_and_never_logged() {
    let program = start(&["--json"]);
    let code = program.send("POST", "oauth-code", &json!({"redirect_uri": "http://a/"}));
    let code = code["code"].as_str().expect("a code");
    let by_code = format!("grant_type=authorization_code&code={code}&redirect_uri=http://a/");
    let (status, first) = oauth(&program, &by_code);
    assert_eq!((status, &first["expires_in"]), (200, &json!(7200)));
    let (status, refused) = oauth(&program, &by_code);
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));

    let pair = program.send("POST", "oauth-pair", None);
    let refresh = pair["refresh_token"].as_str().expect("a token");
    let (status, second) = oauth(
        &program,
        &format!("grant_type=refresh_token&refresh_token={refresh}"),
    );
    assert_eq!(status, 200);
    let state = program.get("state");
    assert_eq!(
        (&state["oauth_refreshes"], &state["tokens_issued"]),
        (&json!(1), &json!(0))
    );

    let lines = [(); 4].map(|()| program.line()).concat();
    let output = format!("{lines}{}", program.get("requests"));
    let tokens = [&first, &second].map(|it| it["access_token"].as_str().expect("a token"));
    for secret in [code, refresh, "mock-client-secret", tokens[0], tokens[1]] {
        assert!(!output.contains(secret), "{secret}: {output}");
    }
    assert!(output.contains("refresh_token=[redacted]"), "{output}");
    for wrong in [
        json!({}),
        json!({"redirect_uri": 1}),
        json!({"uri": "http://a/"}),
    ] {
        assert_eq!(
            program.request("POST", "oauth-code", &wrong).0,
            400,
            "{wrong}"
        );
    }
}

#[test]
fn files_and_list_end_are_set() {
    let program = start(&["--quiet"]);
    let client = program.client();
    let files = program.send("POST", "files", &json!({"parent": 0, "files": 120}));
    assert_eq!(files["ids"].as_array().map(Vec::len), Some(120));
    let last = |from: &Value| {
        let query = format!(
            "{}?parentFileId=0&limit=100&lastFileId={from}",
            path::FILE_LIST
        );
        client.get(&query).2["data"]["lastFileId"].clone()
    };
    let hundredth = &files["ids"][99];
    assert_eq!(&last(&json!(0)), hundredth);
    assert_eq!(last(hundredth), -1);
    program.send("PUT", "list-end", &json!("zero"));
    assert_eq!(last(hundredth), 0);
    program.send("PUT", "list-end", &json!("never"));
    assert_eq!(&last(hundredth), hundredth);
    for (method, what, wrong) in [
        ("PUT", "list-end", json!("soon")),
        ("POST", "files", json!({"parent": 0})),
        ("POST", "files", json!({"parent": 0, "files": 100_001})),
        ("POST", "files", json!({"parent": 0, "files": -1})),
    ] {
        assert_eq!(program.request(method, what, &wrong).0, 400, "{wrong}");
    }
}

#[test]
fn copies_follow_their_script() {
    let program = start(&["--quiet"]);
    let client = program.client();
    let files = program.send("POST", "files", &json!({"parent": 0, "files": 1}));
    let start = || {
        let body = json!({"fileIds": files["ids"], "targetDirId": 0});
        client.post(path::ASYNC_COPY, &body)["data"]["taskId"].clone()
    };
    let status = |task: &Value| {
        let query = format!("{}?taskId={task}", path::ASYNC_COPY_PROGRESS);
        client.get(&query).2["data"]["status"].clone()
    };
    program.send("PUT", "copy-script", &json!({"succeeds_after": 1}));
    program.send("POST", "next-copy-fails", None);
    let tasks = [start(), start()];
    assert_eq!([status(&tasks[0]), status(&tasks[1])], [3, 2]);

    let copies = program.get("copies");
    assert_eq!(copies[0]["id"], tasks[0]);
    assert_eq!(
        (&copies[0]["status"], &copies[0]["copies"]),
        (&json!(3), &json!([]))
    );
    assert_eq!(
        (&copies[1]["status"], &copies[1]["polls"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(copies[1]["file_ids"], files["ids"]);
    let copy = copies[1]["copies"][0].as_u64();
    assert_eq!(copy, files["ids"][0].as_u64().map(|id| id + 1));
    assert_eq!(program.get("options")["copy_script"]["succeeds_after"], 1);
    assert_eq!(
        program.request("PUT", "copy-script", &json!({"goes": 1})).0,
        400
    );
}
