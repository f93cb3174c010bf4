//! Machines made of calls, one file each.

pub(crate) mod ensure_dir;
pub(crate) mod find_file;
pub(crate) mod find_path;
pub(crate) mod listing;
mod lookup;
mod path;
pub(crate) mod watch;
