//! The envelope, the secret and the limits, over HTTP.

use std::time::Duration;

use pan123_async::reqwest::Method;
use pan123_mock::MockPan123;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::serve::support::{Home, answer_of};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_is_refused_after_a_while() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let unauthorized = json!({ "code": 1, "message": "Unauthorized" });
    for params in [
        json!([]),
        json!(["token:"]),
        json!(["token:wrong"]),
        json!([service.secret]),
    ] {
        let started = Instant::now();
        let body = json!({ "id": 1, "method": "aria2.getVersion", "params": params });
        let (status, answer) = service.post(body.to_string()).await;
        assert_eq!((status, &answer["error"]), (400, &unauthorized), "{body}");
        assert!(started.elapsed() >= Duration::from_secs(1));
    }
    let mut socket = service.socket().await;
    socket.send(&json!({ "id": 1, "method": "no.such" })).await;
    assert_eq!(socket.next().await.unwrap()["error"], unauthorized);
    // These need none.
    for method in ["system.listMethods", "system.listNotifications"] {
        let (status, answer) = service
            .post(json!({ "id": 1, "method": method }).to_string())
            .await;
        assert_eq!(status, 200);
        assert!(answer["result"].as_array().unwrap().len() > 4);
    }
    assert_eq!(
        service.refused("foo", json!([])).await,
        "No such method: aria2.foo"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_guess_of_the_secret() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let right = service.call_of("getVersion", json!([]));
    let wrong = json!({ "id": 1, "method": "aria2.getVersion", "params": ["token:wrong"] });
    let (_, answers) = service.post(json!([right, wrong, right]).to_string()).await;
    let nested = [&wrong, &right]
        .map(|call| json!({ "methodName": call["method"], "params": call["params"] }));
    let multicall = json!({ "id": 1, "method": "system.multicall", "params": [nested] });
    let (_, multicall) = service.post(multicall.to_string()).await;
    let unauthorized = json!({ "code": 1, "message": "Unauthorized" });
    assert_eq!(answers[0]["result"]["version"], "1.36.0");
    for error in [
        &answers[1]["error"],
        &answers[2]["error"],
        &multicall["result"][0],
        &multicall["result"][1],
    ] {
        assert_eq!(error, &unauthorized, "{answers} {multicall}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_come_alone_in_arrays_in_a_multicall_or_in_a_query() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    let version = json!({ "version": "1.36.0", "enabledFeatures": ["HTTPS"], "pan123": env!("CARGO_PKG_VERSION") });
    assert_eq!(service.call("getVersion", json!([])).await, version);

    let call = service.call_of("getVersion", json!([]));
    let (status, answer) = service
        .post(json!([call, { "id": 2 }, 5]).to_string())
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer[0]["result"], version);
    assert_eq!(answer[1]["error"]["code"], -32600);
    assert_eq!(answer.as_array().unwrap().len(), 2);

    let nested = json!([
        { "methodName": "aria2.getVersion", "params": call["params"] },
        { "methodName": "aria2.pause", "params": [call["params"][0], "00000000000000ff"] },
        { "methodName": "system.multicall", "params": [[]] },
    ]);
    let multicall = json!({ "id": 1, "method": "system.multicall", "params": [nested] });
    let (status, answer) = service.post(multicall.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer["result"],
        json!([
            [version],
            { "code": 1, "message": "GID 00000000000000ff is not found" },
            { "code": 1, "message": "Recursive system.multicall forbidden." },
        ])
    );

    let response = service
        .request(Method::GET, "/jsonrpc?method=system.listMethods&id=7")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/json-rpc");
    let (status, answer) = answer_of(response).await;
    assert_eq!((status, &answer["id"]), (200, &json!("7")));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_and_too_many_calls_are_refused() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home.start(&[]).await;
    for (body, status, code) in [
        ("nope", 500, -32700),
        ("", 500, -32700),
        ("{}", 400, -32600),
        (
            r#"{"id":1,"method":"aria2.getVersion","params":{}}"#,
            500,
            -32602,
        ),
    ] {
        let (found, answer) = service.post(body).await;
        assert_eq!(
            (found, answer["error"]["code"].as_i64()),
            (status, Some(code)),
            "{body}"
        );
    }
    let (status, _) = service.post(vec![b' '; (2 << 20) + 1]).await;
    assert_eq!(status, 413);
    let calls = Value::from(vec![
        json!({ "id": 1, "method": "system.listNotifications" });
        1001
    ]);
    let (status, answer) = service.post(calls.to_string()).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(1)));
    let nested = Value::from(vec![
        json!({ "methodName": "system.listNotifications" });
        1001
    ]);
    let message = service
        .post(json!({ "id": 1, "method": "system.multicall", "params": [nested] }).to_string())
        .await;
    assert!(
        message.1["error"]["message"]
            .as_str()
            .unwrap()
            .contains("at most 1000")
    );
    for (method, path) in [
        (Method::PUT, "/jsonrpc"),
        (Method::POST, "/"),
        (Method::GET, "/none"),
    ] {
        let response = service.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}
