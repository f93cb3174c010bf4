//! Files and folders of the drive: finding, making, moving and removing them.

mod detail;
mod entry;
mod list;
mod make_dir;

pub use detail::GetDetail;
pub use entry::{Entry, EntryKind};
pub use list::{FilePage, ListFiles};
pub use make_dir::{MadeDir, MakeDir};
