//! Real tokio tasks on one thread, each of which waits for the end of a download: ours with `wait`, and as floor a loop by hand around the bare
//! reqwest that polls as often, with no more requests at once.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pan123_async::{Client, Pacing, TaskId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::clients::{self, URL};
use crate::measure::{output, this_program};
use crate::process;
use crate::stub::Stub;

const TASKS: usize = 10_000;
/// Each task ends with its third poll.
const POLLS: &str = "3";
/// As many as a session has at once.
const AT_ONCE: usize = 100;
/// The status of a task that has succeeded.
const SUCCEEDED: i64 = 2;

pub(crate) fn table(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| {TASKS} tasks that wait | CPU | memory at most | threads | wall | requests | connections |\n|---|---|---|---|---|---|---|"
    )?;
    for (subject, title) in [("ours", "ours"), ("floor", "bare reqwest, by hand")] {
        let Used {
            cells,
            requests,
            connections,
        } = used(subject, TASKS);
        writeln!(out, "| {title} | {cells} | {requests} | {connections} |")?;
        out.flush()?;
    }
    Ok(())
}

/// What a run has used.
pub(crate) struct Used {
    cells: String,
    pub(crate) requests: usize,
    pub(crate) connections: usize,
}

/// Lets so many tasks wait in a child process.
pub(crate) fn used(subject: &str, count: usize) -> Used {
    let stub = Stub::start_by(&mut this_program(&[], &["stub", POLLS]));
    let mut child = this_program(&[], &["tasks", subject, &count.to_string()]);
    let output = output(child.env(URL, stub.url()));
    let (connections, requests) = stub.counts();
    Used {
        cells: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        requests,
        connections,
    }
}

/// What a child process does: it prints the cells of its row.
pub(crate) fn run(out: &mut impl Write, subject: &str, count: &str) -> io::Result<()> {
    let began = Instant::now();
    let count = count.parse().expect("a number");
    clients::on_tokio(async {
        match subject {
            "ours" => ours(count).await,
            "floor" => floor(count).await,
            _ => panic!("`ours` or `floor`"),
        }
    });
    let known = |number: Option<u64>| number.map_or("?".to_owned(), |number| number.to_string());
    let cpu = process::cpu("self").map(|cpu| cpu.as_millis());
    let cpu = known(cpu.and_then(|cpu| cpu.try_into().ok()));
    let memory = known(process::status("self", "VmHWM").map(|kilobytes| kilobytes / 1024));
    let threads = known(process::status("self", "Threads"));
    let wall = began.elapsed().as_secs_f64();
    writeln!(out, "{cpu} ms | {memory} MiB | {threads} | {wall:.1} s")
}

async fn ours(count: usize) {
    let builder = Client::builder().access_token(clients::token());
    let builder = builder.base_url(clients::base()).pacing(Pacing::off());
    let client = builder.build().expect("a client");
    let mut tasks = JoinSet::new();
    for number in 1..=count as u64 {
        let task = TaskId::new(number).expect("a task");
        tasks.spawn(client.offline_download().wait(task));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic").expect("it succeeds");
    }
}

async fn floor(count: usize) {
    let client = reqwest::Client::new();
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for number in 1..=count as u64 {
        let (client, at_once) = (client.clone(), Arc::clone(&at_once));
        tasks.spawn(async move {
            let url = clients::progress_url(number);
            let mut interval = Duration::from_secs(1);
            loop {
                let permit = at_once.acquire().await;
                let progress = clients::bare_progress(&client, &url).await;
                drop(permit);
                if progress.status == SUCCEEDED {
                    return;
                }
                tokio::time::sleep(interval).await;
                interval = interval.mul_f64(1.5);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic");
    }
}
