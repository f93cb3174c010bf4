//! What the tests of both ledgers need.

pub(crate) mod model;
pub(crate) mod workers;

use std::time::{Duration, SystemTime};

use pan123_proto::ledger::{ItemKey, NewItem};
use pan123_proto::offline::Download;
use pan123_proto::{Account, TaskId};

pub(crate) fn account() -> Account {
    Account::new("https://open-api.123pan.com", "client-id")
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000 + seconds)
}

pub(crate) fn item(number: usize) -> NewItem {
    let download = Download::new(format!("https://example.com/{number}")).unwrap();
    NewItem::new(ItemKey::new(format!("item-{number}")).unwrap(), download)
}

pub(crate) fn task(number: u64) -> TaskId {
    TaskId::new(number).unwrap()
}
