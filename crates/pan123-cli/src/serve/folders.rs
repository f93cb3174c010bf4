//! Folders of the drive, as clients name them.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use pan123_async::{Client, DirId, Error, Parent};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::mirror::DEFAULT_DIR;
use super::rpc::RpcError;

/// How long a folder counts as there after it was found.
const FRESH: Duration = Duration::from_secs(600);
/// How many folders are remembered.
const MAX_REMEMBERED: usize = 1000;
/// How many folders of a folder are told at most.
const MAX_LISTED: usize = 500;
/// How long a client waits for a folder at most.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a folder of clients is in the drive: `--map-dir FROM=TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MappedDir {
    from: String,
    to: String,
}

impl FromStr for MappedDir {
    type Err = String;

    fn from_str(text: &str) -> Result<MappedDir, String> {
        let (from, to) = text
            .split_once('=')
            .ok_or("write it as FROM=TO, such as /downloads=/videos")?;
        if from.is_empty() {
            return Err(
                "FROM is empty: name the folder that clients use, such as /downloads".to_owned(),
            );
        }
        Ok(MappedDir {
            from: from.trim_end_matches(['/', '\\']).to_owned(),
            to: drive_path(to)?,
        })
    }
}

impl MappedDir {
    /// Returns what a folder is in the drive, if it is this one or below it.
    fn apply(&self, dir: &str) -> Option<String> {
        let rest = dir.strip_prefix(&self.from)?;
        if !rest.is_empty() && !rest.starts_with(['/', '\\']) {
            return None;
        }
        // Windows separates folders by `\`, which no name of the drive has.
        Some(format!("{}/{}", self.to, rest.replace('\\', "/")))
    }
}

/// Returns a path in the drive in its plain form.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn drive_path(dir: &str) -> Result<String, String> {
    let names: Vec<&str> = dir.split('/').filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Err(
            "123pan saves no downloads to the root folder: name a folder in it, such as /downloads"
                .to_owned(),
        );
    }
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(format!(
            "the folder {dir:?} has `.` or `..` in it: name it from the root of the drive"
        ));
    }
    Ok(format!("/{}", names.join("/")))
}

/// Finds and makes folders of the drive.
#[derive(Debug)]
pub(super) struct Folders {
    client: Client,
    mapped: Vec<MappedDir>,
    /// One is looked for at a time: two at once would make it twice.
    found: Mutex<HashMap<String, (DirId, Instant)>>,
}

impl Folders {
    pub(super) fn new(client: Client, mut mapped: Vec<MappedDir>) -> Folders {
        // The longest goes first.
        mapped.sort_by_key(|mapped| std::cmp::Reverse(mapped.from.len()));
        Folders {
            client,
            mapped,
            found: Mutex::default(),
        }
    }

    /// Returns the folder that clients name so, and makes it if it is missing; none for the service's own.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if the name is none, or the service does not find or make it.
    pub(super) async fn find(&self, dir: &str) -> Result<Option<DirId>, RpcError> {
        if let Some(id) = dir.strip_prefix("id:") {
            return Ok(Some(id.parse()?));
        }
        let path = self.path(dir).map_err(RpcError::new)?;
        if path == DEFAULT_DIR {
            return Ok(None);
        }
        let Ok(found) = timeout(TIMEOUT, self.find_path(&path)).await else {
            return Err(RpcError::new(format!(
                "the folder {path} was not found in {} s: 123pan does not answer",
                TIMEOUT.as_secs()
            )));
        };
        found
            .map(Some)
            .map_err(|error| RpcError::new(format!("the folder {path} cannot be used: {error}")))
    }

    /// Returns the names of the folders in a folder of the drive, at most [`MAX_LISTED`].
    ///
    /// # Errors
    ///
    /// [`RpcError`] if the service does not list it.
    pub(super) async fn list(&self, dir: &str) -> Result<Vec<String>, RpcError> {
        let failed = |error: Error| RpcError::new(format!("{dir:?} cannot be listed: {error}"));
        let files = self.client.files();
        let parent = if dir.trim_matches('/').is_empty() {
            Parent::Root
        } else {
            match files
                .find(dir)
                .await
                .map_err(failed)?
                .and_then(|entry| entry.dir())
            {
                Some(dir) => dir.into(),
                None => return Ok(Vec::new()),
            }
        };
        let mut names = Vec::new();
        let mut listing = files.list(parent);
        while names.len() < MAX_LISTED
            && let Some(entry) = listing.next().await
        {
            match entry {
                Ok(entry) if entry.dir().is_some() => names.push(entry.name),
                Ok(_) | Err(Error::UnreadableRow(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(names)
    }

    /// Checks whether clients may name a folder so.
    pub(super) fn check(&self, dir: &str) -> Result<(), RpcError> {
        self.path(dir).map(drop).map_err(RpcError::new)
    }

    fn path(&self, dir: &str) -> Result<String, String> {
        let mapped = self.mapped.iter().find_map(|mapped| mapped.apply(dir));
        let path = drive_path(mapped.as_deref().unwrap_or(dir))?;
        if path.contains(['\\', ':']) && path != DEFAULT_DIR {
            return Err(format!(
                "{dir:?} is no folder of the drive: choose one such as /downloads, or start the service with --map-dir {dir:?}=/FOLDER"
            ));
        }
        Ok(path)
    }

    async fn find_path(&self, path: &str) -> Result<DirId, Error> {
        let mut found = self.found.lock().await;
        let remembered = found.get(path).filter(|(_, at)| at.elapsed() < FRESH);
        if let Some(&(dir, _)) = remembered {
            return Ok(dir);
        }
        let dir = self.client.files().ensure_dir(path).await?;
        if found.len() >= MAX_REMEMBERED {
            found.clear();
        }
        found.insert(path.to_owned(), (dir, Instant::now()));
        Ok(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(mapped: &[&str]) -> Folders {
        let client = Client::builder().access_token("token").build().unwrap();
        let mapped = mapped.iter().map(|mapped| mapped.parse().unwrap());
        Folders::new(client, mapped.collect())
    }

    #[test]
    fn folders_of_clients_are_mapped_to_those_of_the_drive() {
        let folders = folders(&[
            "/downloads=/media",
            "/downloads/tv/=tv//shows/",
            "C:\\Down=/pc",
            "/=/aria2",
        ]);
        for (dir, path) in [
            ("/downloads", "/media"),
            ("/downloads/", "/media"),
            ("/downloads/films", "/media/films"),
            ("/downloads/tv", "/tv/shows"),
            ("/downloads/tv/x", "/tv/shows/x"),
            ("/downloads2", "/aria2/downloads2"),
            ("C:\\Down\\a\\b", "/pc/a/b"),
            ("videos", "/videos"),
        ] {
            assert_eq!(folders.path(dir).as_deref(), Ok(path), "{dir}");
        }
    }

    #[test]
    fn what_is_no_folder_of_the_drive_is_refused() {
        let folders = folders(&[]);
        assert_eq!(
            folders.path("//videos/2026/").as_deref(),
            Ok("/videos/2026")
        );
        assert_eq!(folders.path(DEFAULT_DIR).as_deref(), Ok(DEFAULT_DIR));
        for (dir, text) in [
            ("/", "root folder"),
            ("", "root folder"),
            ("/a/../b", "`.` or `..`"),
            ("C:\\Users\\me", "--map-dir"),
        ] {
            let error = folders.path(dir).unwrap_err();
            assert!(error.contains(text), "{dir}: {error}");
        }
    }

    #[test]
    fn a_mapping_needs_two_folders() {
        for (mapping, text) in [
            ("/downloads", "FROM=TO"),
            ("=/x", "FROM is empty"),
            ("/x=", "root folder"),
            ("/x=/", "root folder"),
        ] {
            let error = mapping.parse::<MappedDir>().unwrap_err();
            assert!(error.contains(text), "{mapping}: {error}");
        }
    }

    #[tokio::test]
    async fn a_folder_may_be_named_by_its_id() {
        let folders = folders(&["/=/aria2"]);
        let dir = folders.find("id:123").await.unwrap();
        assert_eq!(dir, Some(DirId::new(123).unwrap()));
        for dir in ["id:0", "id:x", "id:"] {
            folders.find(dir).await.unwrap_err();
        }
    }
}
