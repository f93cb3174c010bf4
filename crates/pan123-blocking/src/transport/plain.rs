//! ureq's agents as they are.

use ureq::Agent;
use ureq::config::Config;

/// Builds agents.
pub(super) struct Agents;

impl Agents {
    pub(super) fn new() -> Agents {
        Agents
    }

    #[expect(
        clippy::unused_self,
        reason = "with `precise-connect-errors` the agents share something"
    )]
    pub(super) fn build(&self, config: Config) -> Agent {
        Agent::new_with_config(config)
    }

    pub(super) fn build_for_child(config: Config) -> Agent {
        Agent::new_with_config(config)
    }
}
