//! Paths of the drive, such as `/videos/2026`.

use crate::error::{BuildError, PathFault};
use crate::wire::file_name::check_file_name;

/// Splits a path into names, from the root down. Leading, trailing and doubled slashes are ignored.
pub(super) fn split_path(path: &str) -> Result<Vec<String>, BuildError> {
    let names: Vec<String> = path
        .split('/')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(path_error(path, PathFault::Root));
    }
    if names.iter().any(|name| name == "." || name == "..") {
        return Err(path_error(path, PathFault::Relative));
    }
    Ok(names)
}

/// Splits a path of folders that the service would accept.
pub(super) fn split_dir_path(path: &str) -> Result<Vec<String>, BuildError> {
    let names = split_path(path)?;
    for name in &names {
        check_file_name(name).map_err(|fault| path_error(path, PathFault::Name(fault)))?;
    }
    Ok(names)
}

fn path_error(path: &str, fault: PathFault) -> BuildError {
    /// The maximum number of characters to quote.
    const MAX_QUOTED: usize = 300;
    BuildError::Path {
        given: path.chars().take(MAX_QUOTED).collect(),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_split_at_slashes() {
        for path in ["/videos/2026", "videos/2026/", "//videos//2026"] {
            assert_eq!(split_path(path).unwrap(), ["videos", "2026"], "{path}");
        }
        assert_eq!(split_path(" a /b").unwrap(), [" a ", "b"]);
        assert_eq!(split_path("/来自:离线下载").unwrap(), ["来自:离线下载"]);
    }

    #[test]
    fn root_and_relative_paths_are_errors() {
        for (path, text) in [
            ("", "the path \"\" names the root"),
            ("//", "the path \"//\" names the root"),
            ("/a/../b", "contains `.` or `..`"),
            ("./a", "contains `.` or `..`"),
        ] {
            let error = split_path(path).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn folder_name_that_the_service_would_reject_is_an_error() {
        for (path, text) in [
            ("/a/b:c", "one of its names contains ':'"),
            ("/a\u{7}", "one of its names contains '\\u{7}'"),
            (
                &format!("/{}", "x".repeat(256)),
                "one of its names has 256 characters",
            ),
        ] {
            let error = split_dir_path(path).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert_eq!(split_dir_path("/视频/2026").unwrap(), ["视频", "2026"]);
    }
}
