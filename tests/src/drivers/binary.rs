use super::stage::Site;
use crate::clock::JumpClock;
use crate::scenario::Scenario;
pub(super) fn start(scenario: &Scenario, clock: &JumpClock) -> Box<dyn Site> {
    super::in_process::start(scenario, clock)
}
