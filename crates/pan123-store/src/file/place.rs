//! Where the files of a store are. Links are followed, and a path that cannot hold a token is refused before anything is opened
//! or created: opening a pipe waits for a writer, and replacing a device removes it.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{self, Path, PathBuf};

use super::Fault;

/// How many links are followed, as on Linux.
const MAX_LINKS: usize = 40;

/// The token file and the files beside it, as absolute paths. None of them need exist.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub token: PathBuf,
    pub lock: PathBuf,
    /// What replaces the token file.
    pub new: PathBuf,
}

impl Place {
    /// Finds the files of the store with this path.
    pub(super) fn find(path: &Path) -> Result<Place, Fault> {
        let path = absolute(path)?;
        if let Ok(found) = fs::metadata(&path) {
            // A pipe or a socket may be reached through a link that cannot be read as a path.
            check_kind(&path, &found)?;
        }
        let token = follow(&path)?;
        check_is_file(&token)?;
        check_directories(&token)?;
        let place = Place {
            lock: beside(&token, ".lock"),
            new: beside(&token, ".new"),
            token,
        };
        check_is_free(&place.lock, fs::metadata(&place.lock))?;
        // A process that was killed leaves a file, which is removed. Anything else is somebody's, a link as well.
        check_is_free(&place.new, fs::symlink_metadata(&place.new))?;
        Ok(place)
    }

    /// Returns the directory of the files.
    pub(super) fn directory(&self) -> &Path {
        self.token.parent().unwrap_or(&self.token)
    }
}

/// The path of a file beside the token file: its name with this suffix.
fn beside(token: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(token.file_name().unwrap_or_default());
    name.push(suffix);
    token.with_file_name(name)
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    if path.as_os_str().is_empty() {
        return Err(Fault::lasting(
            "the path of the token file is empty; give the path of a file, which need not exist"
                .to_owned(),
        ));
    }
    check_names_file(path)?;
    path::absolute(path).map_err(|error| {
        let what = "is relative to a working directory that cannot be found";
        Fault::io(what, path, &error)
    })
}

/// Refuses a path that names a directory even if nothing is there: one that ends in a separator, `.` or `..`.
fn check_names_file(path: &Path) -> Result<(), Fault> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let last = bytes
        .rsplit(|byte| path::is_separator(char::from(*byte)))
        .next();
    if path.file_name().is_none() || matches!(last, Some(b"" | b".")) {
        return Err(is_directory(path));
    }
    Ok(())
}

/// Returns where the links at this path lead, which need not exist.
fn follow(path: &Path) -> Result<PathBuf, Fault> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let is_link = fs::symlink_metadata(&target).is_ok_and(|found| found.is_symlink());
        if !is_link {
            return Ok(target);
        }
        let link = fs::read_link(&target)
            .map_err(|error| Fault::io("cannot be followed", &target, &error))?;
        target.pop();
        target.push(link);
        check_names_file(&target)?;
    }
    Err(Fault::lasting(format!(
        "{} is a link that leads back to itself, or through more than {MAX_LINKS} links; let it lead to a file",
        path.display()
    )))
}

/// Refuses anything but a file, or nothing.
fn check_is_file(path: &Path) -> Result<(), Fault> {
    match fs::metadata(path) {
        Ok(found) => check_kind(path, &found),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(Fault::io("cannot be used", path, &error)),
    }
}

fn check_kind(path: &Path, found: &Metadata) -> Result<(), Fault> {
    if found.is_file() {
        Ok(())
    } else if found.is_dir() {
        Err(is_directory(path))
    } else {
        Err(Fault::lasting(format!(
            "{} is not a file, but a device, a pipe or a socket; choose another path",
            path.display()
        )))
    }
}

/// Refuses anything but a file, or nothing, where the store has a file of its own.
fn check_is_free(path: &Path, found: io::Result<Metadata>) -> Result<(), Fault> {
    match found {
        Ok(found) if !found.is_file() => Err(Fault::lasting(format!(
            "{} is not a file, and the store has a file of this name beside the token; move it away, or choose another path for \
             the token",
            path.display()
        ))),
        Err(error) if !is_absent(&error) => Err(Fault::io("cannot be used", path, &error)),
        _ => Ok(()),
    }
}

/// Refuses a file, or a link that leads nowhere, where a directory should be.
fn check_directories(token: &Path) -> Result<(), Fault> {
    let there = token
        .ancestors()
        .skip(1)
        .find(|path| path.symlink_metadata().is_ok());
    match there {
        Some(path) if !path.is_dir() => Err(Fault::lasting(format!(
            "{} is not a directory, so {} cannot be in it; choose another path",
            path.display(),
            token.display()
        ))),
        _ => Ok(()),
    }
}

fn is_directory(path: &Path) -> Fault {
    Fault::lasting(format!(
        "{} names a directory, and a token is stored in a file; give the path of a file, which need not exist, such as {}",
        path.display(),
        path.join("token.json").display()
    ))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
