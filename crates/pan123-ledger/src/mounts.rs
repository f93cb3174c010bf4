//! The file system that a path is on, by Linux's list of mounts.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a file system is mounted, and its kind, such as `ext4`.
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
}

impl Mount {
    /// Returns the one that a path without links is on, if that can be seen.
    pub(crate) fn of(path: &Path) -> Option<Mount> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        Mount::find(&fs::read("/proc/self/mountinfo").ok()?, path)
    }

    /// One with a name that is not UTF-8 does not hide the others.
    pub(crate) fn find(mounts: &[u8], path: &Path) -> Option<Mount> {
        let mounts = String::from_utf8_lossy(mounts);
        let path = Path::new(&*path.to_string_lossy()).to_owned();
        let mut nearest: Option<Mount> = None;
        for line in mounts.lines() {
            let (mount, source) = line.split_once(" - ")?;
            let point = PathBuf::from(unescaped(mount.split(' ').nth(4)?));
            let depth = |path: &Path| path.components().count();
            // A later mount at the same place hides the earlier one.
            let is_nearer = nearest
                .as_ref()
                .is_none_or(|nearest| depth(&point) >= depth(&nearest.point));
            if path.starts_with(&point) && is_nearer {
                let kind = source.split(' ').next()?.to_owned();
                nearest = Some(Mount { point, kind });
            }
        }
        nearest
    }

    pub(crate) fn is_network(&self) -> bool {
        NETWORK.contains(&&*self.kind)
    }
}

/// File systems of other machines, where locks may have no effect.
const NETWORK: [&str; 18] = [
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb2",
    "smb3",
    "smbfs",
];

/// Spaces and the like stand there as a backslash and three octal digits.
fn unescaped(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (escape, plain)| {
        path.replace(escape, plain)
    })
}
