//! The files of a web page, from the same origin as the calls.

use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use tokio::fs;

/// A page's files: those of a folder of the user's, or what is built in.
#[derive(Clone, Debug)]
pub(super) enum Site {
    Folder(PathBuf),
    BuiltIn,
}

/// A file that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StaticFile {
    pub(super) content_type: &'static str,
    pub(super) content: Vec<u8>,
}

/// The built-in files by path.
const BUILT_IN: [(&str, &str); 3] = [
    ("index.html", include_str!("page/index.html")),
    ("page.css", include_str!("page/page.css")),
    ("page.js", include_str!("page/page.js")),
];

/// A file is read whole.
const MAX_FILE: u64 = 32 << 20;

impl Site {
    /// The files of a folder.
    ///
    /// # Errors
    ///
    /// If there is no such folder.
    pub(super) fn folder(folder: &Path) -> io::Result<Site> {
        let folder = folder.canonicalize()?;
        if folder.is_dir() {
            Ok(Site::Folder(folder))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Returns the file at the path of a request, if there is one.
    pub(super) async fn file(&self, path: &str) -> Option<StaticFile> {
        let name = file_name(path)?;
        let content = match self {
            Site::Folder(folder) => read(folder, &name).await?,
            Site::BuiltIn => {
                let file = BUILT_IN.iter().find(|(file, _)| *file == name)?;
                file.1.as_bytes().to_vec()
            }
        };
        Some(StaticFile {
            content_type: content_type(&name),
            content,
        })
    }
}

/// Returns the relative name of the file at a path. Nothing outside the folder has one, and no hidden file.
fn file_name(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let path = path.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') {
        format!("{path}index.html")
    } else {
        path.to_owned()
    };
    let is_good = |name: &str| {
        !name.is_empty() && !name.starts_with('.') && !name.contains(['\\', ':', '\0'])
    };
    path.split('/').all(is_good).then_some(path)
}

/// A link that leads out of the folder is not followed.
async fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let path = fs::canonicalize(folder.join(name)).await.ok()?;
    if !path.starts_with(folder) {
        return None;
    }
    let metadata = fs::metadata(&path).await.ok()?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return None;
    }
    fs::read(&path).await.ok()
}

const CONTENT_TYPES: [(&str, &str); 18] = [
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("appcache", "text/cache-manifest"),
    ("txt", "text/plain; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
];

fn content_type(name: &str) -> &'static str {
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let known = CONTENT_TYPES
        .iter()
        .find(|(known, _)| Some(*known) == extension.as_deref());
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_the_folder_are_files() {
        for (path, name) in [
            ("/", Some("index.html")),
            ("/js/", Some("js/index.html")),
            ("/a%20b+c&d=e.js", Some("a b+c&d=e.js")),
            ("/%E5%BD%B1.png", Some("影.png")),
            ("/../x", None),
            ("/a/../x", None),
            ("/%2e%2e/x", None),
            ("/..%2fx", None),
            ("/a//x", None),
            ("//x", None),
            ("/.git/config", None),
            ("/a/.env", None),
            ("/a\\..\\x", None),
            ("/C:/x", None),
            ("/a%00", None),
            ("/%ff", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(file_name(path).as_deref(), name, "{path}");
        }
    }

    #[tokio::test]
    async fn files_of_a_folder_are_served_with_their_types() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("ui");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(outer.path().join("secret.txt"), "secret").unwrap();
        std::fs::write(folder.join("index.html"), "<p>").unwrap();
        std::fs::write(folder.join("a.JS"), "1").unwrap();
        std::fs::write(folder.join("plain"), "2").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outer.path().join("secret.txt"), folder.join("link.txt"))
            .unwrap();
        let site = Site::folder(&folder).unwrap();
        for (path, found) in [
            ("/", Some(("text/html; charset=utf-8", "<p>"))),
            ("/a.JS", Some(("text/javascript; charset=utf-8", "1"))),
            ("/plain", Some(("application/octet-stream", "2"))),
            ("/none", None),
            ("/../secret.txt", None),
            ("/link.txt", None),
        ] {
            let file = site.file(path).await;
            let file =
                file.map(|file| (file.content_type, String::from_utf8(file.content).unwrap()));
            let file = file
                .as_ref()
                .map(|(content_type, content)| (*content_type, content.as_str()));
            assert_eq!(file, found, "{path}");
        }
        assert!(Site::folder(&folder.join("none")).is_err());
        assert!(Site::folder(&folder.join("plain")).is_err());
        assert_eq!(Site::BuiltIn.file("/no-such-file").await, None);
    }
}
