//! Faults: which requests they affect, with what result, and whether the service acts.

use std::time::Duration;

use pan123_mock::{CannedResponse, Edit, FAULT_NAMES, Fault, Service, WireOutcome, path};
use serde_json::{Value, json};

use crate::mock::world::{World, get, post, world};

fn named(name: &str) -> Fault {
    serde_json::from_value(json!({ "fault": name })).expect("a name")
}

/// The named faults after which the service has acted.
const ACTED: [&str; 12] = [
    "gateway_timeout",
    "truncated_json",
    "cut_short",
    "response_lost",
    "hang_after_acting",
    "late",
    "drip",
    "flood",
    "null_data",
    "no_data",
    "numbers_as_strings",
    "unknown_status",
];

#[test]
fn named_faults_act_or_not_as_documented() {
    for name in FAULT_NAMES {
        let mut world = world();
        let token = world.token();
        world.service.fault(named(name));
        let body = json!({"url": "https://example.com/a"});
        world.handle(&post(path::OFFLINE_DOWNLOAD, &token, &body));
        let acted = world.service.tasks().len() == 1;
        assert_eq!(acted, ACTED.contains(name), "{name}");
        assert_eq!(world.service.requests().len(), 2, "{name} is recorded");
        assert_eq!(world.create(&token, &body)["code"], 0, "after {name}");
    }
}

#[test]
fn named_faults_have_a_wire_outcome() {
    for (name, fate) in [
        ("cut_short", WireOutcome::CutOff),
        ("reset", WireOutcome::CutOff),
        ("closed", WireOutcome::CutOff),
        ("response_lost", WireOutcome::CutOff),
        ("hang", WireOutcome::Silence),
        ("hang_after_acting", WireOutcome::Silence),
        ("drip", WireOutcome::Responded),
        ("flood", WireOutcome::Flood(200 << 20)),
    ] {
        let mut world = world();
        world.service.fault(named(name));
        let reply = world.handle(&get(path::USER_INFO, "")).reply;
        assert_eq!(
            reply.broken.map(|broken| broken.wire_outcome()),
            Some(fate),
            "{name}"
        );
    }
    let mut world = world();
    world.service.fault(Fault::late());
    let reply = world.handle(&get(path::USER_INFO, "")).reply;
    assert_eq!(
        (reply.delay, reply.broken.is_none()),
        (Some(Duration::from_secs(60)), true)
    );
}

fn codes(world: &mut World, token: &str, requests: usize) -> Vec<Value> {
    (0..requests)
        .map(|_| world.user_info(token)["code"].clone())
        .collect()
}

fn code(code: i64) -> CannedResponse {
    CannedResponse::envelope(code, "")
}

#[test]
fn request_gets_the_first_matching_fault() {
    let mut world = world();
    let token = world.token();
    world
        .service
        .fault(Fault::from(code(1)).on("/elsewhere").always());
    world.service.fault(code(2).times(2));
    world
        .service
        .fault(Fault::from(code(3)).on(path::USER_INFO).times(1));
    world.service.respond_next(path::USER_INFO, code(4));
    world.service.fault(Fault::from(code(5)).times(0));
    assert_eq!(codes(&mut world, &token, 6), [2, 2, 3, 4, 0, 0]);
    assert_eq!(world.service.faults().len(), 1);
    world.service.clear_faults();
    assert_eq!(world.service.faults().len(), 0);
}

#[test]
fn permanent_fault_lasts_until_it_is_cleared() {
    let mut world = world();
    let token = world.token();
    world.service.fault(Fault::business_error().always());
    assert_eq!(codes(&mut world, &token, 50), vec![json!(1); 50]);
    world.service.clear_faults();
    assert_eq!(codes(&mut world, &token, 1), [0]);
}

/// Which of 1,000 requests met the fault under this seed.
fn met(seed: u64, chance: f64) -> Vec<bool> {
    let mut world = World::new(Service::builder().seed(seed).service());
    let token = world.token();
    let fault = Fault::business_error().at_random(chance).always();
    world.service.fault(fault);
    let codes = codes(&mut world, &token, 1000);
    codes.iter().map(|code| *code == 1).collect()
}

#[test]
fn random_fault_is_reproducible_by_seed() {
    let count = |met: &[bool]| met.iter().filter(|met| **met).count();
    for seed in 0..5 {
        let quarter = met(seed, 0.25);
        assert!(
            (180..320).contains(&count(&quarter)),
            "seed {seed}: {}",
            count(&quarter)
        );
        assert_eq!(quarter, met(seed, 0.25), "seed {seed}");
        assert_ne!(quarter, met(seed + 1, 0.25), "seed {seed}");
    }
    assert_eq!(count(&met(0, 0.0)), 0);
    assert_eq!(count(&met(0, 1.0)), 1000);
}

#[test]
fn random_faults_are_independent() {
    let mut world = world();
    let token = world.token();
    for number in [1, 2] {
        world
            .service
            .fault(Fault::from(code(number)).at_random(0.5).always());
    }
    let codes = codes(&mut world, &token, 1000);
    let share = |code: i64| codes.iter().filter(|it| **it == json!(code)).count();
    assert!((430..570).contains(&share(1)), "{}", share(1));
    assert!((190..310).contains(&share(2)), "{}", share(2));
}

#[test]
fn passthrough_response_can_be_edited() {
    let mut world = world();
    let token = world.token();
    let task = world.task(&token, &json!({"url": "https://example.com/a"}));
    let mut edited = |edit: Edit| {
        let canned = CannedResponse::passthrough().edited(edit);
        world.service.respond_next(path::OFFLINE_PROGRESS, canned);
        world.poll(&token, task)
    };
    assert_eq!(edited(Edit::NullData)["data"], Value::Null);
    assert!(edited(Edit::NoData).get("data").is_none());
    assert_eq!(edited(Edit::Status(-4))["data"]["status"], -4);
    let texts = edited(Edit::NumbersAsStrings);
    assert_eq!(texts["data"], json!({"process": "100", "status": "2"}));
    assert_eq!(texts["code"], 0, "only `data` is edited");
}
