//! What the service takes for a name.

use crate::error::FileNameFault;

/// The most characters of a name.
pub(crate) const MOST: usize = 255;

pub(crate) fn check_file_name(name: &str) -> Result<(), FileNameFault> {
    if name.is_empty() {
        return Err(FileNameFault::Empty);
    }
    let length = name.chars().count();
    if length > MOST {
        return Err(FileNameFault::TooLong(length));
    }
    match name.chars().find(|&c| is_forbidden(c)) {
        Some(character) => Err(FileNameFault::Forbidden(character)),
        None => Ok(()),
    }
}

pub(crate) fn is_forbidden(character: char) -> bool {
    character.is_control() || "\"\\/:*?|><".contains(character)
}
