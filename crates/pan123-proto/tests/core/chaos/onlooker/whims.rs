//! What drivers do that they should not, or may but seldom do.

use std::time::Duration;

use pan123_proto::{Input, StoreResult, TransportError};

use super::Onlooker;
use crate::chaos::tally::Fault;
use crate::support::fate::Whim;
use crate::support::{Plan, hand, millis};

impl Onlooker {
    /// What becomes of the next refresh.
    pub(crate) fn plan(&mut self) -> Plan {
        if self.whims == 0.0 {
            return Plan::Detach;
        }
        let (plan, fault) = match self.rng.u8(..20) {
            0..6 => (Plan::InPlace, Fault::RefreshInPlace),
            6 => (Plan::Drop, Fault::RefreshDropped),
            7 => (Plan::Leak, Fault::RefreshLeaked),
            _ => return Plan::Detach,
        };
        self.tally.fault(fault);
        plan
    }

    pub(super) fn whim_in_flight(&mut self, timeout: Duration, is_refresh: bool) -> Whim {
        if self.rng.f64() >= self.whims {
            return Whim::Obey;
        }
        let after = timeout.mul_f64(self.rng.f64());
        match self.rng.u8(..4) {
            0 => {
                self.tally.fault(Fault::GivenUp);
                Whim::Instead(after, Input::Wake)
            }
            1 => {
                self.tally.fault(Fault::WrongInputInFlight);
                Whim::Instead(after, Input::Stored(StoreResult::Busy))
            }
            2 if is_refresh => {
                self.tally.fault(Fault::RefreshPaused);
                Whim::Late(millis(self.rng.u64(1000..100_000)))
            }
            _ => self.late(),
        }
    }

    pub(super) fn whim_waiting(&mut self, left: Duration) -> Whim {
        if self.rng.f64() >= self.whims || left.is_zero() {
            return Whim::Obey;
        }
        let early = left.mul_f64(self.rng.f64());
        match self.rng.u8(..3) {
            0 => {
                self.tally.fault(Fault::WokenTooEarly);
                Whim::Instead(early, Input::Wake)
            }
            1 => {
                self.tally.fault(Fault::WrongInputWaiting);
                Whim::Instead(early, self.wrong_input())
            }
            _ => self.late(),
        }
    }

    fn late(&mut self) -> Whim {
        self.tally.fault(Fault::WokenTooLate);
        Whim::Late(millis(self.rng.u64(1..3000)))
    }

    fn wrong_input(&mut self) -> Input {
        match self.rng.u8(..4) {
            0 => Input::Failed(TransportError::interrupted("nothing was out")),
            1 => Input::Stored(StoreResult::Locked),
            2 => hand::code(401, "token is expired"),
            _ => hand::answer(200, r#"{"code":0,"data":{"taskID":1,"uid":1}}"#),
        }
    }
}
