//! The service as a process, and its clients.

use std::fs;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pan123_async::reqwest::{self, Method, Response};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, TaskScript};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything takes, on the slowest machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Who starts the service: folders and an account at the mock.
pub(crate) struct Home {
    folder: TempDir,
    base_url: String,
    environment: Vec<(&'static str, String)>,
    /// Where the service writes its errors; none for those of the test.
    errors: Option<PathBuf>,
}

/// A service that runs. It is killed when it is dropped.
pub(crate) struct Service {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Where it is reached, such as `127.0.0.1:6800`.
    pub(crate) address: String,
    pub(crate) secret: String,
    http: reqwest::Client,
}

/// Starts a mock whose tasks follow this script.
pub(crate) async fn mock_with(script: TaskScript) -> MockPan123 {
    MockPan123::builder().default_script(script).start().await
}

impl Home {
    pub(crate) fn at(mock: &MockPan123) -> Home {
        Home {
            folder: tempfile::tempdir().expect("a folder"),
            base_url: mock.base_url(),
            environment: Vec::new(),
            errors: None,
        }
    }

    /// Keeps what services write to standard error.
    pub(crate) fn keeping_errors(mut self) -> Home {
        self.errors = Some(self.path("errors"));
        self
    }

    /// Returns what services wrote to standard error.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(self.path("errors")).expect("errors")
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Home {
        self.environment.push((name, value.into()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the command with these options.
    pub(crate) fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pan123"));
        command
            .args(["serve", "--json"])
            .args(options)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PAN123_CONFIG_DIR", self.path("config"))
            .env("PAN123_STATE_DIR", self.path("state"))
            .env("PAN123_BASE_URL", &self.base_url)
            .env("PAN123_CLIENT_ID", CLIENT_ID)
            .env("PAN123_CLIENT_SECRET", CLIENT_SECRET)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.stderr())
            .kill_on_drop(true);
        command
    }

    fn stderr(&self) -> Stdio {
        match &self.errors {
            Some(path) => fs::File::create(path).expect("a file").into(),
            None => Stdio::inherit(),
        }
    }

    /// Starts the service on a free port.
    pub(crate) async fn start(&self, options: &[&str]) -> Service {
        self.start_at(&[&["--listen", "127.0.0.1:0"], options].concat())
            .await
    }

    /// Starts the service, and waits until it listens.
    pub(crate) async fn start_at(&self, options: &[&str]) -> Service {
        let mut child = self.command(options).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("an output")).lines();
        let started = next_object(&mut stdout).await.expect("it starts");
        assert_eq!(started["type"], "serving", "{started}");
        let text = |key: &str| started[key].as_str().expect("a text").to_owned();
        let url = text("url");
        let address = url
            .strip_prefix("http://")
            .and_then(|url| url.strip_suffix("/jsonrpc"));
        let secret = fs::read_to_string(text("secret_file")).expect("a secret");
        Service {
            child,
            stdout,
            address: address.expect("an address").to_owned(),
            secret: secret.trim().to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
        }
    }

    /// Returns all that the service keeps in files.
    pub(crate) fn kept(&self) -> Vec<u8> {
        let mut kept = Vec::new();
        let mut folders = vec![self.path("config"), self.path("state")];
        while let Some(folder) = folders.pop() {
            for file in fs::read_dir(folder).expect("a folder") {
                let path = file.expect("a file").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    kept.extend(fs::read(path).expect("a file"));
                }
            }
        }
        kept
    }
}

async fn next_object(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = timeout(LIMIT, lines.next_line())
        .await
        .expect("in time")
        .expect("a line")?;
    Some(serde_json::from_str(&line).expect("JSON"))
}

impl Service {
    /// Sends a request to a path.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Posts a body to the path of calls. Returns the status and the answer.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let response = self
            .request(Method::POST, "/jsonrpc")
            .body(body)
            .send()
            .await;
        answer_of(response.expect("a response")).await
    }

    /// Returns the call of a method with the secret.
    pub(crate) fn call_of(&self, method: &str, params: Value) -> Value {
        let Value::Array(params) = params else {
            panic!("{params}");
        };
        let token = json!(format!("token:{}", self.secret));
        let params: Vec<_> = [token].into_iter().chain(params).collect();
        let method = if method.contains('.') {
            method.to_owned()
        } else {
            format!("aria2.{method}")
        };
        json!({ "id": "test", "method": method, "params": params })
    }

    /// Calls a method, and returns its result.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let (status, answer) = self.post(self.call_of(method, params).to_string()).await;
        assert_eq!((status, &answer["error"]), (200, &Value::Null), "{method}");
        answer["result"].clone()
    }

    /// Calls a method that fails, and returns the message.
    pub(crate) async fn refused(&self, method: &str, params: Value) -> String {
        let (status, answer) = self.post(self.call_of(method, params).to_string()).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(1)),
            "{method}: {answer}"
        );
        answer["error"]["message"]
            .as_str()
            .expect("a message")
            .to_owned()
    }

    /// Adds a paused download, whose folder is not looked for.
    pub(crate) async fn add_paused(&self, gid: &str) {
        let url = format!("http://source.example/{gid}");
        let added = self
            .call("addUri", json!([[url], { "gid": gid, "pause": "true" }]))
            .await;
        assert_eq!(added, gid);
    }

    /// Returns the GIDs of a list.
    pub(crate) async fn gids(&self, method: &str) -> Vec<String> {
        let params = if method == "tellActive" {
            json!([["gid"]])
        } else {
            json!([0, 1000, ["gid"]])
        };
        let rows = self.call(method, params).await;
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| row["gid"].as_str().expect("a GID").to_owned())
            .collect()
    }

    pub(crate) async fn status(&self, gid: &str) -> String {
        let row = self.call("tellStatus", json!([gid, ["status"]])).await;
        row["status"].as_str().expect("a status").to_owned()
    }

    pub(crate) async fn socket(&self) -> Socket {
        let (socket, _) = connect_async(format!("ws://{}/jsonrpc", self.address))
            .await
            .expect("a socket");
        Socket { socket }
    }

    /// Waits for an object with this value in the log.
    pub(crate) async fn log(&mut self, key: &str, value: &str) -> Value {
        loop {
            let object = next_object(&mut self.stdout).await.expect("a line");
            if object[key] == value {
                return object;
            }
        }
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(sent.expect("`kill` runs").success());
    }

    /// Waits for the end, and returns the last line and how it ended.
    pub(crate) async fn end(mut self) -> (Value, ExitStatus) {
        let mut last = Value::Null;
        while let Some(object) = next_object(&mut self.stdout).await {
            last = object;
        }
        let status = timeout(LIMIT, self.child.wait()).await.expect("in time");
        (last, status.expect("a status"))
    }

    /// Stops the service as a service manager does.
    pub(crate) async fn stop(self) {
        self.signal("TERM");
        let (last, status) = self.end().await;
        assert_eq!(last["type"], "stopped");
        assert!(status.success(), "{status}");
    }
}

pub(crate) async fn answer_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// A WebSocket of a client.
pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(crate) async fn send(&mut self, message: &Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .expect("it is sent");
    }

    /// Returns the next message; none if the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = timeout(LIMIT, self.socket.next()).await.expect("in time")?;
            match message.expect("a message") {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("JSON")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Waits for a notification of a download; others are skipped.
    pub(crate) async fn notified(&mut self, notification: &str, gid: &str) {
        let expected = json!({
            "jsonrpc": "2.0",
            "method": format!("aria2.onDownload{notification}"),
            "params": [{ "gid": gid }],
        });
        loop {
            if self.next().await.expect("a notification") == expected {
                return;
            }
        }
    }
}

/// Runs the command to its end, and returns the last object and the exit code.
pub(crate) async fn ended(command: &mut Command) -> (Value, i32) {
    let mut child = command.spawn().expect("it starts");
    let mut output = String::new();
    let mut stdout = child.stdout.take().expect("an output");
    let read = timeout(LIMIT, stdout.read_to_string(&mut output)).await;
    read.expect("in time").expect("an output");
    let status = timeout(LIMIT, child.wait())
        .await
        .expect("in time")
        .expect("a status");
    let last = output.lines().last().unwrap_or("null");
    (
        serde_json::from_str(last).expect("JSON"),
        status.code().expect("a code"),
    )
}
