//! A program with a ledger of its own: it records each download before it is sent and again when its task is known, so that no
//! crash makes it send one twice. The service is the mock.
#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use pan123_blocking::proto::GateEvent;
use pan123_blocking::proto::offline::CreatedDownload;
use pan123_blocking::{Client, Download, Error};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

/// What is known of a download. In a real program each change is durable before the program goes on.
#[derive(Default)]
enum Entry {
    #[default]
    Queued,
    /// It may have been sent: after a crash it is never sent again without a person's word.
    Intended,
    Created(CreatedDownload),
}

fn submit(client: &Client, download: &Download, entry: &mut Entry) -> Result<(), Error> {
    let mut call = client.session().call(download)?.gated();
    loop {
        match client.drive(&mut call) {
            GateEvent::AtGate => {
                *entry = Entry::Intended;
                call.proceed();
            }
            GateEvent::Ended(Ok(created)) => {
                *entry = Entry::Created(created);
                return Ok(());
            }
            // Only an ambiguous end leaves it open whether the task exists.
            GateEvent::Ended(Err(error)) => {
                if !matches!(error, Error::Ambiguous(_)) {
                    *entry = Entry::Queued;
                }
                return Err(error);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockPan123::start_blocking();
    let client = Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .build()?;
    let download = Download::new("https://example.com/video.mp4")?;
    let mut entry = Entry::default();
    submit(&client, &download, &mut entry)?;
    if let Entry::Created(created) = &entry {
        println!("task {}", created.task);
    }
    Ok(())
}
