//! Newtypes for the service's ids: a task is not a folder, and a folder is not the root.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::BuildError;
use crate::text;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, zero: $zero:expr) => {
        $(#[$doc])*
        ///
        /// Serialized as a number, deserialized from a number or a string: serde needs a self-describing format such as JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// Creates the id from its number.
            ///
            /// # Errors
            ///
            /// [`BuildError`] for zero.
            pub fn new(id: u64) -> Result<$name, BuildError> {
                NonZeroU64::new(id).map($name).ok_or_else(|| $zero)
            }

            /// Returns the number.
            pub fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<u64> for $name {
            type Error = BuildError;

            fn try_from(id: u64) -> Result<$name, BuildError> {
                $name::new(id)
            }
        }

        impl FromStr for $name {
            type Err = BuildError;

            fn from_str(text: &str) -> Result<$name, BuildError> {
                text.trim()
                    .parse()
                    .map_err(|_| invalid_id($what, text))
                    .and_then($name::new)
            }
        }
    };
}

fn invalid_id(what: &'static str, given: &str) -> BuildError {
    BuildError::Id {
        what,
        given: text::shown(given.chars().take(40).collect(), 80),
    }
}

id! {
    /// The id of an offline download (`taskID`). Store it: the service has no list of tasks.
    TaskId, "task id", zero: invalid_id("task id", "0")
}

id! {
    /// The id of a folder of the drive (`dirID`), never the root, which offline download does not support.
    DirId, "directory id", zero: BuildError::RootDirectory
}

id! {
    /// The id of a file of the drive (`fileID`).
    FileId, "file id", zero: invalid_id("file id", "0")
}

id! {
    /// The id of a file or a folder of the drive (`fileID`), which share one range of numbers. A [`FileId`] or a [`DirId`]
    /// converts with `into()`.
    EntryId, "file or directory id", zero: invalid_id("file or directory id", "0")
}

id! {
    /// The id of a copy task (`taskId`), not of an offline download.
    CopyTaskId, "copy task id", zero: invalid_id("copy task id", "0")
}

id! {
    /// The id of an offline download into the image bed (`taskID`), not into the drive.
    ImageBedTaskId, "image-bed task id", zero: invalid_id("image-bed task id", "0")
}

impl From<FileId> for EntryId {
    fn from(file: FileId) -> EntryId {
        EntryId(file.0)
    }
}

impl From<DirId> for EntryId {
    fn from(dir: DirId) -> EntryId {
        EntryId(dir.0)
    }
}

impl EntryId {
    /// For an entry that is known to be a folder.
    pub(crate) fn as_dir(self) -> DirId {
        DirId(self.0)
    }

    /// For an entry that is known to be a file.
    pub(crate) fn as_file(self) -> FileId {
        FileId(self.0)
    }
}

/// A folder of the drive, or the root where the service allows it. The root is sent as 0.
///
/// With serde it needs a self-describing format such as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parent {
    /// The root of the drive.
    #[default]
    Root,
    /// A folder.
    Dir(DirId),
}

impl Parent {
    /// Creates it from a number; 0 is the root.
    pub fn from_number(number: u64) -> Parent {
        NonZeroU64::new(number).map_or(Parent::Root, |dir| Parent::Dir(DirId(dir)))
    }

    /// Returns the folder; `None` for the root.
    pub fn dir(self) -> Option<DirId> {
        match self {
            Parent::Root => None,
            Parent::Dir(dir) => Some(dir),
        }
    }

    /// Returns the number as the service sends it.
    pub fn number(self) -> u64 {
        self.dir().map_or(0, DirId::get)
    }
}

impl From<DirId> for Parent {
    fn from(dir: DirId) -> Parent {
        Parent::Dir(dir)
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl Serialize for Parent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}

/// The id of a folder of the image bed (`businessDirID`), a string that the service chose; never the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageBedDirId(String);

impl ImageBedDirId {
    /// Creates the id from its text.
    ///
    /// # Errors
    ///
    /// [`BuildError::ImageBedRoot`] if it is empty: that is the root, which the image bed's offline download does not support.
    pub fn new(id: impl Into<String>) -> Result<ImageBedDirId, BuildError> {
        let id = id.into();
        if id.trim().is_empty() {
            return Err(BuildError::ImageBedRoot);
        }
        Ok(ImageBedDirId(id))
    }

    /// Returns the id as the service sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageBedDirId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ImageBedDirId {
    type Error = BuildError;

    fn try_from(id: String) -> Result<ImageBedDirId, BuildError> {
        ImageBedDirId::new(id)
    }
}

impl From<ImageBedDirId> for String {
    fn from(id: ImageBedDirId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_rejected_and_the_error_names_the_root() {
        let error = DirId::new(0).unwrap_err().to_string();
        assert!(error.contains("root"), "{error}");
        let error = TaskId::new(0).unwrap_err().to_string();
        assert!(error.contains("`0` is not a valid task id"), "{error}");
        serde_json::from_str::<FileId>("0").unwrap_err();
    }

    #[test]
    fn ids_keep_all_digits() {
        for id in [1, 394_756, 9_007_199_254_740_993, u64::MAX] {
            let task = TaskId::new(id).unwrap();
            let json = serde_json::to_string(&task).unwrap();
            assert_eq!(json, id.to_string());
            assert_eq!(serde_json::from_str::<TaskId>(&json).unwrap(), task);
            assert_eq!(
                serde_json::from_str::<TaskId>(&format!("\"{id}\"")).unwrap(),
                task
            );
            assert_eq!(task.to_string().parse::<TaskId>().unwrap(), task);
        }
        let error = "12x".parse::<TaskId>().unwrap_err().to_string();
        assert!(error.contains("`12x`"), "{error}");
        let error = "1\u{1b}\u{202e}\n2".parse::<TaskId>().unwrap_err();
        assert!(
            error.to_string().contains(r"`1\u{1b}\u{202e}\n2`"),
            "{error}"
        );
    }

    #[test]
    fn root_is_serialized_as_zero() {
        let dir = Parent::from(DirId::new(7).unwrap());
        for (parent, json) in [(Parent::Root, "0"), (dir, "7")] {
            assert_eq!(serde_json::to_string(&parent).unwrap(), json);
            assert_eq!(parent.to_string(), json);
            for json in [json.to_owned(), format!("\"{json}\"")] {
                assert_eq!(serde_json::from_str::<Parent>(&json).unwrap(), parent);
            }
        }
        serde_json::from_str::<Parent>("-1").unwrap_err();
        serde_json::from_str::<Parent>("null").unwrap_err();
    }

    #[test]
    fn image_bed_folder_is_a_string_and_not_the_root() {
        let dir =
            ImageBedDirId::new("yk6baz03t0l000d7w33fbyt8704m2bohDIYPAIDOBIY0DcxvDwFO").unwrap();
        let json = serde_json::to_string(&dir).unwrap();
        assert_eq!(json, format!("\"{dir}\""));
        assert_eq!(serde_json::from_str::<ImageBedDirId>(&json).unwrap(), dir);
        for root in ["", " "] {
            let error = ImageBedDirId::new(root).unwrap_err().to_string();
            assert!(error.contains("root of the image bed"), "{error}");
        }
        serde_json::from_str::<ImageBedDirId>("\"\"").unwrap_err();
    }
}
