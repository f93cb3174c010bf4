//! Who may reach what: hosts, origins, callbacks, files.

use std::fs;
use std::net::TcpListener;

use pan123_async::reqwest::{Method, Response};
use pan123_mock::path::ACCESS_TOKEN;
use pan123_mock::{CannedResponse, Delivery, Fault, MockPan123, TaskEnd, TaskScript};
use serde_json::json;
use tokio::time::Instant;

use crate::serve::support::{Home, LIMIT, Service, answer_of, mock_with};

const A: &str = "00000000000000a1";

async fn get(service: &Service, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = service
        .request(method, path)
        .body(r#"{"id":1,"method":"system.listMethods"}"#);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    request.send().await.expect("a response")
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_hosts_and_pages_of_other_sites_are_refused() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let service = home
        .start(&[
            "--allow-host",
            "nas.example",
            "--allow-origin",
            "https://ui.example",
        ])
        .await;
    let own = format!("http://{}", service.address);
    for (headers, status, origin) in [
        (vec![], 200, None),
        (vec![("host", "nas.example:6800")], 200, None),
        (vec![("host", "evil.example")], 403, None),
        (vec![("origin", &*own)], 200, Some(&*own)),
        (
            vec![("origin", "https://ui.example")],
            200,
            Some("https://ui.example"),
        ),
        (
            vec![("origin", "moz-extension://abc")],
            200,
            Some("moz-extension://abc"),
        ),
        (vec![("origin", "https://evil.example")], 403, None),
        (vec![("origin", "null")], 403, None),
    ] {
        for method in [Method::POST, Method::OPTIONS] {
            let response = get(&service, method, "/jsonrpc", &headers).await;
            assert_eq!(response.status(), status, "{headers:?}");
            let allowed = response.headers().get("access-control-allow-origin");
            assert_eq!(
                allowed.map(|value| value.to_str().unwrap()),
                origin,
                "{headers:?}"
            );
        }
    }
    let asked = [
        ("origin", "https://ui.example"),
        ("access-control-request-headers", "content-type,x-y"),
    ];
    let response = get(&service, Method::OPTIONS, "/jsonrpc", &asked).await;
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-headers"], "content-type,x-y");
    assert_eq!(
        headers["access-control-allow-methods"],
        "POST, GET, OPTIONS"
    );
    for (path, headers) in [
        ("/healthz", vec![("host", "evil.example")]),
        (
            "/jsonrpc",
            vec![
                ("origin", "https://evil.example"),
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
            ],
        ),
    ] {
        assert_eq!(
            get(&service, Method::GET, path, &headers).await.status(),
            403
        );
    }
    let response = get(&service, Method::GET, "/healthz", &[]).await;
    assert_eq!(response.text().await.unwrap(), "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_that_the_credentials_are_rejected() {
    let mock = MockPan123::start().await;
    let rejected = CannedResponse::envelope(401, "client_secret is wrong");
    mock.fault(Fault::from(rejected).on(ACCESS_TOKEN).always());
    let home = Home::at(&mock);
    let mut service = home.start(&[]).await;
    let url = "http://source.example/a";
    service.call("addUri", json!([[url], { "gid": A }])).await;
    service.log("type", "paused").await;
    let (status, down) = answer_of(get(&service, Method::GET, "/healthz", &[]).await).await;
    assert_eq!((status, &down["status"]), (503, &json!("unavailable")));
    assert_eq!(down["down"][0]["what"], "credentials_rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_arrive_under_the_public_host_and_nothing_else_does() {
    let mock = mock_with(TaskScript::never_ends()).await;
    let home = Home::at(&mock);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let public = format!("http://localhost:{port}/hook");
    let options = ["--listen", &*address, "--public-url", &*public];
    let service = home.start_at(&options).await;
    let mut socket = service.socket().await;
    for gid in [A, "00000000000000b1"] {
        service
            .call(
                "addUri",
                json!([[format!("http://source.example/{gid}")], { "gid": gid }]),
            )
            .await;
        socket.notified("Start", gid).await;
    }
    let tasks = mock.service(|service| {
        service
            .tasks()
            .iter()
            .map(|task| (task.id(), task.callback_url().unwrap().to_owned()))
            .collect::<Vec<_>>()
    });
    assert!(
        tasks[0]
            .1
            .starts_with(&format!("http://localhost:{port}/hook/pan123-callback?")),
        "{}",
        tasks[0].1
    );

    // Polls come 15 s after the first ones; the callback brings the end at once.
    let ended = Instant::now();
    mock.end_task(tasks[0].0, TaskEnd::Succeeded { size: 9 });
    socket.notified("Complete", A).await;
    assert!(ended.elapsed().as_secs() < 8, "{:?}", ended.elapsed());
    let delivered = tokio::task::block_in_place(|| {
        mock.wait_for(LIMIT, |service| service.callbacks()[0].delivery().cloned())
    });
    assert_eq!(delivered, Some(Delivery::Responded(200)));

    let localhost = format!("localhost:{port}");
    let path_of = |url: &str| url.split_once(&localhost).unwrap().1.to_owned();
    let path = path_of(&tasks[1].1);
    let forged = path.replace("00000000000000b1", "00000000000000b2");
    let body = r#"{"url":"http://source.example/","status":0,"failReason":"","fileID":1}"#;
    for (method, path, status) in [
        (Method::POST, "/jsonrpc", 404),
        (Method::OPTIONS, "/jsonrpc", 404),
        (Method::GET, "/jsonrpc", 404),
        (Method::GET, "/healthz", 404),
        (Method::GET, "/", 404),
        (Method::POST, "/hook/pan123-callback", 403),
        (Method::POST, &*forged, 403),
        (Method::GET, &*path, 403),
        (Method::POST, &*path, 200),
    ] {
        let request = service
            .request(method, path)
            .header("host", &*localhost)
            .body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }

    // The key is kept, so that callbacks count after a restart.
    service.kill().await;
    let service = home.start_at(&options).await;
    let request = service
        .request(Method::POST, &path)
        .header("host", &*localhost)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_page_are_served_from_the_same_origin() {
    let mock = MockPan123::start().await;
    let home = Home::at(&mock);
    let ui = home.path("ui");
    fs::create_dir(&ui).unwrap();
    fs::write(ui.join("index.html"), "<title>ui</title>").unwrap();
    fs::write(ui.join(".hidden"), "hidden").unwrap();
    let service = home.start(&["--ui", ui.to_str().unwrap()]).await;
    let response = get(&service, Method::GET, "/", &[]).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.text().await.unwrap(), "<title>ui</title>");
    for path in [
        "/.hidden",
        "/%2e%2e/config/rpc-secret",
        "/..%2fconfig%2frpc-secret",
        "/none",
    ] {
        assert_eq!(
            get(&service, Method::GET, path, &[]).await.status(),
            404,
            "{path}"
        );
    }
    assert_eq!(
        get(&service, Method::POST, "/jsonrpc", &[]).await.status(),
        200
    );
}
