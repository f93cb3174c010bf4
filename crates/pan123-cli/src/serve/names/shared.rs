//! The notes on the server of the ledger, for all machines that work on it.

use pan123_ledger::PostgresNotes;

use super::super::rpc::{Gid, RpcError};
use super::{CALLBACK_KEY, Changed, NameStore, Note, Notes};
use crate::failure::Failure;

/// The name of the note that all ended downloads were left out of lists.
const PURGED: &str = "purged";

pub(super) struct SharedNames {
    notes: PostgresNotes,
    /// The version of the last note that was read.
    version: i64,
}

impl SharedNames {
    pub(super) fn new(notes: PostgresNotes) -> SharedNames {
        SharedNames { notes, version: 0 }
    }
}

fn text_of(note: &Note) -> Result<String, RpcError> {
    serde_json::to_string(note).map_err(|error| RpcError::new(error.to_string()))
}

impl NameStore for SharedNames {
    fn add(&mut self, gid: Gid, note: &Note) -> Result<bool, RpcError> {
        let (name, text) = (gid.to_string(), text_of(note)?);
        Ok(self.notes.add(&name, &text)? == text)
    }

    fn set(&mut self, gid: Gid, note: &Note) -> Result<(), RpcError> {
        Ok(self.notes.set(&gid.to_string(), &text_of(note)?)?)
    }

    fn keep_only(&mut self, notes: &Notes) -> Result<(), Failure> {
        let names = notes.keys().map(Gid::to_string);
        let names = names.chain([CALLBACK_KEY.to_owned()]).collect();
        Ok(self.notes.keep_only(names)?)
    }

    fn changed(&mut self) -> Result<Changed, RpcError> {
        let mut changed = Changed::default();
        for note in self.notes.since(self.version)? {
            self.version = note.version;
            changed.is_purged |= note.name == PURGED;
            // What is no note of a download is left to whom it is for.
            if let Some(gid) = Gid::parse(&note.name)
                && let Ok(content) = serde_json::from_str(&note.text)
            {
                changed.notes.insert(gid, content);
            }
        }
        Ok(changed)
    }

    fn purged(&mut self) -> Result<(), RpcError> {
        Ok(self.notes.set(PURGED, "")?)
    }

    fn shared_secret(&mut self, name: &str, secret: &str) -> Result<Option<String>, RpcError> {
        Ok(Some(self.notes.add(name, secret)?))
    }

    fn is_shared(&self) -> bool {
        true
    }
}
