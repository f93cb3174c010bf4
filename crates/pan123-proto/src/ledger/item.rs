//! An item of a ledger: one download of a batch, and what is known of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::api::offline::Download;
use crate::error::BuildError;
use crate::ids::{FileId, TaskId};
use crate::text;

/// The caller's name for an item, such as the row of a database: 1 to 256 bytes. The same key twice is one item.
///
/// It is the id that a `CallbackSigner` signs, so that a callback finds its item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ItemKey(Box<str>);

impl ItemKey {
    /// The maximum length of a key, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Creates a key.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] if it is empty or longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new(key: impl Into<String>) -> Result<ItemKey, BuildError> {
        let key = key.into();
        if (1..=ItemKey::MAX_BYTES).contains(&key.len()) {
            return Ok(ItemKey(key.into_boxed_str()));
        }
        Err(BuildError::Setting {
            what: "the key of an item",
            given: match key.len() {
                0 => "an empty key".to_owned(),
                length => format!("one of {length} bytes"),
            },
            allowed: "1 to 256 bytes",
        })
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows invisible characters as escapes.
impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::Escaped(&self.0).fmt(f)
    }
}

impl FromStr for ItemKey {
    type Err = BuildError;

    fn from_str(key: &str) -> Result<ItemKey, BuildError> {
        ItemKey::new(key)
    }
}

impl<'de> Deserialize<'de> for ItemKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        ItemKey::new(key).map_err(de::Error::custom)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The number of an item in its ledger, from 1, in the order in which items were added. It is never used again.
    ItemId
}

number! {
    /// The number of one claim of one item, from 1. Each claim has a greater one, so a worker that was taken over cannot act on an
    /// item any more. 0 is that of no claim.
    Fence
}

number! {
    /// The number of one open handle of a ledger, from 1, never used again. 0 is nobody.
    WorkerId
}

/// Milliseconds since 1970 by the ledger's clock.
pub type Millis = u64;

/// Where an item stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ItemState {
    /// Waits to be claimed. It was not sent, or certainly not carried out.
    #[default]
    Queued,
    /// Queued, but held back by its user.
    Paused,
    /// A worker is about to send it.
    Claimed,
    /// It may have been sent.
    Intended,
    /// It is a task of the service, whose id is known.
    Running,
    /// It may have been sent, and nothing tells whether it was carried out. It is never sent again unless somebody says so.
    Unconfirmed,
    /// Ended: the download succeeded.
    Succeeded,
    /// Ended: the download failed for good, the service rejects it, or its task is [given up](Item::is_given_up).
    Failed,
    /// Ended: somebody settled that it is given up.
    Dropped,
}

impl ItemState {
    /// Every state.
    pub const ALL: [ItemState; 9] = [
        ItemState::Queued,
        ItemState::Paused,
        ItemState::Claimed,
        ItemState::Intended,
        ItemState::Running,
        ItemState::Unconfirmed,
        ItemState::Succeeded,
        ItemState::Failed,
        ItemState::Dropped,
    ];

    /// Returns the name, as JSON lines and databases hold it.
    pub fn name(self) -> &'static str {
        match self {
            ItemState::Queued => "queued",
            ItemState::Paused => "paused",
            ItemState::Claimed => "claimed",
            ItemState::Intended => "intended",
            ItemState::Running => "running",
            ItemState::Unconfirmed => "unconfirmed",
            ItemState::Succeeded => "succeeded",
            ItemState::Failed => "failed",
            ItemState::Dropped => "dropped",
        }
    }

    /// Returns the state of this name.
    pub fn from_name(name: &str) -> Option<ItemState> {
        ItemState::ALL
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Returns whether nothing more happens to the item by itself.
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            ItemState::Succeeded | ItemState::Failed | ItemState::Dropped
        )
    }

    /// Returns whether the service may have a task of it that has not ended.
    pub(super) fn may_have_task(self) -> bool {
        matches!(
            self,
            ItemState::Intended | ItemState::Running | ItemState::Unconfirmed
        )
    }

    /// Returns whether a batch still has something to do for the item, now or later. A paused and an unconfirmed item wait for
    /// somebody.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            ItemState::Queued | ItemState::Claimed | ItemState::Intended | ItemState::Running
        )
    }
}

impl fmt::Display for ItemState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An item of a ledger, as the ledger stores it.
///
/// Its serde form is one line of an export: names and meaning of its fields are stable, and later versions only add some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Item {
    /// The caller's key.
    pub key: ItemKey,
    /// What to download.
    pub download: Download,
    /// Where it stands.
    pub state: ItemState,
    /// How many times it may have been sent.
    #[serde(skip_serializing_if = "is_default")]
    pub attempts: u32,
    /// How many of its tasks failed, those that were given up not included.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: u32,
    /// The task, while it runs and after its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Tasks of the service that may belong to it besides: earlier ones that failed, and those of an unconfirmed create.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_tasks: Vec<TaskId>,
    /// The file that it became, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// Why it failed, waits or is unconfirmed: a text without secrets, at most [`MAX_REASON`](Item::MAX_REASON) characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// When it was last about to be sent; 0 if never.
    #[serde(skip_serializing_if = "is_default")]
    pub intended_at: Millis,
    /// When it may be claimed; 0 is at once.
    #[serde(skip_serializing_if = "is_default")]
    pub not_before: Millis,
    /// Its place in the queue: the lowest first.
    #[serde(skip)]
    pub position: i64,
    /// The claim that may act on it.
    #[serde(skip)]
    pub fence: Fence,
    /// The worker that holds or follows it, or that ended it.
    #[serde(skip)]
    pub owner: WorkerId,
    /// Whether a callback came that its worker has not seen.
    #[serde(skip)]
    pub noticed: bool,
    /// Whether lists leave it out.
    #[serde(skip_serializing_if = "is_default")]
    pub hidden: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Item {
    /// The maximum length of [`reason`](Item::reason), in characters.
    pub const MAX_REASON: usize = 300;

    /// How the [reason](Item::reason) begins if the task is given up.
    pub(crate) const GIVEN_UP: &str = "given up: ";

    /// Returns whether the item failed only because its task reached a limit of the watch, such as its deadline: nobody follows the
    /// task any more, and it may still succeed. Who adds the download again under another key may get it twice.
    pub fn is_given_up(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.state == ItemState::Failed && reason.starts_with(Item::GIVEN_UP)
    }

    /// Creates a queued item.
    pub fn new(key: ItemKey, download: Download) -> Item {
        Item {
            key,
            download,
            state: ItemState::Queued,
            attempts: 0,
            failures: 0,
            task: None,
            other_tasks: Vec::new(),
            file: None,
            reason: None,
            intended_at: 0,
            not_before: 0,
            position: 0,
            fence: Fence::default(),
            owner: WorkerId::default(),
            noticed: false,
            hidden: false,
        }
    }
}

/// An exported item. What a worker of the other ledger held is nobody's here: an intended item may have been sent, so it is
/// unconfirmed.
impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Line {
            key: ItemKey,
            download: Download,
            #[serde(default)]
            state: ItemState,
            #[serde(default)]
            attempts: u32,
            #[serde(default)]
            failures: u32,
            task: Option<TaskId>,
            #[serde(default)]
            other_tasks: Vec<TaskId>,
            file: Option<FileId>,
            reason: Option<Box<str>>,
            #[serde(default)]
            intended_at: Millis,
            #[serde(default)]
            not_before: Millis,
            #[serde(default)]
            hidden: bool,
        }
        let line: Line = crate::wire::json::deserialize_object(deserializer)?;
        if line.state == ItemState::Running && line.task.is_none() {
            return Err(de::Error::custom("a running item has no `task`"));
        }
        let mut item = Item {
            state: line.state,
            attempts: line.attempts,
            failures: line.failures,
            task: line.task,
            other_tasks: line.other_tasks,
            file: line.file,
            reason: line.reason,
            intended_at: line.intended_at,
            not_before: line.not_before,
            hidden: line.hidden,
            ..Item::new(line.key, line.download)
        };
        item.abandon();
        Ok(item)
    }
}
