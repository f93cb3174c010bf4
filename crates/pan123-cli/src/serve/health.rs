//! Whether the service can work, for service managers and load balancers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pan123_async::proto::ledger::LedgerFault;
use serde_json::{Value, json};

use crate::failure::text_of_fault;
use crate::requests::Requests;
use crate::words::iso_time;

/// What keeps the service from working.
#[derive(Debug, Default)]
pub(super) struct Health {
    requests: Requests,
    troubles: Mutex<Troubles>,
}

#[derive(Debug, Default)]
struct Troubles {
    ledger: Option<LedgerTrouble>,
    credentials: Option<CredentialsTrouble>,
}

#[derive(Debug)]
struct LedgerTrouble {
    fault: LedgerFault,
    since: SystemTime,
}

/// It ends with the next request that succeeds.
#[derive(Debug)]
struct CredentialsTrouble {
    since: SystemTime,
    successes: u64,
}

impl Health {
    pub(super) fn new(requests: Requests) -> Health {
        Health {
            requests,
            troubles: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ledger_failed(&self, fault: &LedgerFault) {
        let ledger = &mut self.lock().ledger;
        let since = ledger.as_ref().map(|trouble| trouble.since);
        *ledger = Some(LedgerTrouble {
            fault: fault.clone(),
            since: since.unwrap_or_else(now),
        });
    }

    pub(super) fn ledger_works(&self) {
        self.lock().ledger = None;
    }

    pub(super) fn credentials_rejected(&self) {
        let successes = self.requests.successes();
        let credentials = &mut self.lock().credentials;
        let since = credentials.as_ref().map(|trouble| trouble.since);
        *credentials = Some(CredentialsTrouble {
            since: since.unwrap_or_else(now),
            successes,
        });
    }

    /// Returns why the ledger takes nothing, if that is known.
    pub(super) fn ledger_trouble(&self) -> Option<String> {
        let troubles = self.lock();
        let LedgerTrouble { fault, since } = troubles.ledger.as_ref()?;
        let text = text_of_fault(fault);
        let since = iso_time(*since).unwrap_or_default();
        Some(format!("nothing is taken since {since}: {text}"))
    }

    /// Returns what is wrong, without anything that a stranger should not know; none if nothing is.
    pub(super) fn troubles(&self) -> Option<Value> {
        let successes = self.requests.successes();
        let mut troubles = self.lock();
        if let Some(trouble) = &troubles.credentials
            && trouble.successes < successes
        {
            troubles.credentials = None;
        }
        let ledger = troubles.ledger.as_ref().map(|trouble| {
            let what = match trouble.fault {
                LedgerFault::Full(_) => "ledger_full",
                LedgerFault::Moved(_) => "server_to_be_confirmed",
                _ => "ledger_unavailable",
            };
            (what, trouble.since)
        });
        let credentials = troubles.credentials.as_ref();
        let credentials = credentials.map(|trouble| ("credentials_rejected", trouble.since));
        let down: Vec<Value> = ledger
            .into_iter()
            .chain(credentials)
            .map(|(what, since)| json!({"what": what, "since": iso_time(since)}))
            .collect();
        (!down.is_empty()).then(|| json!({"status": "unavailable", "down": down}))
    }
}

/// The time without fractions of a second.
fn now() -> SystemTime {
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let fraction = since.map_or(0, |since| since.subsec_nanos());
    now - Duration::from_nanos(fraction.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(health: &Health) -> Vec<String> {
        let troubles = health.troubles().unwrap_or_default();
        let down = troubles["down"].as_array().into_iter().flatten();
        down.map(|it| it["what"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_is_down_is_named_until_it_is_back() {
        let health = Health::new(Requests::default());
        assert_eq!(health.troubles(), None);
        let secret = || "PostgreSQL at db.internal".to_owned();
        for (fault, what) in [
            (LedgerFault::Down(secret()), "ledger_unavailable"),
            (LedgerFault::Full(secret()), "ledger_full"),
            (LedgerFault::Moved(secret()), "server_to_be_confirmed"),
        ] {
            health.ledger_failed(&fault);
            assert_eq!(whats(&health), [what]);
        }
        let troubles = health.troubles().unwrap();
        assert!(!troubles.to_string().contains("internal"), "{troubles}");
        assert!(health.ledger_trouble().unwrap().contains("db.internal"));
        health.credentials_rejected();
        assert_eq!(
            whats(&health),
            ["server_to_be_confirmed", "credentials_rejected"]
        );
        health.ledger_works();
        assert_eq!(whats(&health), ["credentials_rejected"]);
        assert_eq!(health.ledger_trouble(), None);
        health.requests.count_success();
        assert_eq!(health.troubles(), None);
    }
}
