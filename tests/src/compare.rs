//! Compares what was observed under several drivers.

use std::fmt::{self, Debug};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pan123_proto::Endpoint;
use pan123_proto::file::{CopyFile, CopyFiles};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::offline::Download;

use crate::drivers::Driver;
use crate::observed::{Observed, SentRequest};
use crate::scenario::Scenario;

/// A difference between two drivers, or a header that a driver may not send.
#[derive(Clone, PartialEq, Eq)]
pub struct Difference(String);

impl Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Runs a scenario under each driver.
///
/// # Panics
///
/// If a driver panics or hangs.
#[must_use]
pub fn run_all(drivers: &[Driver], scenario: &Scenario) -> Vec<Observed> {
    let run = |driver: &Driver| {
        let (driver, theirs) = (*driver, scenario.clone());
        let (tell, outcome) = mpsc::channel();
        // A thread that hangs is left behind: the test has to end.
        thread::spawn(move || tell.send(driver.run(&theirs)));
        outcome
            .recv_timeout(Duration::from_secs(30))
            .unwrap_or_else(|end| panic!("`{}` under {}: {end}", scenario.name, driver.name))
    };
    drivers.iter().map(run).collect()
}

/// Returns all differences between what was observed under the drivers, regardless of the order if calls ran concurrently.
pub fn differences(
    drivers: &[Driver],
    in_any_order: bool,
    observed: &[Observed],
) -> Vec<Difference> {
    let mut observed = observed.to_vec();
    if in_any_order {
        observed = observed.into_iter().map(Observed::sorted).collect();
    }
    let mut found = Vec::new();
    for (driver, observed) in drivers.iter().zip(&observed) {
        for sent in &observed.requests {
            found.extend(additions(driver, sent));
        }
    }
    for (one, first) in drivers.iter().zip(&observed) {
        for (other, second) in drivers.iter().zip(&observed) {
            if one.name < other.name {
                let apart = between(first, second).into_iter();
                let named = |text| Difference(format!("{} / {}: {text}", one.name, other.name));
                found.extend(apart.map(named));
            }
        }
    }
    found
}

/// Returns headers that a transport added without permission, left out, or got wrong.
fn additions(driver: &Driver, sent: &SentRequest) -> Vec<Difference> {
    let mut wrong = Vec::new();
    // The core announces an empty body where one is expected.
    let expects_body = ["POST", "PUT", "PATCH"].contains(&sent.method.as_str());
    let has_length = expects_body || !sent.body.is_empty();
    for (name, value) in &sent.extra {
        let value = value.escape_ascii().to_string();
        let good = match name.as_str() {
            "accept" => value == "*/*",
            "connection" => value == "close" && must_not_be_repeated(sent),
            "content-length" => has_length && value == sent.body.len().to_string(),
            // Another package of the same build may have enabled the feature `gzip`.
            "accept-encoding" if !driver.adds.is_empty() => value == "gzip",
            "host" => value.starts_with("127.0.0.1:"),
            _ => false,
        };
        let of_the_core = name == "content-length" && sent.body.is_empty();
        let listed = driver.adds.contains(&name.as_str()) || name == "accept-encoding";
        if !good || !(listed || of_the_core) {
            wrong.push(Difference(format!("{} adds {name}: {value}", driver.name)));
        }
    }
    for name in driver.adds {
        let needed = match *name {
            "connection" => must_not_be_repeated(sent),
            "content-length" => has_length,
            _ => true,
        };
        let times = sent.extra.iter().filter(|extra| extra.0 == *name).count();
        if times != usize::from(needed) {
            wrong.push(Difference(format!(
                "{} sends {name} {times} times: {sent:?}",
                driver.name
            )));
        }
    }
    wrong
}

/// Whether it needs a connection of its own.
fn must_not_be_repeated(sent: &SentRequest) -> bool {
    [
        Download::PATH,
        ImageBedDownload::PATH,
        CopyFile::PATH,
        CopyFiles::PATH,
    ]
    .contains(&sent.path.as_str())
}

fn between(one: &Observed, other: &Observed) -> Vec<String> {
    let mut found = lists(
        "request",
        &one.requests,
        &other.requests,
        SentRequest::written,
    );
    found.extend(lists("result", &one.results, &other.results, |outcome| {
        format!("{outcome:?}")
    }));
    for (what, one, other) in [
        ("tokens issued", one.issued, other.issued),
        ("tasks created", one.tasks, other.tasks),
    ] {
        if one != other {
            found.push(format!("{what}: {one} / {other}"));
        }
    }
    if one.unreceived != other.unreceived {
        found.push(format!(
            "unreceived: {:?} / {:?}",
            one.unreceived, other.unreceived
        ));
    }
    found
}

fn lists<T>(what: &str, one: &[T], other: &[T], written: impl Fn(&T) -> String) -> Vec<String> {
    let pairs = (0..one.len().max(other.len())).map(|index| {
        let at = |list: &[T]| list.get(index).map_or("(none)".to_owned(), &written);
        (index, at(one), at(other))
    });
    pairs
        .filter(|(_, one, other)| one != other)
        .map(|(index, one, other)| format!("{what} {index}:\n{one}\n  /\n{other}"))
        .collect()
}

/// Runs a scenario under each driver, and reports differences and missed expectations with its name and seed.
///
/// # Panics
///
/// If the drivers differ, or if the scenario expects something else.
pub fn assert_drivers_agree(drivers: &[Driver], scenario: &Scenario) {
    let name = format!("`{}` (seed {:#x})", scenario.name, scenario.seed);
    let observed = run_all(drivers, scenario);
    let found = differences(drivers, scenario.in_any_order, &observed);
    assert!(found.is_empty(), "{name}: the drivers differ: {found:#?}");
    let met = |observed| std::panic::catch_unwind(|| (scenario.expect)(observed)).is_ok();
    let missed = drivers
        .iter()
        .zip(&observed)
        .filter(|(_, observed)| !met(*observed));
    let missed: Vec<_> = missed
        .map(|(driver, observed)| (driver.name, observed))
        .collect();
    assert!(
        missed.is_empty(),
        "{name}: not what was expected: {missed:#?}"
    );
}
