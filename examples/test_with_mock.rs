//! Tests a program against the mock: `cargo test --example test_with_mock`. Run with `cargo run`, it saves one link to the mock.

use pan123_async::{BuildError, Client, Download, Error, TaskId, WatchError};
use pan123_examples::println;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

/// The program under test: a bot that saves a link and replies with what happened.
async fn save(client: &Client, url: &str) -> Result<String, Box<dyn std::error::Error>> {
    let offline = client.offline_download();
    let task = match offline.download(&Download::new(url)?).await {
        Ok(task) => task,
        Err(Error::Ambiguous(_)) => {
            return Ok("it may be downloading: please check your drive".into());
        }
        Err(error) => return Err(error.into()),
    };
    match offline.wait(task).await {
        Ok(done) => Ok(saved(done.task)),
        Err(WatchError::DownloadFailed { .. }) => Ok("the download failed".into()),
        Err(error) => Err(error.into()),
    }
}

fn saved(task: TaskId) -> String {
    format!("saved (task {task})")
}

/// Returns a client of the mock.
fn client_of(mock: &MockPan123) -> Result<Client, BuildError> {
    Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockPan123::start().await;
    let client = client_of(&mock)?;
    println!("{}", save(&client, "https://example.com/a.mp4").await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pan123_mock::{Fault, path};

    use super::*;

    const URL: &str = "https://example.com/a.mp4";

    #[tokio::test]
    async fn link_is_saved() {
        let mock = MockPan123::start().await;
        mock.tasks_succeed_after(1);
        let client = client_of(&mock).unwrap();
        let reply = save(&client, URL).await.unwrap();
        assert!(reply.starts_with("saved"), "{reply}");
        mock.assert_created_once(URL);
        mock.assert_tokens_issued(1);
    }

    #[tokio::test]
    async fn failed_download_is_reported() {
        let mock = MockPan123::start().await;
        mock.tasks_fail_with("source is gone");
        let client = client_of(&mock).unwrap();
        assert_eq!(save(&client, URL).await.unwrap(), "the download failed");
    }

    #[tokio::test]
    async fn create_is_not_resent_after_lost_response() {
        let mock = MockPan123::start().await;
        mock.fault(Fault::response_lost().on(path::OFFLINE_DOWNLOAD));
        let client = client_of(&mock).unwrap();
        let reply = save(&client, URL).await.unwrap();
        assert!(reply.contains("may be downloading"), "{reply}");
        mock.assert_created_once(URL);
    }

    #[tokio::test]
    async fn create_is_ambiguous_when_service_does_not_respond() {
        let mock = MockPan123::start().await;
        mock.fault(Fault::hang().on(path::OFFLINE_DOWNLOAD));
        let client = Client::builder()
            .credentials(CLIENT_ID, CLIENT_SECRET)
            .base_url(mock.base_url())
            .request_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        let reply = save(&client, URL).await.unwrap();
        assert!(reply.contains("may be downloading"), "{reply}");
        mock.assert_created(URL, 0);
    }
}
