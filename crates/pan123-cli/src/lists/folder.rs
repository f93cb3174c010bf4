//! A folder of the drive, by its path or its id.

use std::fmt;
use std::str::FromStr;

use pan123_async::DirId;

use super::Reason;

/// A folder of the drive. Digits alone are an id; a folder that is named so is given as a path, such as `/2026`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Folder {
    Id(DirId),
    /// Such as `/videos/2026`.
    Path(String),
}

impl FromStr for Folder {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Folder, Reason> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Folder::Id(text.parse()?));
        }
        if text.contains('\\') {
            return Err(Reason::Backslash);
        }
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        if names.is_empty() || names.iter().any(|name| matches!(*name, "." | "..")) {
            return Err(Reason::Path);
        }
        Ok(Folder::Path(format!("/{}", names.join("/"))))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Folder::Id(id) => id.fmt(f),
            Folder::Path(path) => f.write_str(path),
        }
    }
}
