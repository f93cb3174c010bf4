//! The place of the file: what stands there already, and whether processes can share it there.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use pan123_proto::ledger::LedgerFault;

use crate::files::{create_folder, folder_of, is_full, private, sibling, sync};
use crate::mounts::Mount;

/// An SQLite file is no smaller, unless it is empty.
const SMALLEST: u64 = 512;

/// Creates the file, if there is none, for its owner only, and returns its path without links. What stands there otherwise is left
/// as it is. The file itself is not opened where it exists: closing it would drop the locks of other connections of this process.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, LedgerFault> {
    let refuse = |what: &str| {
        Err(LedgerFault::Broken(format!(
            "{} {what}; give the path of a file",
            path.display()
        )))
    };
    let failed = |what: &str, error: io::Error| {
        let text = format!("{} {what}: {error}", path.display());
        if is_full(&error) {
            LedgerFault::Full(text)
        } else {
            LedgerFault::Broken(text)
        }
    };
    if path.file_name().is_none() {
        return refuse("is no file name");
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return refuse("is a directory"),
        Ok(found) if !found.is_file() => return refuse("is a device, a pipe or a socket"),
        Ok(found) if (1..SMALLEST).contains(&found.len()) => return Err(not_a_ledger(path)),
        Ok(_) => {}
        Err(_) if path.is_symlink() => return refuse("is a link to nothing"),
        Err(_) => create(path).map_err(|error| failed("cannot be created", error))?,
    }
    let path = fs::canonicalize(path).map_err(|error| failed("cannot be found", error))?;
    check_names(&path)?;
    check_mount(&path)?;
    Ok(path)
}

pub(super) fn not_a_ledger(path: &Path) -> LedgerFault {
    LedgerFault::Broken(format!(
        "{} is not a ledger, but a file of another kind, and is left as it is; choose another path",
        path.display()
    ))
}

fn create(path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder)?;
    match private(OpenOptions::new().write(true).create_new(true)).open(path) {
        Ok(_) => sync(folder),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Restricts the ledger's files to their owner, where the file system knows owners.
pub(super) fn restrict(path: &Path) {
    #[cfg(unix)]
    for suffix in ["", "-wal", "-shm"] {
        use std::os::unix::fs::PermissionsExt;
        let path = sibling(path, suffix);
        if fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            drop(fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// SQLite's other files are found by the name of the file, so a second name would be a second set of them.
#[cfg(unix)]
fn check_names(path: &Path) -> Result<(), LedgerFault> {
    let names = fs::metadata(path).map_or(1, |found| std::os::unix::fs::MetadataExt::nlink(&found));
    if names <= 1 {
        return Ok(());
    }
    Err(LedgerFault::Broken(format!(
        "{} has {names} names (hard links), under which it cannot be shared safely; keep one of them",
        path.display()
    )))
}

#[cfg(not(unix))]
fn check_names(_: &Path) -> Result<(), LedgerFault> {
    Ok(())
}

fn check_mount(path: &Path) -> Result<(), LedgerFault> {
    match Mount::of(path).and_then(|mount| unfit(&mount, path)) {
        None => Ok(()),
        Some(why) => Err(LedgerFault::Broken(format!("{} {why}", path.display()))),
    }
}

/// Why processes cannot share a file there.
fn unfit(mount: &Mount, path: &Path) -> Option<String> {
    if mount.point == path {
        return Some(
            "is mounted alone, so that the files beside it cannot be shared; mount its folder instead"
                .to_owned(),
        );
    }
    mount.is_network().then(|| {
        let kind = &mount.kind;
        format!("cannot be shared safely: it is on a network file system ({kind}), where SQLite's locks do not work; choose a local disk")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_unfit(mounts: &[u8], path: &Path) -> String {
        let why = Mount::find(mounts, path).and_then(|mount| unfit(&mount, path));
        why.unwrap_or_default()
    }

    #[test]
    fn mounts_tell_where_a_ledger_cannot_be_shared() {
        let mounts = "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
            40 22 0:50 / /mnt/nas rw - nfs4 nas:/volume rw\n\
            41 40 259:1 /x /mnt/nas/local rw shared:2 - xfs /dev/vdb rw\n\
            42 22 0:51 / /mnt/with\\040space rw - cifs //nas/share rw\n\
            43 22 259:1 /a /data/downloads.db rw - ext4 /dev/vda rw\n\
            44 22 0:52 / /mnt/twice rw - nfs nas:/volume rw\n\
            45 22 0:53 / /mnt/twice rw - tmpfs tmpfs rw\n";
        for (path, expected) in [
            ("/home/downloads.db", ""),
            ("/mnt/nas/downloads.db", "(nfs4)"),
            ("/mnt/nas/local/downloads.db", ""),
            ("/mnt/nasty/downloads.db", ""),
            ("/mnt/with space/downloads.db", "(cifs)"),
            ("/data/downloads.db", "mounted alone"),
            ("/data/downloads.db2", ""),
            ("/mnt/twice/downloads.db", ""),
        ] {
            let why = why_unfit(mounts.as_bytes(), Path::new(path));
            assert_eq!(why.is_empty(), expected.is_empty(), "{path}: {why}");
            assert!(why.contains(expected), "{path}: {why}");
        }
        assert_eq!(why_unfit(b"", Path::new("/a")), "");
    }

    #[cfg(unix)]
    #[test]
    fn mount_whose_name_is_not_utf8_hides_no_other() {
        use std::os::unix::ffi::OsStrExt;
        let mounts = b"40 22 0:50 / /mnt/\xce\xc4 rw - nfs4 nas:/volume rw\n\
            41 22 0:51 / /mnt/nas rw - cifs //nas/share rw\n";
        for (path, expected) in [
            (&b"/mnt/nas/downloads.db"[..], "(cifs)"),
            (b"/mnt/\xce\xc4/downloads.db", "(nfs4)"),
        ] {
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            let why = why_unfit(mounts, path);
            assert!(why.contains(expected), "{path:?}: {why}");
        }
    }
}
