//! What happens while the server is away, and after another one took its place.
//!
//! Two of these tests need the server alone. Tests start in the order of their names, so that these wait for few of the others.

use std::time::Duration;

use pan123_async::reqwest::Method;
use pan123_mock::{MockPan123, TaskEnd, TaskScript};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::Database;
use super::server::control;
use crate::serve::support::{LIMIT, Service, answer_of, mock_with};

const A: &str = "00000000000000a1";
const B: &str = "00000000000000b1";

/// The server is away, until this is dropped.
struct Outage;

impl Outage {
    /// Kills the server; none if that is not possible.
    fn begin() -> Option<Outage> {
        control(&["--mode", "immediate", "stop"]).then_some(Outage)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        control(&["start"]);
    }
}

async fn health(service: &Service) -> (u16, Value) {
    let response = service.request(Method::GET, "/healthz").send().await;
    answer_of(response.unwrap()).await
}

/// Waits until the state of health is this, and returns the answer.
async fn until_health(service: &Service, status: u16) -> Value {
    let seen = async {
        loop {
            let (now, body) = health(service).await;
            if now == status {
                return body;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, seen).await.expect("another state of health")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_stops_all_and_when_it_is_back_all_goes_on() {
    let Some(database) = Database::find_alone() else {
        return;
    };
    let mock = mock_with(TaskScript::succeeds_after(2)).await;
    let home = database.home(&mock).set("RUST_LOG", "trace");
    let home = home.keeping_errors();
    let url = database.url();
    let mut service = home.start(&["--ledger", &url, "-v"]).await;
    let urls: Vec<String> = (0..4)
        .map(|n| format!("http://source.example/{n}"))
        .collect();
    for url in &urls {
        service.call("addUri", json!([[url]])).await;
    }
    service.log("change", "created").await;
    let Some(outage) = Outage::begin() else {
        return;
    };
    let down = until_health(&service, 503).await;
    assert_eq!(down["down"][0]["what"], "ledger_unavailable", "{down}");
    assert!(!down.to_string().contains("127.0.0.1"), "{down}");
    let mut shown = vec![service.log("type", "ledger_failed").await.to_string()];
    let refused = service
        .refused("addUri", json!([["http://source.example/late"]]))
        .await;
    assert!(refused.contains("nothing is taken since"), "{refused}");
    shown.extend([down.to_string(), refused]);
    for path in ["/", "/metrics"] {
        let request = service.request(Method::GET, path);
        let response = request.bearer_auth(&service.secret).send().await.unwrap();
        shown.push(response.text().await.unwrap());
    }
    if cfg!(target_os = "linux") {
        let command_line = format!("/proc/{}/cmdline", service.id());
        shown.push(std::fs::read_to_string(command_line).unwrap());
    }
    let known = service.gids("tellActive").await.len() + service.gids("tellWaiting").await.len();
    assert!(known > 0);
    let before = mock.service(|service| service.tasks().len());
    drop(outage);
    assert_eq!(until_health(&service, 200).await, "ok\n");
    service.log("type", "ledger_recovered").await;
    let mut socket = service.socket().await;
    service
        .call(
            "addUri",
            json!([["http://source.example/last"], { "gid": A }]),
        )
        .await;
    socket.notified("Complete", A).await;
    let ended = async {
        while service.gids("tellStopped").await.len() < urls.len() + 1 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, ended).await.expect("all end");
    for url in &urls {
        mock.assert_created_once(url);
    }
    assert!(before <= urls.len());
    service.stop().await;
    shown.extend([
        home.errors(),
        String::from_utf8_lossy(&home.kept()).into_owned(),
    ]);
    assert!(home.errors().contains("/api/v1/offline/download"));
    for text in shown {
        assert!(!text.contains(database.password()), "{text}");
    }
}

#[test]
fn a_command_waits_for_a_server_that_is_killed_and_goes_on() {
    let Some(database) = Database::find_alone() else {
        return;
    };
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = database.user(&mock).set("PAN123_LEDGER", database.url());
    let url = "https://a.example/1.bin";
    let mut running = user.start(&["download", url, "--wait"]);
    let created = running.wait_for_output("created ");
    let Some(outage) = Outage::begin() else {
        return;
    };
    running.wait_for_note("nothing more is sent until the ledger works again");
    // It ends while nobody can record it.
    let task = created.split(' ').nth(1).unwrap().parse().unwrap();
    mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    drop(outage);
    running.wait_for_note("the ledger works again");
    let ended = running.end().exits(0);
    assert!(ended.stdout.contains("\nsucceeded "), "{ended:#?}");
    assert_eq!(ended.stderr.matches("nothing more is sent").count(), 1);
    mock.assert_created_once(url);
    mock.assert_tokens_issued(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_replaced_is_used_once_somebody_has_confirmed_it() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = MockPan123::start().await;
    let url = database.url();
    let home = database.home(&mock);
    let service = home.start(&["--ledger", &url]).await;
    let user = database.user(&mock);
    let confirm = |options: &[&str]| {
        let arguments = [&["batch", "confirm-server", &url], options].concat();
        tokio::task::block_in_place(|| user.run(&arguments))
    };
    let ended = confirm(&[]).exits(0);
    assert!(
        ended.stderr.contains("nothing to confirm") || ended.stdout.contains("nothing to confirm"),
        "{ended:#?}"
    );

    let elsewhere = json!([{ "system": "1", "timeline": "00000001" }]);
    database.ask(&format!("UPDATE ledgers SET servers = '{elsewhere}'"));
    database.cut_off();
    let down = until_health(&service, 503).await;
    assert_eq!(down["down"][0]["what"], "server_to_be_confirmed", "{down}");
    let options = json!({ "gid": B });
    let refused = service
        .refused("addUri", json!([["http://source.example/b"], options]))
        .await;
    assert!(
        refused.contains("`pan123 batch confirm-server LEDGER`"),
        "{refused}"
    );
    let ended = tokio::task::block_in_place(|| user.run(&["batch", "show", &url])).exits(1);
    assert!(
        ended
            .stderr
            .contains("`pan123 batch confirm-server LEDGER`"),
        "{ended:#?}"
    );
    let ended = confirm(&[]).exits(2);
    assert!(ended.stderr.contains("--yes"), "{ended:#?}");
    assert_eq!(health(&service).await.0, 503);

    let object = confirm(&["--yes", "--json"]).exits(0).object();
    assert_eq!(object["changed"], true);
    until_health(&service, 200).await;
    let mut socket = service.socket().await;
    service
        .call("addUri", json!([["http://source.example/b"], options]))
        .await;
    socket.notified("Complete", B).await;
    mock.assert_created_once("http://source.example/b");
    service.stop().await;
}
