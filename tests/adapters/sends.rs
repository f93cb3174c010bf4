//! The auto traits of the types, checked by the compiler.

use pan123_proto::TaskId;
use pan123_proto::ledger::MemoryLedger;
use pan123_proto::offline::{self, WatchPolicy};
use pan123_proto::user::GetUserInfo;
use pan123_tests::clock::JumpClock;
use serde::de::IgnoredAny;

use crate::adapters::both::{basics, download};

fn send<T: Send>(value: T) -> T {
    value
}

fn send_and_own<T: Send + 'static>(value: T) -> T {
    value
}

fn shared<T: Clone + Send + Sync + 'static>(value: T) -> T {
    value
}

#[test]
fn futures_are_send_and_async_clients_are_shared() {
    let (url, clock) = ("http://127.0.0.1:1", JumpClock::new());
    let client = shared(
        basics!(pan123_async::Client::builder(), url, clock)
            .build()
            .unwrap(),
    );
    let offline = shared(client.offline_download());
    let task = TaskId::new(7).unwrap();

    drop(send_and_own(client.user_info()));
    drop(send_and_own(client.send(&GetUserInfo)));
    drop(send_and_own(client.send_as::<IgnoredAny, _>(&GetUserInfo)));
    let call = client.session().call(&GetUserInfo).unwrap();
    drop(send_and_own(client.drive(call)));
    drop(send_and_own(offline.download(&download())));
    drop(send_and_own(offline.progress(task)));
    drop(send_and_own(offline.wait(task)));

    let mut watch = send_and_own(offline.watch_with(task, WatchPolicy::default()));
    drop(send(watch.next()));
    shared(watch.handle());
    drop(send_and_own(watch.to_end()));
    let ledger = MemoryLedger::new();
    let mut batch = send_and_own(offline.batch(&ledger, []).unwrap());
    drop(send(batch.next()));
    shared(batch.handle());
    drop(send_and_own(batch.to_end()));
    let machine: offline::Watch = client.session().watch(task, WatchPolicy::default());
    drop(send_and_own(client.drive(machine)));
}

#[test]
fn blocking_clients_are_shared_and_watches_are_send() {
    let (url, clock) = ("http://127.0.0.1:1", JumpClock::new());
    let client = basics!(pan123_blocking::Client::builder(), url, clock).build();
    let client = shared(client.unwrap());
    let offline = shared(client.offline_download());
    let watch = send_and_own(offline.watch(TaskId::new(7).unwrap()));
    shared(watch.handle());
    let ledger = shared(MemoryLedger::new());
    let batch = send_and_own(offline.batch(&ledger, []).unwrap());
    shared(batch.handle());
}
