//! The faults that the mock has names for, once each: what a client makes of them, and how many downloads come of it.

use std::time::Duration;

use crate::scenario::{Call, Of, Scenario};
use pan123_mock::Fault;
use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_proto::RetryPolicy;

use super::create;

/// A fault, and what the rows with it are called.
struct Row {
    read: &'static str,
    created: &'static str,
    fault: fn() -> Fault,
}

macro_rules! of {
    ($($fault:ident),*) => {
        [$(Row {
            read: concat!(stringify!($fault), " on a progress"),
            created: concat!(stringify!($fault), " on a create"),
            fault: Fault::$fault,
        }),*]
    };
}

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = Vec::new();
    // After these a call that only reads is sent again, and a download may exist.
    for row in of![
        bad_gateway,
        gateway_timeout,
        html,
        empty_body,
        truncated_json,
        cut_short,
        reset,
        closed,
        response_lost,
        null_data,
        no_data,
        hang
    ] {
        table.push(row.read().expect(|seen| {
            assert_eq!(seen.kinds(), ["ok", "ok"]);
            assert_eq!(seen.count(OFFLINE_PROGRESS), 2);
        }));
        table.push(row.created().expect(|seen| {
            assert_eq!(seen.kinds(), ["Ambiguous"]);
            assert_eq!(seen.count(OFFLINE_DOWNLOAD), 1);
            assert!(seen.tasks <= 1);
        }));
    }
    // After these any call is sent again.
    for row in of![
        rate_limited,
        http_rate_limited,
        unauthorized,
        http_unauthorized
    ] {
        table.push(
            row.read()
                .expect(|seen| assert_eq!(seen.kinds(), ["ok", "ok"])),
        );
        table.push(row.created().expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (2, 1));
        }));
    }
    // These are the end of any call.
    for row in of![business_error, forbidden_by_load_balancer] {
        table.push(
            row.read()
                .expect(|seen| assert_eq!(seen.kinds(), ["ok", "Api"])),
        );
        table.push(row.created().expect(|seen| {
            assert_eq!(seen.kinds(), ["Api"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (1, 0));
        }));
    }
    // These mean no harm.
    for row in of![numbers_as_strings, unknown_status] {
        table.push(
            row.read()
                .expect(|seen| assert_eq!(seen.kinds(), ["ok", "ok"])),
        );
        table.push(row.created().expect(|seen| {
            assert_eq!(seen.kinds(), ["ok"]);
            assert_eq!((seen.count(OFFLINE_DOWNLOAD), seen.tasks), (1, 1));
        }));
    }
    table.push(at_random());
    table
}

impl Row {
    fn read(&self) -> Scenario {
        impatient(Scenario::new(self.read))
            .fault((self.fault)().on(OFFLINE_PROGRESS))
            .call(create())
            .call(Call::Progress(Of::Last))
    }

    fn created(&self) -> Scenario {
        impatient(Scenario::new(self.created))
            .fault((self.fault)().on(OFFLINE_DOWNLOAD))
            .call(create())
    }
}

/// A hanging request takes its time in earnest.
fn impatient(scenario: Scenario) -> Scenario {
    if !scenario.name.starts_with("hang") {
        return scenario;
    }
    scenario.with(|settings| settings.request_timeout = Duration::from_millis(300))
}

/// Every fourth poll meets a gateway that is gone, wherever the service runs the same ones.
fn at_random() -> Scenario {
    let scenario = Scenario::new("a gateway that is gone by chance");
    let fault = Fault::bad_gateway().on(OFFLINE_PROGRESS);
    let mut scenario = scenario
        .fault(fault.at_random(0.25).always())
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
