//! Creates a download and follows it to its end without an async runtime. The service is the mock.

use std::error::Error;

use pan123_blocking::{Client, DirId, Download, WatchEvent};
use pan123_examples::println;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockPan123::start_blocking();
    let client = Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .build()?;
    println!("uid {}", client.user_info()?.uid);

    let download = Download::new("https://example.com/video.mp4")?
        .file_name("my_video.mp4")?
        .save_to(DirId::new(456)?);
    let offline = client.offline_download();
    let task = offline.download(&download)?;
    println!("task {task}");

    for event in offline.watch(task) {
        match event? {
            WatchEvent::Progress(progress) => println!("{progress}"),
            WatchEvent::PollFailed(error) => println!("a poll failed: {error}"),
            _ => {}
        }
    }
    Ok(())
}
