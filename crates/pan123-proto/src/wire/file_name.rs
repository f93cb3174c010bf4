//! The names that the service accepts.

use crate::error::FileNameFault;

/// The maximum length of a name, in characters.
pub(crate) const MAX_CHARS: usize = 255;

pub(crate) fn check_file_name(name: &str) -> Result<(), FileNameFault> {
    if name.is_empty() {
        return Err(FileNameFault::Empty);
    }
    let length = name.chars().count();
    if length > MAX_CHARS {
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
