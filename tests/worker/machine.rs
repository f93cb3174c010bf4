//! A machine of its own: a process that works on the batch of an account in a PostgreSQL database.
//!
//! Arguments: the base URL, the folder of this machine, how many items there are, the lease and the interval between creates in
//! milliseconds, and whether it keeps to its fences. `PAN123_TEST_POSTGRES` names the server, `PAN123_TEST_SCHEMA` the schema.

use std::time::Duration;

use pan123_ledger::Postgres;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET};
use pan123_proto::ledger::{
    Ledger, LedgerAnswer, LedgerFault, LedgerOp, OpenLedger, SpilledTask, Transaction,
};
use pan123_proto::offline::{Download, GetDownloadProgress};
use pan123_proto::{Account, Endpoint, Pacing};

use crate::batch::work;

pub(crate) fn run(arguments: &[String]) {
    let [url, folder, count, lease, interval, fences] = arguments else {
        panic!("wrong arguments: {arguments:?}");
    };
    let millis = |text: &String| Duration::from_millis(text.parse().unwrap());
    let variable = |name| std::env::var(name).unwrap();
    let database = Postgres::new(&variable("PAN123_TEST_POSTGRES")).unwrap();
    let database = database.schema(variable("PAN123_TEST_SCHEMA")).unwrap();
    let database = database.timeout(Duration::from_secs(5));
    let pacing = Pacing::default()
        .every(Download::RATE, millis(interval))
        .every(
            GetDownloadProgress::RATE,
            (millis(interval) / 5).max(Duration::from_millis(20)),
        );
    let client = pan123_blocking::Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(url)
        // In a network namespace the service is not on loopback.
        .allow_credentials_over_plain_http(true)
        .user_agent(format!("machine-{}", std::process::id()))
        .token_store(database.token_store().lease(millis(lease)))
        .shared_pace(database.pace())
        .pacing(pacing)
        .build()
        .unwrap();
    let ledger = database.ledger(folder).lease(millis(lease));
    let ledger = Fenced {
        ledger: Box::new(ledger),
        keeps_fences: fences == "fenced",
    };
    work(&client, &ledger, count.parse().unwrap());
}

/// A ledger whose worker may not keep to its fences: it sends an item that another one has taken over.
struct Fenced {
    ledger: Box<dyn Ledger>,
    keeps_fences: bool,
}

impl Ledger for Fenced {
    fn open(&self, account: &Account) -> Result<Box<dyn OpenLedger>, LedgerFault> {
        let opened = self.ledger.open(account)?;
        if self.keeps_fences {
            return Ok(opened);
        }
        Ok(Box::new(Unfenced(opened)))
    }
}

struct Unfenced(Box<dyn OpenLedger>);

impl OpenLedger for Unfenced {
    fn run(&mut self, transaction: Transaction) -> Result<Vec<LedgerAnswer>, LedgerFault> {
        let is_intent = |op: &LedgerOp| matches!(op, LedgerOp::Intend { .. });
        let intents: Vec<bool> = transaction.ops.iter().map(is_intent).collect();
        let mut answers = self.0.run(transaction)?;
        for (answer, is_intent) in answers.iter_mut().zip(intents) {
            if is_intent && matches!(answer, LedgerAnswer::Lost) {
                *answer = LedgerAnswer::Done;
            }
        }
        Ok(answers)
    }

    fn spill_room(&self) -> usize {
        self.0.spill_room()
    }

    fn spill(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        self.0.spill(task)
    }
}
