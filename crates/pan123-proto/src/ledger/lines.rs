//! A ledger as JSON lines: a head line that names the format and the account, then one [`Item`] a line.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

use super::item::Item;
use crate::machine::token_store::Account;

/// The version of the format. A later one that an older program must not read has another number.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderLine {
    pan123_ledger: u32,
    service: String,
    client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// Why a line of an export cannot be read. It quotes nothing of the line, which may hold secrets.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// The first line is not that of an export.
    #[error("the first line is not the head of a ledger's export")]
    NotALedger,
    /// The export has another version.
    #[error("version {0} of an export is not supported; only version {VERSION} is")]
    Version(u32),
    /// The export is of another account.
    #[error("the export belongs to {0}")]
    OtherAccount(Account),
    /// A line is not an item.
    #[error("the line is not an item: {0}")]
    Item(String),
}

/// Returns the first line of an export, without a line feed.
pub fn header_line(account: &Account) -> String {
    let header = HeaderLine {
        pan123_ledger: VERSION,
        service: account.service().to_owned(),
        client_id: account.client_id().to_owned(),
        user: account.user().map(str::to_owned),
    };
    serde_json::to_string(&header).unwrap_or_default()
}

/// Returns the line of an item, without a line feed. It holds the URLs in full.
pub fn export_line(item: &Item) -> String {
    serde_json::to_string(item).unwrap_or_default()
}

/// Checks the first line of an export for this account.
///
/// # Errors
///
/// [`LineError`] if it is not the first line of an export of this account that this version reads.
pub fn check_header_line(line: &str, account: &Account) -> Result<(), LineError> {
    let header: HeaderLine = serde_json::from_str(line).map_err(|_| LineError::NotALedger)?;
    if header.pan123_ledger != VERSION {
        return Err(LineError::Version(header.pan123_ledger));
    }
    let mut owner = Account::new(header.service, header.client_id);
    if let Some(user) = header.user {
        owner = owner.of_user(user);
    }
    if owner != *account {
        return Err(LineError::OtherAccount(owner));
    }
    Ok(())
}

/// Reads the line of an item.
///
/// # Errors
///
/// [`LineError::Item`] with the reason.
pub fn read_line(line: &str) -> Result<Item, LineError> {
    serde_json::from_str(line).map_err(|_| LineError::Item(fault(line)))
}

/// Names what is wrong with the line of an item. The errors of serde would quote it.
fn fault(line: &str) -> String {
    let fields = match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return "it is not a JSON object".to_owned(),
        Err(error) => return format!("it is no JSON from column {} on", error.column()),
    };
    for name in ["key", "download"] {
        if !fields.contains_key(name) {
            return format!("it has no `{name}`");
        }
    }
    let good = json!({"key": "a", "download": {"url": "https://example.com"}, "task": 1});
    for (name, value) in &fields {
        let mut with_one = good.clone();
        with_one[name] = value.clone();
        if serde_json::from_value::<Item>(with_one).is_err() {
            return format!("its `{name}` is none that it can have");
        }
    }
    match serde_json::from_value::<Item>(Value::Object(fields)) {
        Ok(_) => "it has a field twice".to_owned(),
        Err(_) => "it is running and has no `task`".to_owned(),
    }
}
