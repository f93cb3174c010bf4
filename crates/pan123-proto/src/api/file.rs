//! Files and folders of the drive: finding, making, moving and removing them.

mod delete;
mod detail;
mod done;
mod entry;
mod list;
mod make_dir;
mod move_to;
mod recover;
mod recover_to;
mod rename;
mod rename_many;
mod several;
mod trash;

pub use delete::DeleteFiles;
pub use detail::GetDetail;
pub use done::Done;
pub use entry::{Entry, EntryKind};
pub use list::{FilePage, ListFiles};
pub use make_dir::{MadeDir, MakeDir};
pub use move_to::MoveFiles;
pub use recover::{RecoverFiles, RecoveredFiles};
pub use recover_to::RecoverFilesTo;
pub use rename::RenameFile;
pub use rename_many::{FailedRename, RenameFiles, RenamedFile, RenamedFiles};
pub use trash::TrashFiles;
