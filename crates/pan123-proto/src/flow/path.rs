//! Paths of the drive, such as `/videos/2026`.

use crate::error::{BuildError, PathFault};
use crate::wire::file_name::check_file_name;

/// The names of a path, from the root down; slashes at either end and doubled ones do not count.
pub(super) fn names_of(path: &str) -> Result<Vec<String>, BuildError> {
    let names: Vec<String> = path
        .split('/')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(refused(path, PathFault::Root));
    }
    if names.iter().any(|name| name == "." || name == "..") {
        return Err(refused(path, PathFault::Relative));
    }
    Ok(names)
}

/// The same, of folders that can be made.
pub(super) fn dir_names_of(path: &str) -> Result<Vec<String>, BuildError> {
    let names = names_of(path)?;
    for name in &names {
        check_file_name(name).map_err(|fault| refused(path, PathFault::Name(fault)))?;
    }
    Ok(names)
}

fn refused(path: &str, fault: PathFault) -> BuildError {
    /// Enough to know it by.
    const MOST: usize = 300;
    BuildError::Path {
        given: path.chars().take(MOST).collect(),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_between_slashes() {
        for path in ["/videos/2026", "videos/2026/", "//videos//2026"] {
            assert_eq!(names_of(path).unwrap(), ["videos", "2026"], "{path}");
        }
        assert_eq!(names_of(" a /b").unwrap(), [" a ", "b"]);
        assert_eq!(names_of("/来自:离线下载").unwrap(), ["来自:离线下载"]);
    }

    #[test]
    fn what_names_nothing_is_refused_and_says_why() {
        for (path, text) in [
            ("", "the path \"\" names the root"),
            ("//", "the path \"//\" names the root"),
            ("/a/../b", "contains `.` or `..`"),
            ("./a", "contains `.` or `..`"),
        ] {
            let error = names_of(path).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_folder_that_the_service_would_refuse_is_not_asked_for() {
        for (path, text) in [
            ("/a/b:c", "one of its names contains ':'"),
            ("/a\u{7}", "one of its names contains '\\u{7}'"),
            (
                &format!("/{}", "x".repeat(256)),
                "one of its names has 256 characters",
            ),
        ] {
            let error = dir_names_of(path).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert_eq!(dir_names_of("/视频/2026").unwrap(), ["视频", "2026"]);
    }
}
