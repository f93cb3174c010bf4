//! The faults that the mock has names for, once each: what a client makes of them, and how many downloads come of it.

use std::time::Duration;

use crate::scenario::{Call, Of, Scenario};
use pan123_mock::Fault;
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_proto::RetryPolicy;

use super::create;

type Make = fn() -> Fault;

/// After these a call that only reads is sent again, and a download may exist.
const PASSING: [(&str, Make); 12] = [
    ("bad_gateway", Fault::bad_gateway),
    ("gateway_timeout", Fault::gateway_timeout),
    ("html", Fault::html),
    ("empty_body", Fault::empty_body),
    ("truncated_json", Fault::truncated_json),
    ("cut_short", Fault::cut_short),
    ("reset", Fault::reset),
    ("closed", Fault::closed),
    ("answer_lost", Fault::answer_lost),
    ("null_data", Fault::null_data),
    ("no_data", Fault::no_data),
    ("hang", Fault::hang),
];

/// After these any call is sent again.
const BEFORE_ACTING: [(&str, Make); 4] = [
    ("rate_limited", Fault::rate_limited),
    ("http_rate_limited", Fault::http_rate_limited),
    ("unauthorized", Fault::unauthorized),
    ("http_unauthorized", Fault::http_unauthorized),
];

/// These are the end of any call.
const FINAL: [(&str, Make); 2] = [
    ("business_error", Fault::business_error),
    (
        "forbidden_by_load_balancer",
        Fault::forbidden_by_load_balancer,
    ),
];

/// These mean no harm.
const BORNE: [(&str, Make); 2] = [
    ("numbers_as_texts", Fault::numbers_as_texts),
    ("unknown_status", Fault::unknown_status),
];

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = Vec::new();
    for fault in PASSING {
        table.push(read(fault).expect(|seen| {
            assert_eq!(seen.kinds(), ["ok", "ok"]);
            assert_eq!(seen.count(OFFLINE_PROGRESS), 2);
        }));
        table.push(created(fault).expect(|seen| {
            assert_eq!(seen.kinds(), ["Ambiguous"]);
            assert_eq!(seen.count(OFFLINE_DOWNLOAD), 1);
            assert!(seen.tasks <= 1);
        }));
    }
    for fault in BEFORE_ACTING {
        table.push(read(fault).expect(|seen| assert_eq!(seen.kinds(), ["ok", "ok"])));
        table.push(created(fault).expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (2, 1));
        }));
    }
    for fault in FINAL {
        table.push(read(fault).expect(|seen| assert_eq!(seen.kinds(), ["ok", "Api"])));
        table.push(created(fault).expect(|seen| {
            assert_eq!(seen.kinds(), ["Api"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (1, 0));
        }));
    }
    for fault in BORNE {
        table.push(read(fault).expect(|seen| assert_eq!(seen.kinds(), ["ok", "ok"])));
        table.push(created(fault).expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (1, 1));
        }));
    }
    table.push(at_random());
    table
}

fn read((name, fault): (&str, Make)) -> Scenario {
    let scenario = Scenario::named(format!("{name} on a progress"));
    impatient(scenario)
        .fault(fault().on(OFFLINE_PROGRESS))
        .call(create())
        .call(Call::Progress(Of::Last))
}

fn created((name, fault): (&str, Make)) -> Scenario {
    let scenario = Scenario::named(format!("{name} on a create"));
    impatient(scenario)
        .fault(fault().on(OFFLINE_DOWNLOAD))
        .call(create())
}

/// A hanging request takes its time in earnest.
fn impatient(scenario: Scenario) -> Scenario {
    scenario.with(|settings| settings.request_timeout = Duration::from_millis(300))
}

/// Every fourth poll meets a gateway that is gone, wherever the service runs the same ones.
fn at_random() -> Scenario {
    let scenario = Scenario::new("a gateway that is gone by chance");
    let fault = Fault::bad_gateway().on(OFFLINE_PROGRESS);
    let mut scenario = scenario
        .fault(fault.at_random(0.25).for_ever())
        .with(|settings| settings.retry = RetryPolicy::none())
        .call(create());
    for _ in 0..40 {
        scenario = scenario.call(Call::Progress(Of::Last));
    }
    scenario.expect(|seen| {
        let failed = seen.kinds().iter().filter(|kind| **kind != "ok").count();
        assert!((3..=20).contains(&failed), "{failed}");
    })
}
