//! Hours of pairs in bad weather, at random from a seed: as long as no answer is lost after the service has acted and every
//! fetch runs to its end, no refresh token is used twice.

use crate::support::callers::{Asked, ask_user};
use crate::support::disk::Disk;
use crate::support::rotation::{LIFE, Mishap, REDIRECT, Service, app, asked_with, of, pair};
use crate::support::{Outcome, Reply, World, millis, secs};
use fastrand::Rng;
use pan123_proto::{Error, ErrorKind, Session, StoreOp, StoreResult};

/// What a storm may do.
struct Weather {
    processes: u64,
    saves_fail: bool,
}

struct Storm {
    rng: Rng,
    service: Service,
    world: World,
    sessions: Vec<Session>,
    asked: Vec<Asked>,
    authorized: Vec<Outcome<Result<(), Error>>>,
}

impl Storm {
    fn new(seed: u64, weather: &Weather) -> Storm {
        let mut chance = Rng::with_seed(seed);
        let fails = weather.saves_fail;
        let disk = Disk::with_token(pair(1, LIFE)).failing(move |op| {
            let fails = fails && matches!(op, StoreOp::Save(_)) && chance.u8(..4) == 0;
            fails.then(|| StoreResult::Failed("full".to_owned()))
        });
        let service = Service::after(1).slow(secs(2));
        let session = |nth| of(app()).seed(seed << 8 | nth).build().unwrap();
        Storm {
            rng: Rng::with_seed(!seed),
            world: service.world(&disk).late_by_up_to(millis(300), seed),
            service,
            sessions: (0..weather.processes).map(session).collect(),
            asked: Vec::new(),
            authorized: Vec::new(),
        }
    }

    fn blow(&mut self) {
        let session = &self.sessions[self.rng.usize(..self.sessions.len())];
        match self.rng.u8(..20) {
            0..10 => self.asked.push(ask_user(&mut self.world, session)),
            10 if !self.asked.is_empty() => {
                // Who goes away takes no fetch along, since each one runs apart.
                let gone = self.asked.swap_remove(self.rng.usize(..self.asked.len()));
                self.world.abandon(&gone);
            }
            11 => self.service.end_access(),
            12 => self.service.mishaps([Mishap::LostBefore]),
            13 => self
                .service
                .mishaps([Mishap::Instead(Reply::http(503, r#"{"error":"x"}"#))]),
            14 => self
                .service
                .mishaps([Mishap::Instead(Reply::code(429, "请求太频繁"))]),
            15 => self
                .service
                .mishaps([Mishap::Instead(Reply::http(404, ""))]),
            16 if self.rng.bool() && self.authorized.is_empty() => {
                self.service.offer_code();
                let authorize = session.authorize("code-1", REDIRECT).unwrap();
                self.authorized.push(self.world.start(authorize));
            }
            17 => self
                .world
                .run_until(self.world.now() + secs(self.rng.u64(..9000))),
            _ => self
                .world
                .run_until(self.world.now() + millis(self.rng.u64(..5000))),
        }
        self.authorized.retain(|one| !one.is_there());
    }

    /// After the storm all is well again.
    fn calm_down(&mut self) {
        self.world.run();
        for one in self.asked.drain(..) {
            let told = one.get().err().map(|error| error.kind());
            let expected = [
                ErrorKind::Token,
                ErrorKind::Deadline,
                ErrorKind::Unauthorized,
            ];
            assert!(told.is_none_or(|kind| expected.contains(&kind)), "{told:?}");
        }
        self.service.forget_mishaps();
        for _ in 0..9 {
            self.world.run_until(self.world.now() + secs(60));
            for session in &self.sessions {
                self.asked.push(ask_user(&mut self.world, session));
            }
            self.world.run();
        }
        let last = self.asked.split_off(self.asked.len() - self.sessions.len());
        for one in last {
            one.get().unwrap();
        }
    }
}

fn storms(weather: &Weather) {
    let mut pairs = 0;
    for seed in 0..150 {
        let mut storm = Storm::new(seed, weather);
        for _ in 0..200 {
            storm.blow();
        }
        storm.calm_down();
        assert_eq!(storm.service.refused(), 0, "seed {seed}");
        let asked = asked_with(&storm.world).len();
        let minutes = usize::try_from(storm.world.now().as_secs() / 60).unwrap();
        assert!(
            asked < 60 + minutes,
            "seed {seed}: {asked} in {minutes} minutes"
        );
        pairs += asked;
    }
    assert!(pairs > 1500, "{pairs} pairs were asked for");
}

#[test]
fn one_process_whose_store_fails_now_and_then_keeps_its_authorisation() {
    storms(&Weather {
        processes: 1,
        saves_fail: true,
    });
}

#[test]
fn several_processes_with_one_store_keep_their_authorisation() {
    storms(&Weather {
        processes: 4,
        saves_fail: false,
    });
}
