//! The mock over HTTP.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pan123_mock::http::StatusCode;
use pan123_mock::{
    BrokenWire, CLIENT_ID, CLIENT_SECRET, CannedResponse, Fault, ListEnd, MockPan123, Service,
    TaskEnd, path,
};
use serde_json::{Value, json};

use crate::support::TIMEOUT;
use crate::support::client::{Client, agent, read};
use crate::support::peers::once;

#[test]
fn task_runs_to_success_over_the_network() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let task = client.create(&json!({"url": "https://example.com/a.zip"}));
    assert_eq!(client.poll(task), json!({"process": 0, "status": 0}));
    assert_eq!(client.poll(task), json!({"process": 50, "status": 0}));
    assert_eq!(client.poll(task), json!({"process": 100, "status": 2}));

    let paths: Vec<String> = mock
        .requests()
        .into_iter()
        .map(|seen| seen.path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            path::ACCESS_TOKEN,
            path::OFFLINE_DOWNLOAD,
            path::OFFLINE_PROGRESS,
            path::OFFLINE_PROGRESS,
            path::OFFLINE_PROGRESS,
        ]
    );
    assert_eq!(mock.requests()[2].query(), format!("taskID={task}"));
}

#[tokio::test]
async fn starts_in_async_code_and_blocking_within_a_runtime() {
    let first = MockPan123::start().await;
    let second = MockPan123::start_blocking();
    assert_ne!(first.base_url(), second.base_url());
    for mock in [&first, &second] {
        assert_eq!(
            Client::new(mock.base_url()).get(path::USER_INFO).2["code"],
            0
        );
    }
}

#[test]
fn server_and_model_give_the_same_response() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517);
    let mock = MockPan123::builder().clock(move || now).start_blocking();
    let pair = json!({"clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET});
    let over_the_socket = agent()
        .post(format!("{}{}", mock.base_url(), path::ACCESS_TOKEN))
        .header("Platform", "open_platform")
        .header("Content-Type", "application/json")
        .send(pair.to_string());
    let (parts, body) = read(over_the_socket);

    assert_eq!(mock.requests()[0].received_at(), now);
    let request = pan123_mock::http::Request::post(path::ACCESS_TOKEN)
        .header("Platform", "open_platform")
        .header("Content-Type", "application/json")
        .body(pair.to_string().into())
        .expect("a request");
    let model = Service::default().handle(now, &request).reply.response;
    assert_eq!(parts.status, model.status());
    for (name, value) in model.headers() {
        let all: Vec<_> = parts.headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{name}");
    }
    assert_eq!(
        body,
        serde_json::from_slice::<Value>(model.body()).expect("JSON")
    );
}

#[test]
fn prepared_response_keeps_status_headers_and_delay() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let delay = Duration::from_millis(50);
    let value = "3".parse().expect("a header");
    mock.respond_next(
        path::USER_INFO,
        CannedResponse::raw(StatusCode::SERVICE_UNAVAILABLE, "[1]")
            .header("retry-after".parse().expect("a name"), value)
            .delay(delay),
    );
    let asked = Instant::now();
    let (status, headers, body) = client.get(path::USER_INFO);
    assert!(asked.elapsed() >= delay);
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "3");
    assert_eq!(body, json!([1]));
    assert_eq!(client.get(path::USER_INFO).2["code"], 0);
}

#[test]
fn wiremock_mocks_take_precedence() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let own = wiremock::Mock::given(wiremock::matchers::path("/mine"))
        .respond_with(wiremock::ResponseTemplate::new(418));
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(own.mount(mock.wiremock()));
    assert_eq!(client.get("/mine").0, 418);
    assert_eq!(client.get("/other").0, 404);
}

#[test]
fn mock_is_send_and_sync() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<MockPan123>();
    shared::<Service>();
}

/// Runs `happen` from within the first check, while the model is locked and nothing waits yet. Returns whether it ended the wait.
fn wakes(mock: &MockPan123, happen: impl FnOnce() + Send, seen: fn(&Service) -> bool) -> bool {
    let started = Instant::now();
    let (release, released) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = released.recv();
            happen();
        });
        mock.wait_for(TIMEOUT, |service| {
            let _ = release.send(());
            seen(service).then_some(())
        });
    });
    started.elapsed() < TIMEOUT
}

#[test]
fn wait_for_wakes_on_requests_and_changes() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let ask = || {
        client.create(&json!({"url": "https://example.com/a"}));
    };
    assert!(wakes(&mock, ask, |service| service.tasks().len() == 1));

    let task = mock.service(|service| service.tasks()[0].id());
    let end = || mock.end_task(task, TaskEnd::Succeeded { size: 0 });
    assert!(wakes(&mock, end, |service| {
        service.tasks()[0].outcome().is_some()
    }));
}

#[test]
fn wait_for_times_out() {
    let mock = MockPan123::start_blocking();
    let never = mock.wait_for(Duration::from_millis(10), |_| None::<()>);
    assert_eq!(never, None);
}

#[test]
fn drop_does_not_wait_for_running_fetches_and_delays() {
    let (_keep, forever) = mpsc::channel::<()>();
    let source = once(move |_, _| {
        let _ = forever.recv();
    });
    let mock = MockPan123::builder().fetch_loopback(true).start_blocking();
    let client = Client::new(mock.base_url());
    client.create(&json!({ "url": source }));
    mock.respond_next(
        path::USER_INFO,
        CannedResponse::passthrough().delay(TIMEOUT * 100),
    );
    let (asking, asked) = mpsc::channel();
    let url = format!("{}{}", mock.base_url(), path::USER_INFO);
    thread::spawn(move || {
        let _ = agent().get(url).call();
        let _ = asking.send(());
    });
    mock.wait_for(TIMEOUT, |service| {
        let path = service.requests().last()?.path();
        (path == path::USER_INFO).then_some(())
    })
    .expect("the request");

    drop(mock);
    asked
        .recv_timeout(TIMEOUT)
        .expect("the delayed response is aborted");
}

#[test]
fn connection_faults_end_without_a_response() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let url = format!("{}{}", mock.base_url(), path::USER_INFO);
    let ask = || {
        let request = agent().get(&url).header("Platform", "open_platform");
        request
            .header("Authorization", format!("Bearer {}", client.token))
            .call()
    };
    for fault in [
        Fault::reset(),
        Fault::closed(),
        Fault::response_lost(),
        Fault::cut_short(),
    ] {
        let before = mock.requests().len();
        let shown = format!("{fault:?}");
        mock.fault(fault);
        let broken = ask();
        assert!(broken.is_err(), "{shown}: {broken:?}");
        assert_eq!(read(ask()).1["code"], 0, "after {shown}");
        assert_eq!(mock.requests().len(), before + 2, "{shown} is handled once");
    }
    mock.fault(Fault::flood());
    let flood = ask().expect("a response").into_body();
    assert_eq!(flood.content_length(), Some(200 << 20));
}

#[test]
fn broken_wire_applies_connection_faults_exactly() {
    let mock = MockPan123::start_blocking();
    let wire = BrokenWire::to(&mock);
    let client = Client::new(wire.base_url());
    mock.fault(Fault::cut_short().on(path::USER_INFO));
    let url = format!("{}{}", wire.base_url(), path::USER_INFO);
    let asked = agent().get(url).header("Platform", "open_platform").call();
    let read = asked.expect("a head").into_body().read_to_string();
    assert!(read.is_err(), "{read:?}");
    mock.fault(Fault::reset().on(path::MKDIR));
    let url = format!("{}{}", wire.base_url(), path::MKDIR);
    assert!(agent().post(url).send("{}").is_err());
    assert_eq!(client.get(path::USER_INFO).2["code"], 0);
}

#[test]
fn clock_stops_advances_and_resumes() {
    let mock = MockPan123::start_blocking();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517);
    mock.stop_clock_at(at);
    assert_eq!(mock.now(), at);
    mock.advance(Duration::from_secs(5));
    assert_eq!(mock.now(), at + Duration::from_secs(5));
    mock.resume_clock();
    assert!(mock.now() >= at + Duration::from_secs(5));
}

#[test]
fn presets_use_the_clock_of_the_mock() {
    let mock = MockPan123::start_blocking();
    let client = Client::new(mock.base_url());
    let files = mock.add_files(0, 2);
    mock.trash_files(&files[1..]);
    mock.set_list_end(ListEnd::Zero);
    let page = client.get(&format!("{}?parentFileId=0&limit=9", path::FILE_LIST));
    let page = &page.2["data"];
    assert_eq!(page["lastFileId"], 0);
    assert_eq!(page["fileList"][1]["trashed"], 1);

    mock.next_copy_fails();
    let body = json!({"fileIds": files[..1], "targetDirId": 0});
    let task = client.post(path::ASYNC_COPY, &body)["data"]["taskId"].clone();
    let poll = format!("{}?taskId={task}", path::ASYNC_COPY_PROGRESS);
    let statuses = [(); 2].map(|()| client.get(&poll).2["data"]["status"].clone());
    assert_eq!(statuses, [1, 3]);

    let code = mock.authorize("http://a/");
    let pair = mock.oauth_pair();
    mock.advance(Duration::from_secs(600));
    let asked = |query: &str| {
        let credentials = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
        let url = format!(
            "{}{}?{credentials}&{query}",
            mock.base_url(),
            path::OAUTH_TOKEN
        );
        let request = agent().post(url).header("Platform", "open_platform");
        let (parts, body) = read(request.send_empty());
        (parts.status.as_u16(), body)
    };
    let late = asked(&format!(
        "grant_type=authorization_code&code={code}&redirect_uri=http://a/"
    ));
    assert_eq!((late.0, &late.1["error"]), (400, &json!("invalid_grant")));
    let refresh = format!(
        "grant_type=refresh_token&refresh_token={}",
        pair.refresh_token
    );
    assert_eq!(asked(&refresh).0, 200);
    mock.assert_oauth_refreshes(1);
    mock.assert_requests(path::OAUTH_TOKEN, 2);
}
