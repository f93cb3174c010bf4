//! Deserializes ids from numbers or strings.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::lenient::Whole;
use crate::ids::{CopyTaskId, DirId, EntryId, FileId, ImageBedTaskId, Parent, TaskId};

macro_rules! deserialize_ids {
    ($($name:ident),*) => {
        $(
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let Whole(id) = Whole::<u64>::deserialize(deserializer)?;
                    $name::new(id).map_err(D::Error::custom)
                }
            }
        )*
    };
}

deserialize_ids!(TaskId, DirId, FileId, EntryId, CopyTaskId, ImageBedTaskId);

impl<'de> Deserialize<'de> for Parent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Whole(number) = Whole::<u64>::deserialize(deserializer)?;
        Ok(Parent::from_number(number))
    }
}
