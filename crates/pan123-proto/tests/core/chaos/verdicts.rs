//! Whether what a caller is told is true, measured by what the service did.

use std::time::Duration;

use pan123_proto::offline::{
    CreatedDownload, Progress, TaskStatus, WatchError, WatchEvent, WatchPolicy,
};
use pan123_proto::user::UserInfo;
use pan123_proto::{Error, ErrorCode, TransportErrorKind};

use crate::chaos::errand::Errand;
use crate::chaos::onlooker::Onlooker;
use crate::chaos::tally::{Tally, Verdict};
use crate::support::secs;

/// The URL of a download that has this number.
pub(crate) fn url(number: u64) -> String {
    format!("https://example.com/{number}")
}

pub(crate) fn check_user(
    onlooker: &mut Onlooker,
    errand: &Errand,
    (at, result): (Duration, Result<UserInfo, Error>),
) {
    match result {
        Ok(user) => {
            assert_eq!(user.uid, 7);
            onlooker.tally.verdict(Verdict::UserGood);
        }
        Err(error) => {
            onlooker.tally.verdict(Verdict::UserFailed);
            check_error(&mut onlooker.tally, errand, at, &error);
        }
    }
}

pub(crate) fn check_progress(
    onlooker: &mut Onlooker,
    errand: &Errand,
    (at, result): (Duration, Result<Progress, Error>),
) {
    match result {
        Ok(progress) => {
            assert!((0.0..=100.0).contains(&progress.percent), "{progress:?}");
            onlooker.tally.verdict(Verdict::ProgressGood);
        }
        Err(error) => {
            onlooker.tally.verdict(Verdict::ProgressFailed);
            check_error(&mut onlooker.tally, errand, at, &error);
        }
    }
}

pub(crate) fn check_create(
    onlooker: &mut Onlooker,
    errand: &Errand,
    number: u64,
    (at, result): (Duration, Result<CreatedDownload, Error>),
) {
    let made = onlooker.service.created(number).to_vec();
    let ambiguous = matches!(result, Err(Error::Ambiguous(_)));
    assert_eq!(ambiguous, errand.in_doubt, "{result:?}: {errand:?}");
    match result {
        Ok(created) => {
            assert_eq!(made, [created.task.get()], "what was made for {number}");
            onlooker.tally.verdict(Verdict::CreateGood);
        }
        Err(Error::Ambiguous(ambiguous)) => {
            let download: pan123_proto::offline::Download =
                ambiguous.request().expect("what was sent");
            assert_eq!(download.url(), url(number));
            onlooker.tally.verdict(if made.is_empty() {
                Verdict::AmbiguousAndNotDone
            } else {
                Verdict::AmbiguousAndDone
            });
        }
        Err(error) => {
            assert!(made.is_empty(), "{made:?} were made for {number}: {error}");
            onlooker.tally.verdict(Verdict::CreateFailed);
            check_error(&mut onlooker.tally, errand, at, &error);
        }
    }
}

/// Whether this error is what the call went through.
fn check_error(tally: &mut Tally, errand: &Errand, at: Duration, error: &Error) {
    // A create is not begun with less time than this.
    let over = at + secs(1) >= errand.until();
    let (true_word, verdict) = match error {
        Error::Api(api) => {
            let code = api.code();
            let known = [ErrorCode::TooManyDownloads, ErrorCode::FileNotFound];
            (known.contains(&code), Verdict::Api)
        }
        Error::Unauthorized(_) => (errand.refusals == 2, Verdict::Unauthorized),
        Error::Credentials(_) => (true, Verdict::Credentials),
        Error::Token(inner) => {
            let barren = matches!(**inner, Error::Unauthorized(_));
            (!barren || errand.barren, Verdict::Token)
        }
        Error::RateLimited { retry_after, .. } => (
            at + *retry_after + secs(1) >= errand.until(),
            Verdict::RateLimited,
        ),
        Error::Http(answer) => (answer.http_status() == 404, Verdict::Http),
        Error::Transport(error) => (
            matches!(
                error.kind(),
                TransportErrorKind::Certificate | TransportErrorKind::Redirected
            ),
            Verdict::Transport,
        ),
        Error::RetriesExhausted { attempts, .. } => (
            *attempts == 4 && errand.failures == 4,
            Verdict::RetriesExhausted,
        ),
        Error::Deadline { .. } => (over || errand.failures > 0, Verdict::Deadline),
        Error::Stopped => (errand.stopped, Verdict::Stopped),
        _ => panic!("no call ends like this: {error:?}"),
    };
    assert!(true_word, "{error:?} at {at:?} after {errand:?}");
    tally.verdict(verdict);
}

/// The limits of a watch, as its policy was made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) deadline: Duration,
    pub(crate) stall: Duration,
    pub(crate) max_failed_polls: u32,
    pub(crate) interval: Duration,
}

impl Limits {
    pub(crate) fn policy(self) -> WatchPolicy {
        WatchPolicy::default()
            .deadline(self.deadline)
            .stall_timeout(self.stall)
            .max_failed_polls(self.max_failed_polls)
            .interval(self.interval)
    }
}

type Item = Option<Result<WatchEvent, WatchError>>;

/// All items of a watch, up to the one that says that there are no more if it came so far.
pub(crate) fn check_watch(
    onlooker: &mut Onlooker,
    limits: Limits,
    task: u64,
    started: Duration,
    items: Vec<(Duration, Item)>,
    stopped: bool,
) {
    let mut last: Option<Progress> = None;
    let mut changed = started;
    let mut failed = 0;
    let mut over = false;
    for (at, item) in items {
        let Some(item) = item else {
            assert!(over, "a watch that ends without a word");
            return;
        };
        assert!(!over, "more than its end: {item:?}");
        let late = at >= started + limits.deadline;
        let stalled = at >= changed + limits.stall;
        match item {
            Ok(WatchEvent::Progress(progress)) => {
                failed = 0;
                over = progress.status == TaskStatus::Succeeded;
                assert!(!over || onlooker.service.told(task, true));
                assert!(over || !late, "goes on at {at:?}: {limits:?}");
                if last != Some(progress) {
                    changed = at;
                } else if !over {
                    assert!(
                        !stalled,
                        "{limits:?}: no change since {changed:?} at {at:?}"
                    );
                }
                last = Some(progress);
                if over {
                    onlooker.tally.verdict(Verdict::WatchSucceeded);
                }
            }
            Ok(WatchEvent::PollFailed(_)) => {
                failed += 1;
                let goes_on = failed < limits.max_failed_polls && !stalled && !late;
                assert!(goes_on, "at {at:?}: {limits:?}");
                onlooker.tally.verdict(Verdict::PollFailed);
            }
            Err(error) => {
                over = true;
                let (true_word, verdict) = match &error {
                    WatchError::DownloadFailed { .. } => (
                        onlooker.service.told(task, false),
                        Verdict::WatchDownloadFailed,
                    ),
                    WatchError::Deadline { .. } => (true, Verdict::WatchDeadline),
                    WatchError::Stalled { .. } => (
                        // What ended it may have been the first change after a long time.
                        stalled,
                        Verdict::WatchStalled,
                    ),
                    WatchError::Polls { error, .. } => (
                        failed + 1 == limits.max_failed_polls
                            || matches!(**error, Error::Credentials(_)),
                        Verdict::WatchPolls,
                    ),
                    WatchError::Stopped { .. } => (stopped, Verdict::WatchStopped),
                    _ => panic!("no watch ends like this: {error:?}"),
                };
                assert!(true_word, "{error:?} at {at:?}, {limits:?}");
                onlooker.tally.verdict(verdict);
            }
            Ok(other) => panic!("an unknown event: {other:?}"),
        }
    }
}
