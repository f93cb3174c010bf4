//! `login --oauth`.

use std::io::{Read, Write};
use std::net::TcpStream;

use pan123_mock::path::{ACCESS_TOKEN, OAUTH_TOKEN};
use pan123_mock::{CLIENT_SECRET, MockPan123};
use serde_json::Value;

use crate::account::{holds, two_lines};
use crate::support::{Running, User};

/// A login that waits for the browser.
pub(crate) struct Waiting {
    pub(crate) running: Running,
    pub(crate) redirect_uri: String,
    pub(crate) state: String,
}

pub(crate) fn start(user: &User) -> Waiting {
    user.write("app.txt", &two_lines());
    let arguments = ["login", "--oauth", "--file", "app.txt", "--json", "-v"];
    let redirect = ["--redirect-uri", "http://127.0.0.1:0/:back/{*"];
    let mut running = user.start(&[&arguments[..], &redirect].concat());
    let line = running.wait_for_output("authorize");
    let object: Value = serde_json::from_str(&line).expect("an object");
    let url = object["url"].as_str().expect("a URL");
    assert!(
        url.starts_with("https://www.123pan.com/auth?client_id="),
        "{url}"
    );
    assert!(!url.contains(CLIENT_SECRET), "{url}");
    let field = |name: &str| {
        let query = url.split_once('?').expect("a query").1;
        let mut fields = form_urlencoded::parse(query.as_bytes());
        fields
            .find(|(key, _)| key == name)
            .expect("the field")
            .1
            .into_owned()
    };
    Waiting {
        running,
        redirect_uri: field("redirect_uri"),
        state: field("state"),
    }
}

impl Waiting {
    /// Comes back as the browser does, and returns the status line.
    pub(crate) fn come_back(&self, query: &str) -> String {
        let rest = self
            .redirect_uri
            .strip_prefix("http://")
            .expect("plain HTTP");
        let (host, path) = rest.split_once('/').expect("a path");
        let mut stream = TcpStream::connect(host).expect("a connection");
        write!(
            stream,
            "GET /{path}?{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.lines().next().expect("a line").to_owned()
    }
}

#[test]
fn login_takes_the_code_from_the_browser_and_refreshes_its_pair() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    let waiting = start(&user);
    let code = mock.authorize(&*waiting.redirect_uri);
    let foreign = waiting.come_back(&format!("code={code}&state=another"));
    assert!(foreign.contains(" 400 "), "{foreign}");
    mock.assert_requests(OAUTH_TOKEN, 0);
    let answer = waiting.come_back(&format!("code={code}&state={}", waiting.state));
    assert!(answer.contains(" 200 "), "{answer}");
    let ended = waiting.running.end().exits(0);
    assert_eq!(ended.objects().last().unwrap()["type"], "login");
    assert!(ended.stderr.contains(OAUTH_TOKEN), "{ended:#?}");
    for secret in [CLIENT_SECRET, &*code] {
        assert!(!format!("{ended:?}").contains(secret), "{ended:#?}");
    }

    user.run(&["whoami"]).exits(0);
    mock.assert_requests(OAUTH_TOKEN, 1);
    // The access token lives for two hours.
    mock.advance(std::time::Duration::from_secs(3 * 3600));
    user.run(&["whoami"]).exits(0);
    mock.assert_oauth_refreshes(1);
    user.run(&["logout"]).exits(0);
    assert!(!holds(&user.config(), "refresh"));
    mock.assert_requests(ACCESS_TOKEN, 0);
}

#[test]
fn user_who_declines_is_exit_3_and_nothing_is_stored() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    let waiting = start(&user);
    waiting.come_back(&format!("error=access_denied&state={}", waiting.state));
    let ended = waiting.running.end().exits(3);
    assert!(ended.stdout.contains("access_denied"), "{ended:#?}");
    assert!(!user.config().exists());

    let waiting = start(&user);
    waiting.come_back(&format!("code=wrong&state={}", waiting.state));
    waiting.running.end().exits(3);
    assert!(!user.config().exists());
}

#[test]
fn redirect_uri_must_lead_to_this_machine() {
    let user = User::new();
    user.write("app.txt", &two_lines());
    for uri in [
        "https://127.0.0.1:1/",
        "http://app.example:1/",
        "http://127.0.0.1/",
        "nonsense",
    ] {
        let arguments = [
            "login",
            "--oauth",
            "--file",
            "app.txt",
            "--redirect-uri",
            uri,
        ];
        let ended = user.run(&arguments).exits(2);
        assert!(
            ended.stderr.contains("a port of this machine"),
            "{ended:#?}"
        );
    }
    user.run(&["login", "--redirect-uri", "http://127.0.0.1:0/"])
        .exits(2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_wait_for_the_browser() {
    let mock = MockPan123::start_blocking();
    let waiting = start(&User::at(&mock));
    waiting.running.signal("INT");
    waiting.running.end().exits(130);
}
