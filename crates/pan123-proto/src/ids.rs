//! Ids of the service as types of their own: a task is no folder, and no folder is the root.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::error::BuildError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, zero: $zero:expr) => {
        $(#[$doc])*
        ///
        /// Read from a number or a text, written as a number. Kept with serde, it needs a format that describes itself, such as JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// The id of this number.
            ///
            /// # Errors
            ///
            /// Zero is refused; the error says why.
            pub fn new(id: u64) -> Result<$name, BuildError> {
                NonZeroU64::new(id).map($name).ok_or_else(|| $zero)
            }

            /// The number.
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
                    .map_err(|_| no_id($what, text))
                    .and_then($name::new)
            }
        }
    };
}

fn no_id(what: &'static str, given: &str) -> BuildError {
    BuildError::Id {
        what,
        given: given.chars().take(40).collect(),
    }
}

id! {
    /// An offline download, as its creation named it (`taskID`). Keep it: the service has no list of tasks.
    TaskId, "task id", zero: no_id("task id", "0")
}

id! {
    /// A folder of the drive (`dirID`), never the root, which offline download does not support.
    DirId, "directory id", zero: BuildError::RootDirectory
}

id! {
    /// A file of the drive (`fileID`).
    FileId, "file id", zero: no_id("file id", "0")
}

id! {
    /// A file or a folder of the drive, where both may stand: the service numbers them alike (`fileID`). Made of a [`FileId`]
    /// or a [`DirId`] by `into()`.
    EntryId, "file or directory id", zero: no_id("file or directory id", "0")
}

id! {
    /// A copy of many files, as its creation named it (`taskId`): no offline download.
    CopyTaskId, "copy task id", zero: no_id("copy task id", "0")
}

id! {
    /// An offline download into the image bed, as its creation named it (`taskID`): none into the drive.
    ImageBedTaskId, "image-bed task id", zero: no_id("image-bed task id", "0")
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
    /// The same id, known to be a folder's.
    pub(crate) fn as_dir(self) -> DirId {
        DirId(self.0)
    }

    /// The same id, known to be a file's.
    pub(crate) fn as_file(self) -> FileId {
        FileId(self.0)
    }
}

/// A folder of the drive, or the root, where the service allows it. The root is sent as 0.
///
/// Kept with serde, it needs a format that describes itself, such as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parent {
    /// The root of the drive.
    #[default]
    Root,
    /// A folder.
    Dir(DirId),
}

impl Parent {
    /// The folder of this number, or the root for 0.
    pub fn from_number(number: u64) -> Parent {
        NonZeroU64::new(number).map_or(Parent::Root, |dir| Parent::Dir(DirId(dir)))
    }

    /// The folder; none for the root.
    pub fn dir(self) -> Option<DirId> {
        match self {
            Parent::Root => None,
            Parent::Dir(dir) => Some(dir),
        }
    }

    /// The number as the service sends it.
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

/// A folder of the image bed (`businessDirID`): a text of the service's, never the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageBedDirId(String);

impl ImageBedDirId {
    /// The folder of this id.
    ///
    /// # Errors
    ///
    /// The empty id is the root, which the image bed's offline download does not support.
    pub fn new(id: impl Into<String>) -> Result<ImageBedDirId, BuildError> {
        let id = id.into();
        if id.trim().is_empty() {
            return Err(BuildError::ImageBedRoot);
        }
        Ok(ImageBedDirId(id))
    }

    /// The id as the service wrote it.
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
    fn zero_is_no_id_and_the_root_is_named() {
        let error = DirId::new(0).unwrap_err().to_string();
        assert!(error.contains("root"), "{error}");
        let error = TaskId::new(0).unwrap_err().to_string();
        assert!(error.contains("`0` is not a valid task id"), "{error}");
        serde_json::from_str::<FileId>("0").unwrap_err();
    }

    #[test]
    fn no_digit_is_lost() {
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
    }

    #[test]
    fn the_root_is_sent_and_read_as_zero() {
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
    fn a_folder_of_the_image_bed_is_a_text_and_not_the_root() {
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
