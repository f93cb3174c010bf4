//! Files and folders of the drive: finding, making, moving and removing them.

mod detail;
mod ensure_dir;
mod entry;
mod find;
mod list;
mod listing;
mod lookup;
mod make_dir;
mod path;

pub use detail::GetDetail;
pub use ensure_dir::EnsureDir;
pub use entry::{Entry, EntryKind};
pub use find::FindPath;
pub use list::{FilePage, ListFiles};
pub use listing::Listing;
pub(crate) use lookup::{Lookup, Wanted};
pub use make_dir::{MadeDir, MakeDir};
