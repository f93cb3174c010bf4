//! Reads ids from numbers or strings.

use serde::{Deserialize, Deserializer};

use super::json::{self, Json};
use super::lenient::whole;
use crate::ids::{CopyTaskId, DirId, EntryId, FileId, ImageBedTaskId, Parent, TaskId};

macro_rules! read_ids {
    ($($name:ident),*) => {
        $(
            impl $name {
                pub(crate) fn read(json: Json<'_>) -> Option<$name> {
                    $name::new(whole(json)?).ok()
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    json::deserialize(deserializer, |json| {
                        let id = whole(json).ok_or(NO_ID)?;
                        $name::new(id).map_err(|error| error.to_string())
                    })
                }
            }
        )*
    };
}

read_ids!(TaskId, DirId, FileId, EntryId, CopyTaskId, ImageBedTaskId);

impl Parent {
    pub(crate) fn read(json: Json<'_>) -> Option<Parent> {
        whole(json).map(Parent::from_number)
    }
}

impl<'de> Deserialize<'de> for Parent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| Parent::read(json).ok_or(NO_ID))
    }
}

const NO_ID: &str = "an id is a whole number, or a string of one";
