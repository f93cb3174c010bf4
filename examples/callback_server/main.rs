//! The server of a bot: it saves links into the drive, receives a signed callback when a task ends, and lets a watch confirm it.
//!
//! Without settings it runs a demonstration against a mock of the service, and ends. Against the real service it runs until Ctrl-C:
//!
//! ```text
//! PAN123_CLIENT_ID=… PAN123_CLIENT_SECRET=… PAN123_CALLBACK_URL=https://bot.example.org/pan123 \
//!     cargo run --example callback_server -- https://example.com/video.mp4 …
//! ```
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PAN123_CLIENT_ID`, `PAN123_CLIENT_SECRET` | the developer's credentials |
//! | `PAN123_ACCESS_TOKEN` | an access token instead |
//! | `PAN123_BASE_URL` | the base URL of another server |
//! | `PAN123_TOKEN_FILE` | the file that stores the token between runs |
//! | `PAN123_CALLBACK_URL` | the public URL for callbacks, which this program signs; must lead to `PAN123_CALLBACK_LISTEN` |
//! | `PAN123_CALLBACK_LISTEN` | the address to receive callbacks on, by default `127.0.0.1:8787` |
//! | `PAN123_CALLBACK_KEYS` | `ID=SECRET,ID=SECRET,…`: the first key signs, all verify; by default a random key for this run |

mod bot;
#[cfg(test)]
mod tests;

use std::env;
use std::error::Error;
use std::future::IntoFuture;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve;
use pan123_async::proto::offline::{CallbackKey, CallbackOutcome, CallbackSigner};
use pan123_async::{Downloaded, WatchPolicy, reqwest};
use pan123_examples::demo::{Demo, LOOPBACK};
use pan123_examples::settings::{
    NO_CREDENTIALS, callback_listener, client, temporary_signer, variable,
};
use pan123_examples::{exit_code, one_line, println};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use bot::{Bot, Entry};

/// The most log entries that wait to be printed.
const MAX_ENTRIES: usize = 64;
/// How long requests in flight may take to finish after Ctrl-C.
const GRACE_PERIOD: Duration = Duration::from_secs(5);
/// How long the demonstration waits for a callback.
const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let links: Vec<_> = env::args().skip(1).collect();
    if links.iter().any(|link| link.starts_with('-')) {
        return Err("usage: callback_server [URL …]".into());
    }
    let Some(builder) = client()? else {
        return match links[..] {
            [] => demonstrate().await,
            _ => Err(NO_CREDENTIALS.into()),
        };
    };
    let url = variable("PAN123_CALLBACK_URL")?
        .ok_or("set PAN123_CALLBACK_URL to a public URL that leads to this server")?;
    let (bot, log) = Bot::new(
        builder.build()?,
        signer()?,
        &url,
        WatchPolicy::default(),
        MAX_ENTRIES,
    );
    serve_until_ctrl_c(bot, log, callback_listener().await?, links).await
}

fn signer() -> Result<CallbackSigner, Box<dyn Error>> {
    let Some(keys) = variable("PAN123_CALLBACK_KEYS")? else {
        println!("PAN123_CALLBACK_KEYS is not set: callbacks of earlier runs will be refused");
        return temporary_signer();
    };
    let pairs = keys.split(',').map(|pair| pair.trim().split_once('='));
    let pairs = pairs.collect::<Option<Vec<_>>>();
    let pairs = pairs.ok_or("PAN123_CALLBACK_KEYS must look like ID=SECRET,ID=SECRET")?;
    let keys = pairs
        .into_iter()
        .map(|(id, secret)| CallbackKey::new(id, secret));
    Ok(CallbackSigner::new(keys.collect::<Result<Vec<_>, _>>()?)?)
}

async fn serve_until_ctrl_c(
    bot: Bot,
    mut log: mpsc::Receiver<Entry>,
    listener: TcpListener,
    links: Vec<String>,
) -> Result<(), Box<dyn Error>> {
    println!("listening on {}", listener.local_addr()?);
    let mut downloads = JoinSet::new();
    for (number, link) in (1..).zip(links) {
        let bot = bot.clone();
        downloads.spawn(async move { save(&bot, &format!("job {number}"), &link).await });
    }
    tokio::spawn(async move {
        while let Some(entry) = log.recv().await {
            print(&entry);
        }
    });
    let serving = serve(listener, bot.routes()).with_graceful_shutdown(ctrl_c());
    let grace_period_over = async {
        ctrl_c().await;
        tokio::time::sleep(GRACE_PERIOD).await;
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = grace_period_over => {}
    }
    bot.stop();
    downloads.join_all().await;
    println!("the server has stopped");
    Ok(())
}

async fn ctrl_c() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Ctrl-C cannot be caught: it ends the process.
        std::future::pending::<()>().await;
    }
}

/// Makes two downloads, one of which fails, then sends a replayed and a forged callback.
async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let demo = Demo::start().await?;
    let listener = TcpListener::bind(LOOPBACK).await?;
    let url = format!("http://{}/pan123", listener.local_addr()?);
    let (bot, mut log) = Bot::new(
        demo.client()?,
        temporary_signer()?,
        &url,
        WatchPolicy::default(),
        MAX_ENTRIES,
    );
    let (shutdown, on_shutdown) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(listener, bot.routes()).with_graceful_shutdown(async {
        let _ = on_shutdown.await;
    });
    let serving = tokio::spawn(async move { serving.await });

    let missing = demo.source().replace("video", "missing");
    let both = async {
        tokio::join!(
            save(&bot, "job 1", demo.source()),
            save(&bot, "job 2", &missing)
        )
    };
    let callbacks = async {
        next(&mut log).await?;
        next(&mut log).await
    };
    let ((first_saved, second_saved), printed) = tokio::join!(both, callbacks);
    printed?;
    if !first_saved || second_saved {
        return Err("job 1 should have succeeded, and job 2 should have failed".into());
    }

    let posted = demo.mock().service(|service| service.callbacks().to_vec());
    let first = posted.first().ok_or("no callback was posted")?;
    let sender = reqwest::Client::builder().no_proxy().build()?;
    let forged = first.url().replace("job", "jab");
    for (what, url) in [
        ("a replayed callback", first.url()),
        ("a forged callback", &forged),
    ] {
        let response = sender.post(url).body(first.body().clone()).send().await?;
        println!("{what} gets the response {}", response.status());
        next(&mut log).await?;
    }
    drop(sender);
    let _ = shutdown.send(());
    serving.await??;
    println!("the server has stopped");
    Ok(())
}

async fn next(log: &mut mpsc::Receiver<Entry>) -> Result<(), Box<dyn Error>> {
    let entry = tokio::time::timeout(TIMEOUT, log.recv()).await?;
    print(&entry.ok_or("the receiver has stopped")?);
    Ok(())
}

/// Saves a link, and returns whether that succeeded.
async fn save(bot: &Bot, id: &str, link: &str) -> bool {
    println!("{id}: saving {link}");
    let end = bot.save(id, link).await;
    match &end {
        Ok(Downloaded { task, .. }) => println!("{id}: task {task} succeeded"),
        Err(error) => println!("{id}: {}", one_line(error.as_ref())),
    }
    end.is_ok()
}

fn print(entry: &Entry) {
    let (callback, effect) = match entry {
        Entry::Nudged(callback) => (callback, "its watch polls at once"),
        Entry::Unwatched(callback) => (callback, "it has no watch"),
        Entry::Refused(refusal) => return println!("a request was refused: {}", one_line(refusal)),
    };
    let outcome = match &callback.notice.outcome {
        CallbackOutcome::Succeeded {
            file: Some(file), ..
        } => format!("succeeded, file id {file}"),
        CallbackOutcome::Succeeded { .. } => "succeeded".to_owned(),
        CallbackOutcome::Failed { reason, .. } => {
            format!("failed: {}", reason.as_deref().unwrap_or("no reason given"))
        }
        other => format!("{other:?}"),
    };
    println!("{}: callback: {outcome}; {effect}", callback.id);
}
