//! A bot's server: it saves links into the drive, hears of their ends by signed callbacks, and lets its watches confirm them.
//!
//! With nothing configured it plays both sides and ends by itself. Against the real service it serves until ctrl-c:
//!
//! ```text
//! PAN123_CLIENT_ID=… PAN123_CLIENT_SECRET=… PAN123_CALLBACK_URL=https://bot.example.org/pan123 \
//!     cargo run --example callback_server -- https://example.com/video.mp4 …
//! ```
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PAN123_CLIENT_ID`, `PAN123_CLIENT_SECRET` | the developer's credentials |
//! | `PAN123_ACCESS_TOKEN` | an access token in their place |
//! | `PAN123_BASE_URL` | another server than the service |
//! | `PAN123_TOKEN_FILE` | where the token is kept between runs |
//! | `PAN123_CALLBACK_URL` | where the service posts the ends to, before it is signed; what arrives there must reach … |
//! | `PAN123_CALLBACK_LISTEN` | … this address, by default `127.0.0.1:8787` |
//! | `PAN123_CALLBACK_KEYS` | `ID=SECRET`, or several with commas: the first signs, all verify; by default one that ends with the process |
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

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
    NO_CREDENTIALS, callback_listener, client, passing_signer, variable,
};
use pan123_examples::{exit_code, one_line};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bot::{Bot, Entry};

/// Entries of the log that wait to be printed.
const ENTRIES: usize = 64;
/// How long senders may take to finish when the server is to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long the demonstration waits for what must come in.
const PATIENCE: Duration = Duration::from_secs(60);

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
        .ok_or("set PAN123_CALLBACK_URL: what the service can reach, and leads here")?;
    let (bot, log) = Bot::new(
        builder.build()?,
        signer()?,
        &url,
        WatchPolicy::default(),
        ENTRIES,
    );
    serve_until_ctrl_c(bot, log, callback_listener().await?, links).await
}

fn signer() -> Result<CallbackSigner, Box<dyn Error>> {
    let Some(keys) = variable("PAN123_CALLBACK_KEYS")? else {
        println!(
            "PAN123_CALLBACK_KEYS is not set: after a restart the callbacks of before are refused"
        );
        return passing_signer();
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
    let serving = serve(listener, bot.routes()).with_graceful_shutdown(asked_to_end());
    let out_of_patience = async {
        asked_to_end().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = out_of_patience => {}
    }
    bot.stop();
    downloads.join_all().await;
    println!("the server has ended");
    Ok(())
}

async fn asked_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Nobody can ask: only the end of the process is the end.
        std::future::pending::<()>().await;
    }
}

/// Two downloads, one of a file that is not there, and what a stranger and a replay come to.
async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let demo = Demo::start().await?;
    let listener = TcpListener::bind(LOOPBACK).await?;
    let url = format!("http://{}/pan123", listener.local_addr()?);
    let (bot, mut log) = Bot::new(
        demo.client()?,
        passing_signer()?,
        &url,
        WatchPolicy::default(),
        ENTRIES,
    );
    let (end, asked_to_end) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(listener, bot.routes()).with_graceful_shutdown(async {
        let _ = asked_to_end.await;
    });
    let serving = tokio::spawn(async move { serving.await });

    let gone = demo.source().replace("video", "gone");
    let both = async {
        tokio::join!(
            save(&bot, "job 1", demo.source()),
            save(&bot, "job 2", &gone)
        )
    };
    let callbacks = async {
        next(&mut log).await?;
        next(&mut log).await
    };
    let ((saved, lost), heard) = tokio::join!(both, callbacks);
    heard?;
    if !saved || lost {
        return Err("one download was to succeed, the other to fail".into());
    }

    let posted = demo.mock().service(|service| service.callbacks().to_vec());
    let first = posted.first().ok_or("no callback was posted")?;
    let sender = reqwest::Client::builder().no_proxy().build()?;
    let forged = first.url.replace("job", "jab");
    for (what, url) in [
        ("the same callback once more", &first.url),
        ("a forged one", &forged),
    ] {
        let answer = sender.post(url).body(first.body.clone()).send().await?;
        println!("{what} is answered {}", answer.status());
        next(&mut log).await?;
    }
    drop(sender);
    let _ = end.send(());
    serving.await??;
    println!("the server has ended");
    Ok(())
}

async fn next(log: &mut mpsc::Receiver<Entry>) -> Result<(), Box<dyn Error>> {
    let entry = tokio::time::timeout(PATIENCE, log.recv()).await?;
    print(&entry.ok_or("the receiver is gone")?);
    Ok(())
}

/// Whether it is in the drive in the end.
async fn save(bot: &Bot, id: &str, link: &str) -> bool {
    println!("{id}: saves {link}");
    let end = bot.save(id, link).await;
    match &end {
        Ok(Downloaded { task, .. }) => println!("{id}: task {task} succeeded"),
        Err(error) => println!("{id}: {}", one_line(error.as_ref())),
    }
    end.is_ok()
}

fn print(entry: &Entry) {
    let (callback, then) = match entry {
        Entry::Nudged(callback) => (callback, "its watch asks now"),
        Entry::Unwatched(callback) => (callback, "nobody watches it"),
        Entry::Refused(refusal) => return println!("a request was refused: {}", one_line(refusal)),
    };
    let says = match &callback.notice.outcome {
        CallbackOutcome::Succeeded {
            file: Some(file), ..
        } => format!("succeeded, file id {file}"),
        CallbackOutcome::Succeeded { .. } => "succeeded".to_owned(),
        CallbackOutcome::Failed { reason, .. } => {
            format!("failed: {}", reason.as_deref().unwrap_or("no reason"))
        }
        other => format!("{other:?}"),
    };
    println!("{}: a callback says {says:?}; {then}", callback.id);
}
