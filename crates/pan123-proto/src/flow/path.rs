//! Paths of the drive, such as `/videos/2026`.

use std::collections::VecDeque;

use super::names::is_default_dir;
use crate::error::{BuildError, PathFault};
use crate::ids::Parent;
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

/// Checks the names of folders that have to be created, the first in `parent` and each of the others in the one before it.
pub(super) fn check_new_dirs(
    path: &str,
    parent: Parent,
    names: &VecDeque<String>,
) -> Result<(), BuildError> {
    if parent == Parent::Root && names.front().is_some_and(|name| is_default_dir(name)) {
        return Err(path_error(path, PathFault::NoDefaultDir));
    }
    for name in names {
        check_file_name(name).map_err(|fault| {
            let name = quoted(name);
            path_error(path, PathFault::Missing { name, fault })
        })?;
    }
    Ok(())
}

fn path_error(path: &str, fault: PathFault) -> BuildError {
    BuildError::Path {
        given: quoted(path),
        fault,
    }
}

fn quoted(text: &str) -> String {
    /// The maximum number of characters.
    const MAX_QUOTED: usize = 300;
    text.chars().take(MAX_QUOTED).collect()
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
    fn new_folder_that_the_service_would_reject_is_an_error() {
        let check = |parent, names: &[&str]| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            check_new_dirs("/the/path", parent, &names)
        };
        let long = "x".repeat(256);
        for (names, text) in [
            (
                ["a", "b:c"],
                "the path \"/the/path\" cannot be created: its folder \"b:c\" does not exist, and the name contains ':'",
            ),
            (
                ["a\u{7}", "b"],
                "the name has the invisible character U+0007",
            ),
            (["a", &long], "the name has 256 characters"),
            (["来自:离线下载", "a"], "the service creates it"),
            (["来自：离线下载", "a"], "the service creates it"),
        ] {
            let error = check(Parent::Root, &names).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        check(Parent::Root, &["视频", "2026"]).unwrap();
        check(Parent::from_number(7), &["来自：离线下载"]).unwrap();
    }
}
