//! The lock of a token file: on a file beside it, and on the file itself.
//!
//! The file beside it is there before the token is. But processes that see the token file through mounts of that file alone, as
//! containers do, have no folder in common, so each locks the token file itself, too. A file can be replaced between the moment
//! when it is opened and the moment when it is locked: the lock counts only if the path still leads to the same file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::place::Place;
use super::{Fault, cannot_be_replaced};

/// A held lock. Dropping it closes the files, which releases it.
pub(super) struct Lock {
    /// What is locked, even if a link now leads elsewhere.
    place: Place,
    /// The file beside the token file, unless nothing can be created there; and the token file, if there is one yet.
    held: [Option<File>; 2],
}

/// An attempt to lock one file.
enum Attempt {
    Locked(File),
    Busy,
    Absent,
}

impl Lock {
    /// Takes both locks, or returns none if another process holds one.
    pub(super) fn take(place: Place) -> Result<Option<Lock>, Fault> {
        let path = &place.token;
        let beside = match lock_beside(&place.lock) {
            Ok(Attempt::Locked(file)) => Some(file),
            Ok(_) => return Ok(None),
            // Where nothing can be created, the token file itself may be writable.
            Err(error) if cannot_be_replaced(&error) && path.exists() => None,
            Err(error) => return Err(Fault::io("cannot be locked", &place.lock, &error)),
        };
        let own = match lock_own(path) {
            Ok(Attempt::Locked(file)) => Some(file),
            Ok(Attempt::Absent) if beside.is_some() => None,
            Ok(_) => return Ok(None),
            Err(error) => return Err(Fault::io("cannot be locked", path, &error)),
        };
        Ok(Some(Lock {
            held: [beside, own],
            place,
        }))
    }

    /// Returns what is locked.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Locks the file that is about to replace the token file, so that there is no moment without a lock.
    pub(super) fn extend(new: &File) -> io::Result<()> {
        if cfg!(unix) {
            // Nobody else knows it yet.
            new.try_lock()?;
        }
        Ok(())
    }

    /// Holds the file that has replaced the token file.
    pub(super) fn hold(&mut self, new: File) {
        self.held[1] = Some(new);
    }
}

fn lock_beside(path: &Path) -> io::Result<Attempt> {
    let mut options = super::private_file();
    try_lock(options.write(true).create(true).open(path)?)
}

fn try_lock(file: File) -> io::Result<Attempt> {
    match file.try_lock() {
        Ok(()) => Ok(Attempt::Locked(file)),
        Err(TryLockError::WouldBlock) => Ok(Attempt::Busy),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(unix)]
fn lock_own(path: &Path) -> io::Result<Attempt> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    // Some network file systems lock only what is open for writing.
    let file = match open().or_else(|_| File::open(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Attempt::Absent),
        file => file?,
    };
    let Attempt::Locked(file) = try_lock(file)? else {
        return Ok(Attempt::Busy);
    };
    // If it was just replaced, whoever did that is at work.
    Ok(if leads_to(path, &file)? {
        Attempt::Locked(file)
    } else {
        Attempt::Busy
    })
}

/// Whether the path still leads to this file.
#[cfg(unix)]
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let ours = file.metadata()?;
    let is_ours = |there: std::fs::Metadata| (there.dev(), there.ino()) == (ours.dev(), ours.ino());
    Ok(std::fs::metadata(path).is_ok_and(is_ours))
}

/// Elsewhere a locked file cannot be read by others, and no file is mounted alone.
#[cfg(not(unix))]
fn lock_own(_: &Path) -> io::Result<Attempt> {
    Ok(Attempt::Absent)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn file_that_was_replaced_after_it_was_opened_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let [path, new] = ["token.json", "new"].map(|name| directory.path().join(name));
        fs::write(&path, "old").unwrap();
        let file = File::open(&path).unwrap();
        assert!(leads_to(&path, &file).unwrap());
        fs::write(&new, "new").unwrap();
        fs::rename(&new, &path).unwrap();
        assert!(!leads_to(&path, &file).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!leads_to(&path, &file).unwrap());
    }
}
