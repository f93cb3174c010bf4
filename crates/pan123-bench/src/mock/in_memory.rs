//! Measures a million progress calls without a socket: to the model alone, and through the whole core of the client.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime};

use pan123_mock::bytes::Bytes;
use pan123_mock::http::Request;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Service, TaskScript, path};
use pan123_proto::offline::{CreatedDownload, Download, GetDownloadProgress};
use pan123_proto::{Input, Machine, Now, Pacing, Session, Step};

const CALLS: u32 = 1_000_000;

pub(crate) fn table(out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "| {CALLS} progress calls | took | each |\n|---|---|---|"
    )?;
    for (what, took) in [
        ("the model alone", model()),
        ("the client's core and the model", core()),
    ] {
        let each = took / CALLS;
        writeln!(out, "| {what} | {took:.2?} | {each:.2?} |")?;
    }
    Ok(())
}

fn service() -> Service {
    let builder = Service::builder().kept_requests(1000);
    builder.default_script(TaskScript::never_ends()).service()
}

struct Driver {
    service: Service,
    start: Now,
    elapsed: Duration,
}

impl Driver {
    fn new() -> Self {
        Self {
            service: service(),
            start: Now {
                mono: Instant::now(),
                wall: SystemTime::now(),
            },
            elapsed: Duration::ZERO,
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: self.start.mono + self.elapsed,
            wall: self.start.wall + self.elapsed,
        }
    }

    fn drive<M: Machine>(&mut self, mut machine: M) -> M::Output {
        let mut input = Input::Wake;
        loop {
            input = match machine.resume(self.now(), input) {
                Step::Ready(output) => return output,
                Step::Transmit(transmit) => {
                    let now = self.now().wall;
                    let outcome = self.service.handle(now, &transmit.request);
                    Input::Response(outcome.reply.response)
                }
                Step::Wait(wait) => {
                    self.elapsed = wait.until.max(self.now().mono) - self.start.mono;
                    Input::Wake
                }
                Step::Detach(refresh) => {
                    self.drive(refresh);
                    Input::Wake
                }
                Step::Store(op) => Input::Stored(op.unsupported()),
                Step::Pace(op) => Input::Paced(op.unsupported()),
            };
        }
    }
}

fn core() -> Duration {
    let session = Session::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .pacing(Pacing::off())
        .build()
        .expect("good settings");
    let mut driver = Driver::new();
    let download = Download::new("https://example.com/a").expect("a URL");
    let create = session.call(&download).expect("a call");
    let CreatedDownload { task, .. } = driver.drive(create).expect("a task");
    let began = Instant::now();
    for _ in 0..CALLS {
        let progress = session
            .call(&GetDownloadProgress::new(task))
            .expect("a call");
        let progress = driver.drive(progress).expect("a response");
        assert_eq!(progress.percent, Some(50.0));
    }
    began.elapsed()
}

fn model() -> Duration {
    let mut service = service();
    let now = SystemTime::now();
    let pair = format!(r#"{{"clientID":"{CLIENT_ID}","clientSecret":"{CLIENT_SECRET}"}}"#);
    let token = ask(
        &mut service,
        now,
        &request("POST", path::ACCESS_TOKEN, None, &pair),
    );
    let token = token["data"]["accessToken"].as_str().expect("a token");
    let body = r#"{"url":"https://example.com/a"}"#;
    let created = request("POST", path::OFFLINE_DOWNLOAD, Some(token), body);
    let task = ask(&mut service, now, &created)["data"]["taskID"].clone();
    let target = format!("{}?taskID={task}", path::OFFLINE_PROGRESS);
    let poll = request("GET", &target, Some(token), "");
    let began = Instant::now();
    for _ in 0..CALLS {
        let response = service.handle(now, &poll).reply.response;
        assert!(response.body().starts_with(br#"{"code":0,"#));
    }
    began.elapsed()
}

fn ask(service: &mut Service, now: SystemTime, request: &Request<Bytes>) -> serde_json::Value {
    let response = service.handle(now, request).reply.response;
    serde_json::from_slice(response.body()).expect("an envelope")
}

fn request(method: &str, target: &str, token: Option<&str>, body: &str) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(target)
        .header("Platform", "open_platform")
        .header("Content-Type", "application/json")
        .header(
            "Authorization",
            format!("Bearer {}", token.unwrap_or_default()),
        )
        .body(body.to_owned().into())
        .expect("a request of constants")
}
