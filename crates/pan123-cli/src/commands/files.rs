//! The commands for files and folders.

mod confirm;
pub(crate) mod copy;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod make_dir;
pub(crate) mod r#move;
pub(crate) mod remove;
mod shown;
mod to;
pub(crate) mod trash;
