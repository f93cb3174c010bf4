//! The cases: what is measured, beside its floor.

use crate::{clients, memory};

type Run = fn(usize);

/// Something that is done a number of times by us, and by hand.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    pub(crate) ours: Run,
    /// What is in `ours` beside the thing itself.
    pub(crate) beside: Option<Run>,
    pub(crate) floor: Run,
    /// The calls of a run whose instructions are counted; another run makes twice as many.
    pub(crate) calls: usize,
    /// The most allocations a call of ours.
    pub(crate) max_allocations: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Network,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "read-progress",
        title: "read a progress answer",
        kind: Kind::Memory,
        ours: memory::progress_answered,
        beside: Some(memory::progress_unanswered),
        floor: memory::floor_progress_read,
        calls: 200,
        max_allocations: Some(7),
    },
    Case {
        name: "read-list",
        title: "read a list of 100",
        kind: Kind::Memory,
        ours: memory::list_answered,
        beside: Some(memory::list_unanswered),
        floor: memory::floor_list_read,
        calls: 10,
        max_allocations: Some(1_109),
    },
    Case {
        name: "build-progress",
        title: "build a progress request",
        kind: Kind::Memory,
        ours: memory::progress_built,
        beside: None,
        floor: memory::floor_progress_built,
        calls: 200,
        max_allocations: Some(8),
    },
    Case {
        name: "callback",
        title: "verify a callback",
        kind: Kind::Memory,
        ours: memory::callback_verified,
        beside: None,
        floor: memory::floor_callback,
        calls: 200,
        max_allocations: Some(9),
    },
    Case {
        name: "progress",
        title: "a whole progress call in memory",
        kind: Kind::Memory,
        ours: memory::progress_answered,
        beside: None,
        floor: memory::floor_progress_call,
        calls: 200,
        max_allocations: Some(24),
    },
    Case {
        name: "create",
        title: "a whole create in memory",
        kind: Kind::Memory,
        ours: memory::create_answered,
        beside: None,
        floor: memory::floor_create_call,
        calls: 200,
        max_allocations: Some(108),
    },
    Case {
        name: "async",
        title: "async, sequential",
        kind: Kind::Network,
        ours: clients::async_one,
        beside: None,
        floor: clients::floor_async_one,
        calls: 500,
        max_allocations: None,
    },
    Case {
        name: "async-64",
        title: "async, 64 at once",
        kind: Kind::Network,
        ours: clients::async_many,
        beside: None,
        floor: clients::floor_async_many,
        calls: 3_200,
        max_allocations: None,
    },
    Case {
        name: "blocking",
        title: "blocking, sequential",
        kind: Kind::Network,
        ours: clients::blocking_one,
        beside: None,
        floor: clients::floor_blocking_one,
        calls: 500,
        max_allocations: None,
    },
    Case {
        name: "blocking-64",
        title: "blocking, 64 at once",
        kind: Kind::Network,
        ours: clients::blocking_many,
        beside: None,
        floor: clients::floor_blocking_many,
        calls: 3_200,
        max_allocations: None,
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
