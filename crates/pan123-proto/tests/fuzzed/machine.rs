//! A crowd of machines on one session, resumed in any order with any inputs at any times, stopped, nudged and dropped: nothing
//! panics, and what a machine promises holds at every step. At the end a driver in good order brings them all to their end.
//!
//! The first three bytes set the session up, the next ones are moves of three: who, what, and how.

mod input;
mod player;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use pan123_proto::access_token::IssueToken;
use pan123_proto::offline::{Download, GetDownloadProgress, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{Endpoint, Pacing, RetryPolicy, Session};

use crate::support::{at, builder, millis, secs};
use input::FuzzInput;
use player::{Action, Player};

/// No more machines than this are started.
const MAX_PLAYERS: usize = 16;
/// A correct driver ends all machines in fewer rounds.
const MAX_ROUNDS: usize = 10_000;

pub(crate) fn run(data: &[u8]) -> BTreeSet<String> {
    let (setup, moves) = data.split_at(data.len().min(3));
    let setup = Setup::new(setup);
    let mut crowd = Crowd::new(&setup);
    for step in moves.chunks_exact(3) {
        crowd.play(step[0], step[1], step[2]);
    }
    crowd.finish();
    crowd.outcomes
}

/// What all machines of one run share.
pub(crate) struct Setup {
    pub(crate) session: Session,
    /// Whether the session fetches its token.
    pub(crate) fetches: bool,
    /// Whether requests of a class keep their distance.
    pub(crate) paced: bool,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) watch_deadline: Duration,
    pub(crate) policy: WatchPolicy,
}

impl Setup {
    fn new(bytes: &[u8]) -> Setup {
        let byte = |index| bytes.get(index).copied().unwrap_or_default();
        let is_set = |bit: u8| byte(0) & 1 << bit != 0;
        let (fetches, paced) = (!is_set(0), !is_set(1));
        let attempts = [4, 1, 2, 9][usize::from(byte(0) >> 2 & 3)];
        let [request_timeout, call_timeout] = if is_set(4) {
            [secs(2), secs(5)]
        } else {
            [secs(30), secs(120)]
        };
        let (watch_deadline, policy) = if is_set(5) {
            let policy = WatchPolicy::default().interval(millis(100));
            (secs(60), policy.stall_timeout(secs(20)).max_failed_polls(3))
        } else {
            (secs(24 * 3600), WatchPolicy::default())
        };
        let builder = if fetches {
            builder().persist_token(is_set(6))
        } else {
            Session::builder().access_token("fixed-token")
        };
        let session = builder
            .seed(byte(1).into())
            .retry(
                RetryPolicy::default()
                    .max_attempts(attempts)
                    .initial_backoff(millis(100)),
            )
            .pacing(if paced {
                Pacing::default()
            } else {
                Pacing::off()
            })
            .request_timeout(request_timeout)
            .call_timeout(call_timeout)
            .build();
        Setup {
            session: session.expect("good settings"),
            fetches,
            paced,
            request_timeout,
            call_timeout,
            watch_deadline,
            policy: policy.deadline(watch_deadline),
        }
    }
}

struct Crowd<'a> {
    setup: &'a Setup,
    players: Vec<Player>,
    now: Duration,
    /// The offset of the wall clock, in hours.
    hours_off: i8,
    /// When a request was last sent to each path.
    last_sent: HashMap<String, Duration>,
    outcomes: BTreeSet<String>,
}

impl Crowd<'_> {
    fn new(setup: &Setup) -> Crowd<'_> {
        let mut crowd = Crowd {
            setup,
            players: Vec::new(),
            now: Duration::ZERO,
            hours_off: 0,
            last_sent: HashMap::new(),
            outcomes: BTreeSet::new(),
        };
        for kind in [0, 0, 1, 2, 3, 4] {
            crowd.players.push(Player::begin(kind, setup));
        }
        crowd
    }

    fn play(&mut self, who: u8, what: u8, how: u8) {
        let much = u64::from(how);
        match what % 16 {
            9 if self.players.len() < MAX_PLAYERS => {
                self.players.push(Player::begin(how % 5, self.setup));
            }
            10 => self.now += millis(10 * much),
            11 => self.now += secs(much),
            12 => self.now += secs(157 * much),
            13 => self.hours_off = how.cast_signed(),
            _ if self.players.is_empty() => {}
            what => {
                let who = usize::from(who) % self.players.len();
                let player = &mut self.players[who];
                match what {
                    14 => player.stop(),
                    15 => player.nudge(),
                    8 => drop(self.players.swap_remove(who)),
                    7 => {
                        self.now = player.wakes_at().unwrap_or_default().max(self.now);
                        self.resume(who, FuzzInput::Wake);
                    }
                    _ => self.resume(who, FuzzInput::new(what, how)),
                }
            }
        }
    }

    fn resume(&mut self, who: usize, input: FuzzInput) {
        let mut clocks = at(self.now);
        let off = secs(3600) * u32::from(self.hours_off.unsigned_abs());
        if self.hours_off < 0 {
            clocks.wall -= off;
        } else {
            clocks.wall += off;
        }
        let player = &mut self.players[who];
        let action = player.resume(clocks, self.now, input, self.setup);
        match action {
            Action::Transmit(transmit) => self.check_sent(who, transmit.request.uri().path()),
            Action::Refresh(refresh) => self.players.push(Player::fetch(refresh)),
            Action::Output(output) => drop(self.outcomes.insert(player.name_of(&output))),
            Action::Wait(_) | Action::Store => {}
        }
    }

    /// Requests of a class keep their distance, and one token is fetched at a time.
    fn check_sent(&mut self, who: usize, path: &str) {
        let earlier = self.last_sent.insert(path.to_owned(), self.now);
        if let Some(earlier) = earlier.filter(|_| self.setup.paced) {
            let distance = self.now.saturating_sub(earlier);
            assert!(distance >= interval(path), "{path}: {distance:?}");
        }
        if self.players[who].is_fetch() {
            let others = self.players.iter().enumerate();
            let rival = others
                .filter(|(other, _)| *other != who)
                .find(|(_, other)| other.is_fetch() && other.is_in_flight(self.now));
            assert!(rival.is_none(), "two fetches of a token at once: {rival:?}");
        }
    }

    /// With a correct driver and a service that returns 404, every machine ends.
    fn finish(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut all_wait = true;
            for who in 0..self.players.len() {
                let player = &self.players[who];
                if player.is_over() {
                    continue;
                }
                let input = if player.is_in_flight(self.now) {
                    FuzzInput::Bare {
                        status: 404,
                        how: 0,
                    }
                } else {
                    FuzzInput::Wake
                };
                self.resume(who, input);
                all_wait &= self.players[who].wakes_at().is_some();
            }
            let going = self.players.iter().filter(|player| !player.is_over());
            let Some(next) = going.map(Player::wakes_at).min() else {
                return;
            };
            // Signals are not listened to, so that time goes on in small steps.
            self.now = next.filter(|_| all_wait).unwrap_or(self.now + millis(1));
        }
        let stuck = self.players.iter().find(|player| !player.is_over());
        panic!("this never ends: {stuck:?}");
    }
}

fn interval(path: &str) -> Duration {
    let classes = [
        (IssueToken::PATH, IssueToken::RATE),
        (GetUserInfo::PATH, GetUserInfo::RATE),
        (Download::PATH, Download::RATE),
        (GetDownloadProgress::PATH, GetDownloadProgress::RATE),
    ];
    let class = classes.into_iter().find(|(known, _)| path == *known);
    class.expect("a path of the service").1.interval()
}
