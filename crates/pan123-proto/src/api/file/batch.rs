//! Requests for several files and folders at once, and their limits.

use crate::error::BuildError;
use crate::ids::EntryId;

/// The maximum number of files and folders that most endpoints accept in one request.
pub(super) const MAX_ENTRIES: usize = 100;

/// Collects the ids, and checks that there are 1 to `max`.
pub(super) fn collect_ids<I>(entries: I, max: usize) -> Result<Vec<EntryId>, BuildError>
where
    I: IntoIterator<Item: Into<EntryId>>,
{
    let entries: Vec<EntryId> = entries.into_iter().map(Into::into).collect();
    check_count("files and folders", entries.len(), max)?;
    Ok(entries)
}

/// Checks that the number is 1 to `max`.
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
