//! The cases: what is measured, beside its floor.

use crate::{clients, memory};

type Run = fn(usize);

/// Something that is done a number of times by us, and by hand.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) limits: Limits,
    pub(crate) ours: Run,
    /// What is in `ours` beside the thing itself.
    pub(crate) beside: Option<Run>,
    pub(crate) floor: Run,
    /// The calls of a run whose instructions are counted; another run makes twice as many.
    pub(crate) calls: usize,
}

/// The most that ours may take: the short table fails past it.
#[derive(Clone, Copy)]
pub(crate) enum Limits {
    Memory {
        /// A call.
        allocations: u64,
    },
    /// The case needs the stub.
    Network {
        /// For all calls of a run.
        connections: usize,
        /// A call.
        system_calls: f64,
    },
}

impl Case {
    pub(crate) fn needs_stub(&self) -> bool {
        matches!(self.limits, Limits::Network { .. })
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "read-progress",
        title: "read a progress answer",
        limits: Limits::Memory { allocations: 0 },
        ours: memory::progress_answered,
        beside: Some(memory::progress_unanswered),
        floor: memory::floor_progress_read,
        calls: 200,
    },
    Case {
        name: "read-list",
        title: "read a list of 100",
        limits: Limits::Memory { allocations: 203 },
        ours: memory::list_answered,
        beside: Some(memory::list_unanswered),
        floor: memory::floor_list_read,
        calls: 10,
    },
    Case {
        name: "build-progress",
        title: "build a progress request, and take its turn",
        limits: Limits::Memory { allocations: 7 },
        ours: memory::progress_unanswered,
        beside: None,
        floor: memory::floor_progress_built,
        calls: 200,
    },
    Case {
        name: "callback",
        title: "verify a callback",
        limits: Limits::Memory { allocations: 2 },
        ours: memory::callback_verified,
        beside: None,
        floor: memory::floor_callback,
        calls: 200,
    },
    Case {
        name: "progress",
        title: "a whole progress call in memory",
        limits: Limits::Memory { allocations: 7 },
        ours: memory::progress_answered,
        beside: None,
        floor: memory::floor_progress_call,
        calls: 200,
    },
    Case {
        name: "create",
        title: "a whole create in memory",
        limits: Limits::Memory { allocations: 13 },
        ours: memory::create_answered,
        beside: None,
        floor: memory::floor_create_call,
        calls: 200,
    },
    Case {
        name: "async",
        title: "async, sequential",
        limits: Limits::Network {
            connections: 1,
            system_calls: 4.2,
        },
        ours: clients::async_one,
        beside: None,
        floor: clients::floor_async_one,
        calls: 500,
    },
    Case {
        name: "async-64",
        title: "async, 64 at once",
        limits: Limits::Network {
            connections: 70,
            system_calls: 3.0,
        },
        ours: clients::async_many,
        beside: None,
        floor: clients::floor_async_many,
        calls: 3_200,
    },
    Case {
        name: "blocking",
        title: "blocking, sequential",
        limits: Limits::Network {
            connections: 1,
            system_calls: 9.0,
        },
        ours: clients::blocking_one,
        beside: None,
        floor: clients::floor_blocking_one,
        calls: 500,
    },
    Case {
        name: "blocking-64",
        title: "blocking, 64 at once",
        limits: Limits::Network {
            connections: 70,
            system_calls: 16.0,
        },
        ours: clients::blocking_many,
        beside: None,
        floor: clients::floor_blocking_many,
        calls: 3_200,
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

/// What a child process does: this many calls of one side of a case.
pub(crate) fn run(name: &str, subject: &str, calls: &str) {
    let case = find(name).expect("a case");
    let calls = calls.parse().expect("a number");
    match subject {
        "ours" => (case.ours)(calls),
        "beside" => (case.beside.expect("there is something beside it"))(calls),
        "floor" => (case.floor)(calls),
        _ => panic!("`ours`, `beside` or `floor`"),
    }
}
