//! Requests for several files and folders at once: no more than the service takes.

use crate::error::BuildError;
use crate::ids::EntryId;

/// The most files and folders that most endpoints take in one request.
pub(super) const MOST: usize = 100;

/// The ids as a list, if there is at least one and at most `max`.
pub(super) fn several<I>(entries: I, max: usize) -> Result<Vec<EntryId>, BuildError>
where
    I: IntoIterator<Item: Into<EntryId>>,
{
    let entries: Vec<EntryId> = entries.into_iter().map(Into::into).collect();
    check_count("files and folders", entries.len(), max)?;
    Ok(entries)
}

/// Refuses less than one and more than `max`.
pub(super) fn check_count(what: &'static str, given: usize, max: usize) -> Result<(), BuildError> {
    if (1..=max).contains(&given) {
        return Ok(());
    }
    Err(BuildError::Count {
        what,
        given,
        min: 1,
        max,
    })
}
