//! Files of a ledger on this machine.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Creates a folder for its owner only, and those above it.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

/// Restricts a file that is created to its owner.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Makes the names of a folder's new files durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// A file beside the ledger.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether there is no room on the disk, or none for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity((u64, u64));

impl Identity {
    /// Returns that of the file at this path.
    pub(crate) fn of(path: &Path) -> io::Result<Identity> {
        fs::metadata(path).map(|found| Identity(numbers(&found)))
    }

    /// Returns that of an open file.
    pub(crate) fn of_file(file: &fs::File) -> io::Result<Identity> {
        file.metadata().map(|found| Identity(numbers(&found)))
    }
}

#[cfg(unix)]
fn numbers(found: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

/// Elsewhere a file in use cannot be replaced.
#[cfg(not(unix))]
fn numbers(_: &fs::Metadata) -> (u64, u64) {
    (0, 0)
}
