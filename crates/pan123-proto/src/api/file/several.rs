//! Requests for several files and folders at once: no more than the service takes.

use crate::error::BuildError;
use crate::ids::EntryId;

/// The most files and folders that most endpoints take in one request.
pub(super) const MOST: usize = 100;

/// The ids as a list, if there is at least one and at most `most`.
pub(super) fn several<I>(entries: I, most: usize) -> Result<Vec<EntryId>, BuildError>
where
    I: IntoIterator<Item: Into<EntryId>>,
{
    let entries: Vec<EntryId> = entries.into_iter().map(Into::into).collect();
    check_count("files and folders", entries.len(), most)?;
    Ok(entries)
}

/// Refuses less than one and more than `most`.
pub(super) fn check_count(what: &'static str, given: usize, most: usize) -> Result<(), BuildError> {
    if (1..=most).contains(&given) {
        return Ok(());
    }
    Err(BuildError::Count {
        what,
        given,
        least: 1,
        most,
    })
}
