//! A folder of the drive, by its path or its id.

use std::fmt;
use std::str::FromStr;

use pan123_async::DirId;

use super::Reason;
use crate::place::Place;

/// A folder of the drive. It is named as a [`Place`], and is not the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Folder {
    Id(DirId),
    /// Such as `/videos/2026`.
    Path(String),
}

impl FromStr for Folder {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Folder, Reason> {
        let text = match text.trim().parse() {
            Ok(Place::Id(id)) => return Ok(Folder::Id(DirId::new(id)?)),
            Ok(Place::Path(path)) => path,
            Err(_) => return Err(Reason::Path),
        };
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
