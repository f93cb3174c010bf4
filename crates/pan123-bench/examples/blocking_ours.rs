//! A program of which the size counts: one call of the blocking client.

use pan123_blocking::{Client, TaskId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().access_token("token").build()?;
    let progress = client.offline_download().progress(TaskId::new(1)?)?;
    std::process::exit(i32::from(progress.percent.is_some()))
}
