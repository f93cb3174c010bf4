//! Hours of refreshes with random faults: while no response is lost after the service has acted and every fetch runs to its
//! end, no refresh token is sent twice.

use crate::support::callers::{Asked, ask_user};
use crate::support::disk::Disk;
use crate::support::oauth_service::{Fault, LIFE, REDIRECT, Service, app, asked_with, of, pair};
use crate::support::{Outcome, Reply, World, millis, secs};
use fastrand::Rng;
use pan123_proto::{Error, ErrorKind, Session, StoreOp, StoreResult};

/// What a simulation may do.
struct Options {
    processes: u64,
    saves_fail: bool,
}

struct Simulation {
    rng: Rng,
    service: Service,
    world: World,
    sessions: Vec<Session>,
    asked: Vec<Asked>,
    authorized: Vec<Outcome<Result<(), Error>>>,
}

impl Simulation {
    fn new(seed: u64, options: &Options) -> Simulation {
        let mut chance = Rng::with_seed(seed);
        let fails = options.saves_fail;
        let disk = Disk::with_token(pair(1, LIFE)).failing(move |op| {
            let fails = fails && matches!(op, StoreOp::Save(_)) && chance.u8(..4) == 0;
            fails.then(|| StoreResult::Failed("full".to_owned()))
        });
        let service = Service::after(1).slow(secs(2));
        let session = |nth| of(app()).seed(seed << 8 | nth).build().unwrap();
        Simulation {
            rng: Rng::with_seed(!seed),
            world: service.world(&disk).late_by_up_to(millis(300), seed),
            service,
            sessions: (0..options.processes).map(session).collect(),
            asked: Vec::new(),
            authorized: Vec::new(),
        }
    }

    fn act(&mut self) {
        let session = &self.sessions[self.rng.usize(..self.sessions.len())];
        match self.rng.u8(..20) {
            0..10 => self.asked.push(ask_user(&mut self.world, session)),
            10 if !self.asked.is_empty() => {
                // A dropped caller does not drop the fetch, which is detached.
                let gone = self.asked.swap_remove(self.rng.usize(..self.asked.len()));
                self.world.abandon(&gone);
            }
            11 => self.service.end_access(),
            12 => self.service.faults([Fault::LostBefore]),
            13 => self
                .service
                .faults([Fault::Instead(Reply::http(503, r#"{"error":"x"}"#))]),
            14 => self
                .service
                .faults([Fault::Instead(Reply::code(429, "请求太频繁"))]),
            15 => self.service.faults([Fault::Instead(Reply::http(404, ""))]),
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

    /// Without faults, every session works again.
    fn recover(&mut self) {
        self.world.run();
        for one in self.asked.drain(..) {
            let kind = one.get().err().map(|error| error.kind());
            let expected = [
                ErrorKind::Token,
                ErrorKind::TokenStore,
                ErrorKind::Deadline,
                ErrorKind::Unauthorized,
            ];
            assert!(kind.is_none_or(|kind| expected.contains(&kind)), "{kind:?}");
        }
        self.service.clear_faults();
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

fn simulate(options: &Options) {
    let mut pairs = 0;
    for seed in 0..150 {
        let mut simulation = Simulation::new(seed, options);
        for _ in 0..200 {
            simulation.act();
        }
        simulation.recover();
        assert_eq!(simulation.service.refused(), 0, "seed {seed}");
        let asked = asked_with(&simulation.world).len();
        let minutes = usize::try_from(simulation.world.now().as_secs() / 60).unwrap();
        assert!(
            asked < 60 + minutes,
            "seed {seed}: {asked} in {minutes} minutes"
        );
        pairs += asked;
    }
    assert!(pairs > 1500, "{pairs} pairs were asked for");
}

#[test]
fn one_process_with_a_failing_store_stays_authorized() {
    simulate(&Options {
        processes: 1,
        saves_fail: true,
    });
}

#[test]
fn several_processes_with_one_store_stay_authorized() {
    simulate(&Options {
        processes: 4,
        saves_fail: false,
    });
}
