//! What the service does over the network besides answering, each on a thread of its own.

use std::io::Read;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use ureq::Agent;

use crate::server::Face;
use crate::service::{Delivery, Effect, is_loopback};

const CONNECT: Duration = Duration::from_secs(5);
const CALLBACK: Duration = Duration::from_secs(10);
const FETCH: Duration = Duration::from_secs(300);

/// Starts the effects and returns at once. The threads hold no mock alive: they end soon after it.
pub(crate) fn carry_out(face: &Arc<Face>, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::Fetch { task, url } => {
                let weak = Arc::downgrade(face);
                if !spawned(move || fetch(&weak, task, &url)) {
                    end_fetch(face, task, Err("no thread".to_owned()));
                }
            }
            Effect::PostCallback { task, url, body } => {
                let weak = Arc::downgrade(face);
                if !spawned(move || call_back(&weak, task, &url, &body)) {
                    let failed = Delivery::Failed("no thread".to_owned());
                    face.update(|service| service.callback_ended(task, failed));
                }
            }
        }
    }
}

fn spawned(work: impl FnOnce() + Send + 'static) -> bool {
    thread::Builder::new()
        .name("pan123-mock effect".to_owned())
        .spawn(work)
        .is_ok()
}

fn fetch(face: &Weak<Face>, task: u64, url: &str) {
    let Some(limit) = face.upgrade().map(|face| face.fetch_limit) else {
        return;
    };
    let result = read_source(url, limit, |percent| match face.upgrade() {
        Some(face) => {
            face.update(|service| service.fetch_progress(task, (percent, 0)));
            true
        }
        None => false,
    });
    if let Some(face) = face.upgrade() {
        end_fetch(&face, task, result);
    }
}

fn end_fetch(face: &Arc<Face>, task: u64, result: Result<u64, String>) {
    let now = face.now();
    let effects = face.update(|service| service.fetch_ended(now, task, result));
    carry_out(face, effects);
}

/// Reads the source to its end and returns how long it was. `report` takes the percent and says whether anybody still cares.
fn read_source(url: &str, limit: u64, report: impl Fn(f64) -> bool) -> Result<u64, String> {
    let response = agent(FETCH).get(url).call().map_err(|e| e.to_string())?;
    if !response.status().is_success() {
        return Err(format!("HTTP {}", response.status().as_u16()));
    }
    let total = response.body().content_length();
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 64 * 1024];
    let mut done = 0;
    loop {
        // A body that is shorter than announced is an error here.
        let read = body.read(&mut buffer).map_err(|e| e.to_string())?;
        if read == 0 {
            return Ok(done);
        }
        done += read as u64;
        if done > limit {
            return Err(format!("longer than {limit} bytes"));
        }
        if !report(total.map_or(0.0, |total| percent(done, total))) {
            return Err("the mock is gone".to_owned());
        }
    }
}

/// In hundredths, for no reader needs more.
fn percent(done: u64, total: u64) -> f64 {
    let hundredths = u128::from(done) * 10_000 / u128::from(total.max(1));
    f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0
}

fn call_back(face: &Weak<Face>, task: u64, url: &str, body: &Bytes) {
    let delivery = if is_loopback(url) {
        match post(url, body) {
            Ok(status) => Delivery::Answered(status),
            Err(error) => Delivery::Failed(error.to_string()),
        }
    } else {
        Delivery::NotLoopback
    };
    if let Some(face) = face.upgrade() {
        face.update(|service| service.callback_ended(task, delivery));
    }
}

fn post(url: &str, body: &Bytes) -> Result<u16, ureq::Error> {
    let response = agent(CALLBACK)
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .send(body.as_ref())?;
    Ok(response.status().as_u16())
}

/// Neither a redirect nor a proxy of the environment may lead the request off this machine.
fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(timeout))
        .build()
        .into()
}
