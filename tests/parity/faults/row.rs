//! One row of the table: it is run and compared.

use std::time::Duration;

use pan123_mock::path;
use pan123_proto::offline::Download;
use pan123_tests::batch_run::BatchRun;
use pan123_tests::compare::{differences, run_all};
use pan123_tests::drivers::DRIVERS;
use pan123_tests::observed::Observed;
use pan123_tests::scenario::{Act, Call, Of, Scenario, Settings};
use pan123_tests::service_access::first_task;

use crate::faults::cell::Cell;
use crate::faults::scenarios::Fault;
use crate::faults::table::Expected;

/// What is called while the fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Safe to send again.
    Progress,
    /// Never sent twice.
    Create,
}

impl Op {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Op::Progress => path::OFFLINE_PROGRESS,
            Op::Create => path::OFFLINE_DOWNLOAD,
        }
    }

    pub(crate) fn call(self) -> Call {
        match self {
            Op::Progress => Call::Progress(Of::Task(first_task())),
            Op::Create => {
                let download = Download::new("https://example.com/video.mp4");
                Call::Create(download.expect("a URL"))
            }
        }
    }
}

/// A row of the table with its fault.
pub(crate) struct Row {
    pub(crate) fault: Fault,
    pub(crate) expected: Expected,
}

impl Row {
    /// Returns what is wrong with one of its cells.
    pub(crate) fn check(&self, op: Op) -> Vec<String> {
        let Some(expected) = self.expected.cell(op) else {
            return Vec::new();
        };
        let scenario = self.scenario(op);
        let calls = ordered(&scenario);
        let observed = run_all(&DRIVERS, &scenario);
        let mut wrong: Vec<String> = differences(&DRIVERS, scenario.in_any_order, &observed)
            .iter()
            .map(|difference| format!("{difference:?}"))
            .collect();
        for (driver, observed) in DRIVERS.iter().zip(&observed) {
            let cell = Cell::of(observed, op, calls);
            if !cell.is(expected) {
                wrong.push(format!("{} came to: {cell}", driver.name));
            }
            wrong.extend(duplicates(observed, op, calls));
        }
        wrong.extend(self.fault.check_other_host());
        wrong.extend(self.check_bound(op, expected));
        let name = format!("`{}`, {op:?}, seed {:#x}", self.fault.name, scenario.seed);
        wrong
            .iter()
            .map(|wrong| format!("{name}: {wrong}"))
            .collect()
    }

    /// Returns what is wrong with a batch of one item whose create meets the fault.
    pub(crate) fn check_batch(&self) -> Option<String> {
        let expected = self.expected.cell(Op::Create)?;
        let mut scenario = self.scenario(Op::Create);
        if ordered(&scenario) > 1 {
            return None;
        }
        let batch = Act::Batch(BatchRun::of(&["a"]).max_pauses(3));
        for act in &mut scenario.acts {
            if matches!(act, Act::Call(Call::Create(_))) {
                *act = batch.clone();
            }
        }
        let [.., in_memory] = DRIVERS;
        let observed = &run_all(&[in_memory], &scenario)[0];
        let item = observed.items()[0];
        let sent = observed.arrived(Op::Create.path());
        let is_ambiguous = expected.result.starts_with("`Ambiguous`");
        let holds = if is_ambiguous {
            item.starts_with("a: unconfirmed")
                && sent == 1
                && Some(observed.tasks) == expected.tasks
        } else if observed.tasks == 0 {
            item.starts_with("a: queued") || item.starts_with("a: failed")
        } else {
            // A task whose id is not its own is not found.
            let ends = ["a: succeeded", "a: failed"]
                .iter()
                .any(|end| item.starts_with(end));
            observed.tasks == 1 && ends
        };
        (!holds).then(|| format!("`{}`: a batch sent {sent}: {observed:#?}", self.fault.name))
    }

    /// Checks the time in virtual time, with the default settings.
    fn check_bound(&self, op: Op, expected: &Cell) -> Option<String> {
        let by_default = |settings: &mut Settings| {
            settings.request_timeout = Duration::from_secs(30);
        };
        let scenario = self.scenario(op).with(by_default);
        let [.., in_memory] = DRIVERS;
        let [observed] = &run_all(&[in_memory], &scenario)[..] else {
            return Some("no result".to_owned());
        };
        let calls = ordered(&scenario);
        let ours = &observed.results[observed.results.len() - calls..];
        let took = ours.iter().map(|outcome| outcome.took).max()?;
        let cell = Cell::of(observed, op, calls);
        let (min, max) = self.expected.bound;
        let holds = (min..=max).contains(&took)
            && cell.requests.end() <= expected.requests.end()
            && cell.tasks == expected.tasks;
        (!holds).then(|| format!("by default it took {took:?}, and came to: {cell}"))
    }

    /// Returns a scenario in which the fault happens during this call.
    pub(crate) fn scenario(&self, op: Op) -> Scenario {
        let mut scenario = Scenario::new(self.fault.name);
        if op == Op::Progress {
            scenario = scenario.with_a_task();
        }
        scenario = (self.fault.arrange)(scenario, op);
        if ordered(&scenario) == 0 {
            scenario = scenario.call(op.call());
        }
        scenario
    }
}

/// How many calls are made while the fault happens: all except `UserInfo`.
pub(crate) fn ordered(scenario: &Scenario) -> usize {
    let calls = scenario.acts.iter().map(|act| match act {
        Act::Call(Call::UserInfo) => 0,
        Act::Call(_) => 1,
        Act::Together(callers, _) => *callers,
        _ => 0,
    });
    calls.sum()
}

/// Reports more tasks than creates, or one task id for two creates.
fn duplicates(observed: &Observed, op: Op, calls: usize) -> Option<String> {
    if op == Op::Progress {
        return None;
    }
    let mut values: Vec<&str> = observed
        .results
        .iter()
        .filter(|outcome| outcome.kind == "ok" && outcome.value.starts_with("TaskId"))
        .map(|outcome| outcome.value.as_str())
        .collect();
    values.sort_unstable();
    let all = values.len();
    values.dedup();
    (observed.tasks > calls || values.len() < all)
        .then(|| format!("{} tasks for {calls} orders, {values:?}", observed.tasks))
}
