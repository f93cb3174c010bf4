//! Support for the tests of the core: a made-up clock, a scripted server, and a world that runs many machines in one thread
//! and in virtual time.

pub(crate) mod actor;
pub(crate) mod base;
#[cfg(feature = "callback-signing")]
pub(crate) mod callbacks;
pub(crate) mod callers;
pub(crate) mod cases;
pub(crate) mod disk;
pub(crate) mod drive;
pub(crate) mod file_lookups;
pub(crate) mod hand;
pub(crate) mod hooks;
pub(crate) mod oauth_service;
pub(crate) mod poll_mixes;
pub(crate) mod reading;
pub(crate) mod server;
pub(crate) mod shared_pace;
pub(crate) mod single;
pub(crate) mod watches;
pub(crate) mod wire;
pub(crate) mod world;

use std::time::{Duration, Instant, SystemTime};

use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::{Now, Session, SessionBuilder, TaskId};

pub(crate) use actor::Outcome;
use base::base;
pub(crate) use disk::Disk;
pub(crate) use hooks::Plan;
pub(crate) use server::{Reply, ServerView, path, routine};
pub(crate) use world::World;

/// The wall clock at the start of virtual time.
pub(crate) const START: Duration = Duration::from_secs(1_742_715_517);

/// Both clocks, this long after the start.
pub(crate) fn at(elapsed: Duration) -> Now {
    Now {
        mono: base() + elapsed,
        wall: SystemTime::UNIX_EPOCH + START + elapsed,
    }
}

/// How long after the start this is.
pub(crate) fn elapsed(instant: Instant) -> Duration {
    instant.duration_since(base())
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A session that fetches its token.
pub(crate) fn builder() -> SessionBuilder {
    Session::builder().credentials("client-id", "client-secret")
}

pub(crate) fn session() -> Session {
    builder().build().expect("good settings")
}

/// A session with a given token.
pub(crate) fn fixed() -> Session {
    let builder = Session::builder().access_token("fixed-token");
    builder.build().expect("good settings")
}

pub(crate) fn download() -> Download {
    Download::new("https://example.com/video.mp4?sig=%E6%B5%8B").expect("a good URL")
}

pub(crate) fn task() -> TaskId {
    numbered_task(394_756)
}

pub(crate) fn numbered_task(number: u64) -> TaskId {
    TaskId::new(number).expect("a good id")
}

pub(crate) fn progress() -> GetDownloadProgress {
    GetDownloadProgress::new(task())
}

/// The times between events.
pub(crate) fn gaps(times: &[Duration]) -> Vec<Duration> {
    times
        .windows(2)
        .map(|pair| pair[1].checked_sub(pair[0]).expect("time goes forward"))
        .collect()
}
