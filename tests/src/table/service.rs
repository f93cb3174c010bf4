//! The service's own rules: its rate limits, its tokens, its drive.

use std::time::{Duration, SystemTime};

use crate::scenario::{Act, Call, Identity, Of, Scenario};
use crate::service_access::{ServiceAccess, fetch_token, push_tokens_out};
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, OFFLINE_PROGRESS, USER_INFO};
use pan123_mock::{Fault, RateLimits, TaskScript};
use pan123_proto::{DirId, ErrorCode, Pacing, RetryPolicy};

use super::{create, download};

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = limits();
    table.extend(tokens());
    table.extend(files());
    table.push(at_random());
    table
}

fn limits() -> Vec<Scenario> {
    let in_a_hurry = |name| {
        let scenario =
            Scenario::new(name).service(|service| service.rate_limits(RateLimits::free()));
        scenario.with(|settings| settings.pacing = Pacing::off())
    };
    let mut polled = in_a_hurry("a client faster than the service").call(create());
    for _ in 0..12 {
        polled = polled.call(Call::Progress(Of::Last));
    }
    vec![
        polled.expect(|observed| {
            assert_eq!(observed.kinds(), ["ok"; 13]);
            // Every sixth request is over the limit and is sent again.
            assert_eq!(observed.count(OFFLINE_PROGRESS), 14);
        }),
        in_a_hurry("two downloads in a second")
            .call(create())
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "ok"]);
                assert_eq!((observed.count(OFFLINE_DOWNLOAD), observed.tasks), (3, 2));
            }),
        Scenario::new("a download more than may run at once")
            .service(|service| service.running_limit(1).running_limit_code(5000))
            .call(create())
            .call(create())
            .call(Call::Wait(Of::Last))
            .call(create())
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "Api", "ok", "ok"]);
                assert_eq!(observed.results[1].code, Some(ErrorCode::TooManyDownloads));
                assert_eq!(observed.tasks, 2);
            }),
        Scenario::new("a service that takes nothing but what is documented")
            .service(|service| service.strict(true))
            .call(Call::UserInfo)
            .call(create())
            .call(Call::Wait(Of::Last))
            .expect(|observed| assert_eq!(observed.kinds(), ["ok"; 3])),
        Scenario::new("a task that ends by the clock")
            .service(|service| {
                let minute = Duration::from_secs(60);
                service.default_script(TaskScript::succeeds_within(minute))
            })
            .call(create())
            .act(Act::Advance(Duration::from_secs(30)))
            .call(Call::Progress(Of::Last))
            .act(Act::Advance(Duration::from_secs(30)))
            .call(Call::Progress(Of::Last))
            .expect(|observed| {
                assert!(observed.results[1].value.contains("percent: Some(50.0)"));
                assert!(observed.results[2].value.contains("Succeeded"));
            }),
    ]
}

fn tokens() -> Vec<Scenario> {
    vec![
        Scenario::new("the token that was given is pushed out by others")
            .with(|settings| settings.identity = Identity::Issued)
            .call(Call::UserInfo)
            .act(Act::Others(push_tokens_out))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "Unauthorized"]);
                let text = &observed.results[1].text;
                assert!(
                    text.contains("another process uses this client id"),
                    "{text}"
                );
            }),
        Scenario::new("two more tokens leave the first one alive, and a third does not")
            .with(|settings| settings.identity = Identity::Issued)
            .act(Act::Others(two_tokens))
            .call(Call::UserInfo)
            .act(Act::Others(one_token))
            .call(Call::UserInfo)
            .expect(|observed| assert_eq!(observed.kinds(), ["ok", "Unauthorized"])),
        Scenario::new("the token that was given has expired")
            .with(|settings| settings.identity = Identity::Issued)
            .service(|service| service.token_lifetime(Duration::from_secs(3600)))
            .call(Call::UserInfo)
            .act(Act::Advance(Duration::from_secs(3600)))
            .call(Call::UserInfo)
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok", "Unauthorized"]);
                let message = observed.results[1].message.as_deref();
                assert_eq!(message, Some("token is expired"));
                assert_eq!(
                    (observed.count(ACCESS_TOKEN), observed.count(USER_INFO)),
                    (0, 2)
                );
            }),
    ]
}

fn one_token(service: &mut dyn ServiceAccess, now: SystemTime) {
    fetch_token(service, now);
}

fn two_tokens(service: &mut dyn ServiceAccess, now: SystemTime) {
    one_token(service, now);
    one_token(service, now);
}

/// The id of the first file of a drive without folders.
const FIRST_FILE: u64 = 14_710_240;

fn files() -> Vec<Scenario> {
    let folder = DirId::new(10_023).expect("no folder is 0");
    let named = download().file_name("我的.mp4").expect("a name");
    vec![
        Scenario::new("a download is found in its folder")
            .service(|service| service.default_script(TaskScript::succeeds_after(1).size(7)))
            .call(Call::Create(named.save_to(folder)))
            .call(Call::Wait(Of::Last))
            .call(Call::Detail(FIRST_FILE))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 3]);
                let found = &observed.results[2].value;
                assert!(
                    found.contains("我的.mp4") && found.contains("size: 7"),
                    "{found}"
                );
            }),
        Scenario::new("a download without a folder is found in the default one")
            .service(|service| service.default_script(TaskScript::succeeds_after(1)))
            .call(create())
            .call(Call::Wait(Of::Last))
            .call(Call::Detail(FIRST_FILE))
            .call(Call::Detail(FIRST_FILE + 1))
            .expect(|observed| {
                assert_eq!(observed.kinds(), ["ok"; 4]);
                assert!(observed.results[2].value.contains("来自:离线下载"));
                assert!(observed.results[3].value.contains("video.mp4"));
            }),
    ]
}

/// One poll in four gets HTTP 502: the same ones wherever the service runs.
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
    scenario.expect(|observed| {
        let failed = observed
            .kinds()
            .iter()
            .filter(|kind| **kind != "ok")
            .count();
        assert!((3..=20).contains(&failed), "{failed}");
    })
}
