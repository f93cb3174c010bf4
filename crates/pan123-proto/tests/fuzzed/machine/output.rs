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
    Output(Output),
}

/// The output of a machine.
#[derive(Debug)]
pub(crate) enum Output {
    /// It has done what it was made for, and this is the progress if it is about one.
    Done(Option<Progress>),
    Progress(Progress),
    PollFailed(Error),
    Failed(Error),
    Ended(WatchError),
    Nothing,
}

impl Output {
    pub(crate) fn name(&self) -> String {
        match self {
            Output::Done(_) => "done".to_owned(),
            Output::Progress(seen) if seen.status.is_final() => "seen at its end".to_owned(),
            Output::Progress(_) => "seen".to_owned(),
            Output::PollFailed(error) => format!("missed {:?}", error.kind()),
            Output::Failed(error) => format!("{:?}", error.kind()),
            Output::Ended(error) => end(error).to_owned(),
            Output::Nothing => "nothing more".to_owned(),
        }
    }
}

pub(crate) fn action<T>(step: Step<T>, output: impl FnOnce(T) -> Output) -> Action {
    match step {
        Step::Transmit(transmit) => Action::Transmit(Box::new(transmit)),
        Step::Wait(wait) => Action::Wait(elapsed(wait.until)),
        Step::Refresh(refresh) => Action::Refresh(refresh),
        Step::Store(_) => Action::Store,
        Step::Ready(value) => Action::Output(output(value)),
    }
}

pub(crate) fn output<T>(
    result: Result<T, Error>,
    seen: impl FnOnce(T) -> Option<Progress>,
) -> Output {
    match result {
        Ok(value) => Output::Done(seen(value)),
        Err(error) => Output::Failed(error),
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
