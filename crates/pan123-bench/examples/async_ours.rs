//! A program of which the size counts: one call of the async client.

use pan123_async::{Client, TaskId};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().access_token("token").build()?;
    let progress = client.offline_download().progress(TaskId::new(1)?).await?;
    std::process::exit(i32::from(progress.percent.is_some()))
}
