//! The store in a file.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

/// The maximum size of a token file: reading stops there.
const MAX_BYTES: u64 = 64 * 1024;

/// Stores the token of one account in a JSON file.
///
/// The file is replaced atomically, so that a process that is killed at any time leaves it intact, and only its owner can read and
/// write it: wider permissions are tightened when it is read. Processes lock a second file beside it, of the same name with
/// `.lock` at the end; the system releases the lock when a process ends. Directories that do not exist are created. A file that
/// holds something else, or the token of another account, is an error and is left as it is.
///
/// Use a local disk: network file systems do not always honour locks.
///
/// ```
/// use pan123_blocking::Client;
/// use pan123_store::FileStore;
///
/// let store = FileStore::new("/var/lib/my-bot/pan123-token.json");
/// let client = Client::builder()
///     .credentials("client id", "client secret")
///     .token_store(store) // read and written from the first call on
///     .build()?;
/// # drop(client);
/// # Ok::<(), pan123_blocking::BuildError>(())
/// ```
#[doc(alias = "令牌")]
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
}

impl FileStore {
    /// Creates a store in this file, which need not exist. Nothing is read or written yet.
    pub fn new(path: impl Into<PathBuf>) -> FileStore {
        FileStore { path: path.into() }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file beside the token file: its name with this suffix.
    fn sibling(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(self.path.file_name().unwrap_or_default());
        name.push(suffix);
        self.path.with_file_name(name)
    }
}

impl TokenStore for FileStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(Open {
            store: self.clone(),
            account: account.clone(),
            lock: None,
        })
    }
}

struct Open {
    store: FileStore,
    account: Account,
    /// The locked file. Closing it releases the lock.
    lock: Option<File>,
}

impl OpenTokenStore for Open {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        let result = match op {
            StoreOp::Load => self.load().map(StoreResult::Loaded),
            StoreOp::Lock => self.lock(),
            StoreOp::Save(token) => self.save(&token).map(|()| StoreResult::Saved),
            StoreOp::Unlock => {
                self.lock = None;
                Ok(StoreResult::Unlocked)
            }
            other => Ok(other.unsupported()),
        };
        result.unwrap_or_else(StoreResult::Failed)
    }
}

impl Open {
    fn load(&self) -> Result<Option<StoredToken>, String> {
        let path = &self.store.path;
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure("cannot be read", path, error)),
        };
        let mut json = Vec::new();
        (&file)
            .take(MAX_BYTES)
            .read_to_end(&mut json)
            .map_err(|error| failure("cannot be read", path, error))?;
        // The parser's message would quote the file, which may hold a token: only the position is given.
        let token: StoredToken = serde_json::from_slice(&json).map_err(|error| {
            let position = format!("line {} column {}", error.line(), error.column());
            failure("is not a token file of this crate", path, position)
        })?;
        if *token.account() != self.account {
            let owner = format!("it is of {}, not of {}", token.account(), self.account);
            return Err(failure("holds another account's token", path, owner));
        }
        tighten(&file).map_err(|error| failure("cannot be made private", path, error))?;
        Ok(Some(token))
    }

    fn lock(&mut self) -> Result<StoreResult, String> {
        if self.lock.is_some() {
            return Ok(StoreResult::Locked);
        }
        let path = self.store.sibling(".lock");
        let failed = |error| failure("cannot be locked", &path, error);
        if let Some(directory) = self.store.path.parent() {
            create_directory(directory)
                .map_err(|error| failure("cannot be created", directory, error))?;
        }
        let file = private_file()
            .write(true)
            .create(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some(file);
                Ok(StoreResult::Locked)
            }
            Err(TryLockError::WouldBlock) => Ok(StoreResult::Busy),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn save(&self, token: &StoredToken) -> Result<(), String> {
        let path = &self.store.path;
        let failed = |error: io::Error| failure("cannot be written", path, error);
        if self.lock.is_none() {
            return Err(failure(
                "cannot be written",
                path,
                "the store is not locked",
            ));
        }
        // Only the holder of the lock writes, so one name is enough, and what a killed process left behind is removed.
        let new = self.store.sibling(".new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let directory = new.parent().unwrap_or(Path::new("."));
        let name = new.file_name().unwrap_or_default();
        let mut file = tempfile::Builder::new()
            .prefix(name)
            .rand_bytes(0)
            .tempfile_in(directory)
            .map_err(failed)?;
        let mut json = serde_json::to_vec_pretty(token)
            .map_err(io::Error::other)
            .map_err(failed)?;
        json.push(b'\n');
        file.write_all(&json).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn failure(what: &str, path: &Path, why: impl Display) -> String {
    format!("{} {what}: {why}", path.display())
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    OpenOptions::new()
}

#[cfg(unix)]
fn create_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn create_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Removes the permissions of the group and of others.
#[cfg(unix)]
fn tighten(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata()?.permissions().mode();
    let narrow = mode & !0o077;
    if mode == narrow {
        return Ok(());
    }
    file.set_permissions(fs::Permissions::from_mode(narrow))
}

/// Elsewhere a file inherits the permissions of its directory.
#[cfg(not(unix))]
fn tighten(_: &File) -> io::Result<()> {
    Ok(())
}
