//! Keeps a ledger of downloads: each one is recorded before it is sent, and again when its task is known, so that it is never sent
//! twice, not even after a crash. The service is the mock.

use pan123_blocking::proto::GateEvent;
use pan123_blocking::proto::offline::CreatedDownload;
use pan123_blocking::{Client, Download, Error};
use pan123_examples::println;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

/// What the ledger says about a download. A real program makes each change durable before it continues.
#[derive(Default)]
enum Entry {
    /// Certainly not created, so that it may be sent.
    #[default]
    Queued,
    /// Possibly sent. After a crash, only a person may decide to send it again.
    Intended,
    /// The service has created this task.
    Created(CreatedDownload),
}

/// Creates a download, and updates its entry at each point where a crash could leave it unclear what has happened.
fn submit(client: &Client, download: &Download, entry: &mut Entry) -> Result<(), Error> {
    let mut call = client.session().call(download)?.gated();
    loop {
        match client.drive(&mut call) {
            GateEvent::AtGate => {
                // Nothing has been sent yet. If this could not be recorded, dropping the call would send nothing.
                *entry = Entry::Intended;
                call.proceed();
            }
            GateEvent::Ended(Ok(created)) => {
                *entry = Entry::Created(created);
                return Ok(());
            }
            // After any error but `Ambiguous` the task certainly does not exist.
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
