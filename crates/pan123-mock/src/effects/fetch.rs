//! Fetches the source of a task.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tempfile::NamedTempFile;

use super::{TaskReporter, agent};
use crate::service::{RETRYING, RUNNING, TaskEnd, numbered_name, shortened_name};

/// Redirects are followed only if requests may leave this machine.
const MAX_REDIRECTS: u32 = 5;

/// Why a fetch failed.
struct Failure {
    reason: String,
    /// Whether a retry may succeed.
    transient: bool,
}

impl Failure {
    fn transient(error: &dyn ToString) -> Self {
        Self {
            reason: error.to_string(),
            transient: true,
        }
    }

    fn permanent(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: false,
        }
    }
}

/// Fetches a source and reports progress and result to its task.
pub(super) fn fetch(reporter: &TaskReporter, url: &str, name: &str) {
    let network = &reporter.effects.network;
    let mut retries_left = network.fetch_retries;
    while reporter.is_current() {
        match attempt(reporter, url, name) {
            Ok(size) => return reporter.end_fetch(TaskEnd::Succeeded { size }),
            Err(Failure {
                transient: true, ..
            }) if retries_left > 0 => {
                retries_left -= 1;
                if !reporter.set_fetch_progress(0.0, RETRYING) {
                    return;
                }
                thread::sleep(network.fetch_pause);
            }
            Err(Failure { reason, .. }) => return reporter.end_fetch(TaskEnd::Failed { reason }),
        }
    }
}

fn attempt(reporter: &TaskReporter, url: &str, name: &str) -> Result<u64, Failure> {
    let network = &reporter.effects.network;
    let redirects = if network.remote { MAX_REDIRECTS } else { 0 };
    let response = agent(network.fetch_timeout, redirects).get(url).call();
    let response = response.map_err(|error| Failure::transient(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure {
            reason: format!("HTTP {}", status.as_u16()),
            transient: status.is_server_error(),
        });
    }
    let total = response.body().content_length();
    let source = Source {
        total,
        reader: response.into_body().into_reader(),
        limit: network.fetch_limit,
    };
    let report = |percent| reporter.set_fetch_progress(percent, RUNNING);
    let Some(directory) = &network.directory else {
        return source.copy_to(&mut io::sink(), report);
    };
    let mut file = temp_file_in(directory).map_err(|error| disk_error(&error))?;
    let _part = reporter.effects.partial_files.enter(file.path());
    let bytes = source.copy_to(&mut file, report)?;
    let name = format!("{}-{name}", reporter.task);
    persist(file, directory, &name).map_err(|error| disk_error(&error))?;
    Ok(bytes)
}

/// The temporary files of running fetches, which are removed if the program ends before they are complete.
#[derive(Default)]
pub(super) struct PartialFiles(Mutex<BTreeSet<PathBuf>>);

impl PartialFiles {
    /// Registers a file until the returned guard is dropped.
    fn enter(&self, path: &Path) -> PartialFile<'_> {
        self.lock().insert(path.to_owned());
        PartialFile(self, path.to_owned())
    }

    #[cfg(feature = "program")]
    pub(super) fn remove(&self) {
        for path in std::mem::take(&mut *self.lock()) {
            // It may just have been renamed.
            let _ = std::fs::remove_file(path);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct PartialFile<'a>(&'a PartialFiles, PathBuf);

impl Drop for PartialFile<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

struct Source<R> {
    reader: R,
    total: Option<u64>,
    limit: u64,
}

impl<R: Read> Source<R> {
    /// Copies the source to its end and returns its length. `report` takes the percentage and returns false if the fetch is to stop.
    fn copy_to(self, to: &mut impl Write, report: impl Fn(f64) -> bool) -> Result<u64, Failure> {
        let too_long = || Failure::permanent(format!("longer than {} bytes", self.limit));
        if self.total.is_some_and(|total| total > self.limit) {
            return Err(too_long());
        }
        let mut buffer = vec![0; 64 * 1024];
        let mut done = 0;
        let mut reader = self.reader;
        loop {
            // A body shorter than its `Content-Length` is an error here.
            let read = reader
                .read(&mut buffer)
                .map_err(|error| Failure::transient(&error))?;
            if read == 0 {
                return Ok(done);
            }
            done += read as u64;
            if done > self.limit {
                return Err(too_long());
            }
            to.write_all(&buffer[..read])
                .map_err(|error| disk_error(&error))?;
            if !report(self.total.map_or(0.0, |total| percent(done, total))) {
                return Err(Failure::permanent("the fetch was stopped"));
            }
        }
    }
}

/// Rounds down to hundredths.
fn percent(done: u64, total: u64) -> f64 {
    let hundredths = u128::from(done) * 10_000 / u128::from(total.max(1));
    f64::from(u16::try_from(hundredths).unwrap_or(10_000).min(10_000)) / 100.0
}

fn disk_error(error: &io::Error) -> Failure {
    Failure::permanent(format!("cannot be saved: {error}"))
}

/// Renames a complete file to `name`. An existing file is not replaced; the new one gets a numbered name.
fn persist(mut file: NamedTempFile, directory: &Path, name: &str) -> io::Result<()> {
    let name = safe_name(name);
    for number in 0_u32.. {
        let free = match number {
            0 => name.clone(),
            _ => numbered_name(&name, number.into(), false),
        };
        match file.persist_noclobber(directory.join(free)) {
            Ok(_) => return Ok(()),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                file = failed.file;
            }
            Err(failed) => return Err(failed.error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// How the name of a partial file begins and ends.
const PARTIAL: (&str, &str) = (".pan123-mock-", ".part");

/// Creates a partial file. It stays locked until it is complete or the program has ended in any way.
///
/// Temporary files are private to their owner by default; downloads get ordinary permissions.
fn temp_file_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL.0).suffix(PARTIAL.1);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(directory)?;
    // A file system without locks is no reason to fail.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes the partial files that a killed program has left in this directory, but not those that a running one still writes.
#[cfg(feature = "program")]
pub(crate) fn remove_abandoned(directory: &Path) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_partial = name.starts_with(PARTIAL.0) && name.ends_with(PARTIAL.1);
        if is_partial && std::fs::File::open(entry.path())?.try_lock().is_ok() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The most bytes of a name on the disk.
const MAX_NAME: usize = 200;

/// Returns a name without path separators that any file system accepts. A name that is too long keeps its extension.
fn safe_name(name: &str) -> String {
    let safe = |letter: char| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
        letter if letter.is_control() => '_',
        letter => letter,
    };
    let name: String = name.chars().map(safe).collect();
    shortened_name(&name, MAX_NAME, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_cannot_leave_the_directory() {
        assert_eq!(safe_name("7-../../etc/passwd"), "7-.._.._etc_passwd");
        assert_eq!(safe_name("7-a\\b\0c\n"), "7-a_b_c_");
        assert_eq!(safe_name("7-视频.mp4"), "7-视频.mp4");
        assert_eq!(safe_name(&"视".repeat(100)).len(), 198);
        let long = safe_name(&format!("7-{}.mp4", "视".repeat(100)));
        assert!(long.ends_with("视.mp4") && long.len() <= 200, "{long}");
        assert_eq!(safe_name(&format!("a.{}", "b".repeat(300))).len(), 200);
    }

    #[test]
    fn existing_files_are_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["one", "two", "three"] {
            let mut file = temp_file_in(directory.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            persist(file, directory.path(), "7-a").unwrap();
        }
        for (name, text) in [("7-a", "one"), ("7-a(1)", "two"), ("7-a(2)", "three")] {
            let kept = std::fs::read_to_string(directory.path().join(name)).unwrap();
            assert_eq!(kept, text);
        }
    }

    #[test]
    fn percentage_is_at_most_100() {
        let shown =
            [(1, 3), (3, 3), (7, 0), (u64::MAX, 1)].map(|(done, total)| percent(done, total));
        assert_eq!(
            shown.map(|percent| percent.to_string()),
            ["33.33", "100", "100", "100"]
        );
    }
}
