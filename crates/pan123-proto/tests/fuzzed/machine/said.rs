//! The steps of all machines as one type, and their outputs.

use std::time::Duration;

use pan123_proto::offline::{Progress, WatchError};
use pan123_proto::{Error, Refresh, Step, Transmit};

use crate::support::elapsed;

/// A step without what a driver would do about it.
pub(crate) enum Action {
    Transmit(Box<Transmit>),
    Wait(Duration),
    Refresh(Refresh),
    Store,
    Said(Said),
}

/// What a machine told.
#[derive(Debug)]
pub(crate) enum Said {
    /// It has done what it was made for, and this is the progress if it is about one.
    Done(Option<Progress>),
    Seen(Progress),
    Missed(Error),
    Failed(Error),
    Ended(WatchError),
    Nothing,
}

impl Said {
    pub(crate) fn name(&self) -> String {
        match self {
            Said::Done(_) => "done".to_owned(),
            Said::Seen(seen) if seen.status.is_final() => "seen at its end".to_owned(),
            Said::Seen(_) => "seen".to_owned(),
            Said::Missed(error) => format!("missed {:?}", error.kind()),
            Said::Failed(error) => format!("{:?}", error.kind()),
            Said::Ended(error) => end(error).to_owned(),
            Said::Nothing => "nothing more".to_owned(),
        }
    }
}

pub(crate) fn turn<T>(step: Step<T>, said: impl FnOnce(T) -> Said) -> Action {
    match step {
        Step::Transmit(transmit) => Action::Transmit(Box::new(transmit)),
        Step::Wait(wait) => Action::Wait(elapsed(wait.until)),
        Step::Refresh(refresh) => Action::Refresh(refresh),
        Step::Store(_) => Action::Store,
        Step::Ready(output) => Action::Said(said(output)),
    }
}

pub(crate) fn said<T>(result: Result<T, Error>, seen: impl FnOnce(T) -> Option<Progress>) -> Said {
    match result {
        Ok(value) => Said::Done(seen(value)),
        Err(error) => Said::Failed(error),
    }
}

fn end(error: &WatchError) -> &'static str {
    match error {
        WatchError::DownloadFailed { .. } => "DownloadFailed",
        WatchError::Deadline { .. } => "Deadline",
        WatchError::Stalled { .. } => "Stalled",
        WatchError::Polls { .. } => "Polls",
        WatchError::Stopped { .. } => "Stopped",
        _ => "unknown",
    }
}
