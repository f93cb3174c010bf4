//! What is looked at when a run is over.

use pan123_proto::Error;
use pan123_proto::offline::GetDownloadProgress;
use pan123_proto::user::GetUserInfo;

use super::{Asked, Play, Watching};
use crate::chaos::errand::Kind;
use crate::chaos::onlooker::CLASSES;
use crate::chaos::tally::Tally;
use crate::chaos::verdicts::{check_create, check_progress, check_user, check_watch};
use crate::support::{at, numbered_task, secs};

impl Play {
    /// Nothing goes wrong any more: all that is on its way ends, and each session is as good as new.
    pub(super) fn finish(mut self) -> Tally {
        self.shared.look().calm();
        self.world.run();
        self.world.suspend(secs(3600));
        for session in 0..self.sessions.len() {
            let first = self.ask_fresh(session);
            if let Err(Error::Token(error)) = &first {
                // One new token after the other was refused: that is followed by a pause, and told.
                assert!(matches!(**error, Error::Unauthorized(_)), "{error:?}");
                self.world.suspend(secs(60));
                self.ask_fresh(session).expect("a session that works");
            } else {
                first.expect("a session that works");
            }
        }
        self.shared.look().check_woken(self.world.now());
        self.world.thaw();
        for (session, _) in &self.sessions {
            for class in CLASSES {
                let pace = session.pace(class, at(self.world.now()).mono);
                assert_eq!(pace.waiting, 0, "places left in the queue: {class:?}");
            }
        }
        self.check_verdicts();
        self.shared.look().tally.clone()
    }

    fn ask_fresh(&mut self, session: usize) -> Result<(), Error> {
        let within = secs(10);
        if self.rng.bool() {
            let (outcome, _) = self.call_within(session, Kind::User, &GetUserInfo, within);
            self.world.run();
            return outcome.get().map(drop);
        }
        let endpoint = GetDownloadProgress::new(numbered_task(1));
        let (outcome, _) = self.call_within(session, Kind::Progress, &endpoint, within);
        self.world.run();
        outcome.get().map(drop)
    }

    fn check_verdicts(&mut self) {
        let mut shared = self.shared.look();
        let onlooker = &mut *shared;
        for number in 1..=self.creates {
            let made = onlooker.service.created(number);
            assert!(made.len() <= 1, "{made:?} were made for {number}");
        }
        for (actor, asked) in std::mem::take(&mut self.asked) {
            let errand = onlooker.ended.remove(&actor);
            match (asked, errand) {
                (Asked::Watch(watching), errand) => {
                    let stopped = errand.is_none_or(|errand| errand.stopped);
                    let Watching {
                        limits,
                        task,
                        started,
                        outcome,
                        ..
                    } = *watching;
                    check_watch(onlooker, limits, task, started, outcome.all(), stopped);
                }
                (Asked::User(outcome, _), Some(errand)) => {
                    check_user(onlooker, &errand, outcome.timed());
                }
                (Asked::Progress(outcome, _), Some(errand)) => {
                    check_progress(onlooker, &errand, outcome.timed());
                }
                (Asked::Create(outcome, _, number), Some(errand)) => {
                    check_create(onlooker, &errand, number, outcome.timed());
                }
                // Who asked went away.
                (_, None) => {}
            }
        }
    }
}
