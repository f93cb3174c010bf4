//! Machines that make several calls, one file each.

pub(crate) mod batch;
pub(crate) mod ensure_dir;
pub(crate) mod expected_file;
pub(crate) mod find_file;
mod find_in_dir;
mod find_named;
pub(crate) mod find_path;
pub(crate) mod fit;
pub(crate) mod listing;
mod names;
mod path;
pub(crate) mod watch;
pub(crate) mod watch_to_end;
