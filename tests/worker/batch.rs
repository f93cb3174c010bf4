//! A process that works on the batch of a ledger.
//!
//! Arguments: the base URL, the folder of ledger and token file, how many items there are, and the lease in milliseconds.

use std::path::Path;
use std::thread;
use std::time::Duration;

use pan123_blocking::Client;
use pan123_ledger::SqliteLedger;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET};
use pan123_proto::batch::BatchPolicy;
use pan123_proto::ledger::{ItemKey, Ledger, LedgerFault, NewItem};
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::{Endpoint, Pacing};
use pan123_store::FileStore;

pub(crate) fn run(arguments: &[String]) {
    let [url, folder, count, lease] = arguments else {
        panic!("wrong arguments: {arguments:?}");
    };
    let folder = Path::new(folder);
    let pacing = Pacing::default()
        .every(Download::RATE, Duration::from_millis(40))
        .every(GetDownloadProgress::RATE, Duration::from_millis(10));
    let client = Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(url)
        .token_store(FileStore::new(folder.join("token.json")))
        .pacing(pacing)
        .build()
        .unwrap();
    let lease = Duration::from_millis(lease.parse().unwrap());
    let ledger = SqliteLedger::new(folder.join("batch.db")).lease(lease);
    let count = count.parse().unwrap();
    work(&client, &ledger, count);
}

/// Works on a batch to its end.
pub(crate) fn work(client: &Client, ledger: &impl Ledger, count: usize) {
    let offline = client.offline_download();
    loop {
        match offline.batch_with(ledger, items(count), BatchPolicy::default()) {
            Ok(batch) => {
                println!("{:?}", batch.to_end().counts);
                return;
            }
            // Another worker was stopped in the middle of a transaction, or the server is away.
            Err(LedgerFault::Busy(_) | LedgerFault::Down(_)) => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn items(count: usize) -> impl Iterator<Item = NewItem> + Send + 'static {
    (0..count).map(|number| {
        let download = Download::new(format!("https://example.com/{number}")).unwrap();
        NewItem::new(ItemKey::new(format!("item-{number}")).unwrap(), download)
    })
}
