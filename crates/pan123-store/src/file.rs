//! The store in a file.

mod lock;
mod place;
mod slots;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};
use tempfile::NamedTempFile;

use lock::Lock;
use place::Place;

/// The maximum size of a token file. A longer one is not read: something else is in it.
const MAX_BYTES: u64 = 1024 * 1024;
/// How often a file is read that is being written in place.
const MAX_READS: usize = 5;

/// Stores the token of one account in a JSON file.
///
/// The file is replaced atomically and its directory is synced, so that a process that is killed at any time, or a power cut, leaves
/// the old token or the new one. On Unix only its owner can read and write it: wider permissions are tightened when it is read.
/// Directories that do not exist are created. A file that holds something else, or the token of another account, is an error and
/// is left as it is. An empty file holds no token; with OAuth, where a pair must have been lost then, it is an error, until
/// `authorize` has a pair stored.
///
/// A symbolic link is followed: the file that it leads to is read, locked and replaced, and the link stays. A path that cannot
/// hold a token is refused by the first call that needs one, before a token is fetched: a path that is empty or names a directory,
/// a device, a pipe or a socket, and anything but a file where the lock file or the temporary file belongs.
///
/// Processes lock a second file beside it, of the same name with `.lock` at the end, and on Unix the file itself; the system
/// releases the locks when a process ends. Use a local disk: network file systems do not always honour locks.
///
/// A file that cannot be replaced, because it is mounted alone (`docker run -v token.json:/data/token.json`) or because its
/// directory is read-only, is written in place: it then holds two copies of the token with checksums, one of which is whole at any
/// time, and stays so for all processes. Containers that mount the same file share its token. If you can, mount the directory
/// instead: while a file is mounted, nothing outside may replace it.
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
}

impl TokenStore for FileStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(Open {
            store: self.clone(),
            account: account.clone(),
            lock: None,
            folder: Disk,
        })
    }
}

struct Open<F = Disk> {
    store: FileStore,
    account: Account,
    lock: Option<Lock>,
    folder: F,
}

/// What may fail in a folder where the token file cannot be replaced.
trait Folder: Send {
    fn replace(&self, path: &Path, new: NamedTempFile) -> io::Result<File>;

    /// Makes the new entry of a directory last.
    fn sync(&self, directory: &Path) -> io::Result<()>;
}

struct Disk;

impl Folder for Disk {
    fn replace(&self, path: &Path, new: NamedTempFile) -> io::Result<File> {
        Ok(new.persist(path)?)
    }

    #[cfg(unix)]
    fn sync(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl<F: Folder> OpenTokenStore for Open<F> {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        let result = match op {
            StoreOp::Load => self.load(),
            StoreOp::Lock => self.lock(),
            StoreOp::Save(token) => self.save(&token).map(|()| StoreResult::Saved),
            StoreOp::Prepare => self.prepare().map(|()| StoreResult::Prepared),
            StoreOp::Unlock => {
                self.lock = None;
                Ok(StoreResult::Unlocked)
            }
            other => Ok(other.unsupported()),
        };
        result.unwrap_or_else(Fault::into)
    }
}

/// What is in the file.
enum Content {
    Absent,
    /// Nothing but white space or NULs.
    Blank,
    Token(StoredToken),
}

impl<F: Folder> Open<F> {
    fn load(&self) -> Result<StoreResult, Fault> {
        let path = match &self.lock {
            Some(lock) => lock.place().token.clone(),
            None => Place::find(&self.store.path)?.token,
        };
        Ok(match self.read(&path)? {
            Content::Absent => StoreResult::Loaded(None),
            Content::Blank => StoreResult::Lost(format!("{} is empty", path.display())),
            Content::Token(token) => StoreResult::Loaded(Some(token)),
        })
    }

    fn read(&self, path: &Path) -> Result<Content, Fault> {
        // Between two reads a process may have written one copy after the other.
        let mut reads = (0..MAX_READS).map(|_| self.read_once(path));
        let last = reads.find(|content| !matches!(content, Err(fault) if fault.may_be_torn));
        last.unwrap_or_else(|| self.read_once(path))
    }

    fn read_once(&self, path: &Path) -> Result<Content, Fault> {
        let failed = |error| Fault::io("cannot be read", path, &error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Absent),
            Err(error) => return Err(failed(error)),
        };
        let content = read_to_end(&file).map_err(failed)?;
        if content.len() as u64 > MAX_BYTES {
            return Err(Fault::lasting(format!(
                "{} is longer than any token file; choose another path, or move the file away",
                path.display()
            )));
        }
        if is_orphan(path) {
            return Err(Fault::torn(format!(
                "{} was replaced or deleted outside of its mount, and what is saved here would be lost: start the container \
                 again, and mount the directory instead of the file alone",
                path.display()
            )));
        }
        let Some(token) = parse(path, &content)? else {
            return Ok(Content::Blank);
        };
        if *token.account() != self.account {
            return Err(Fault::lasting(format!(
                "{} holds another account's token: it is of {}, not of {}; give each account a file of its own",
                path.display(),
                token.account(),
                self.account
            )));
        }
        tighten(&file).map_err(|error| Fault::io("cannot be made private", path, &error))?;
        Ok(Content::Token(token))
    }

    fn lock(&mut self) -> Result<StoreResult, Fault> {
        if self.lock.is_some() {
            return Ok(StoreResult::Locked);
        }
        let place = Place::find(&self.store.path)?;
        let directory = place.directory();
        create_directory(directory)
            .map_err(|error| Fault::io("cannot be created", directory, &error))?;
        let lock = Lock::take(place)?;
        if let Some(place) = lock.as_ref().map(Lock::place)
            && !place.token.exists()
        {
            // A lock file may be left over in a directory where nothing can be created any more.
            let new = create(place, b"").and_then(NamedTempFile::close);
            new.map_err(|error| unwritable(&place.token, &error))?;
        }
        self.lock = lock;
        Ok(match self.lock {
            Some(_) => StoreResult::Locked,
            None => StoreResult::Busy,
        })
    }

    fn save(&mut self, token: &StoredToken) -> Result<(), Fault> {
        let mut json = serde_json::to_vec_pretty(token)
            .map_err(|error| unwritable(&self.store.path, &error.into()))?;
        json.push(b'\n');
        self.put(&json, |file, content| {
            for (offset, bytes) in slots::writes(content, token)? {
                write_at(file, offset, &bytes)?;
            }
            Ok(())
        })
    }

    /// Does all that a save does, and leaves the file without a token.
    fn prepare(&mut self) -> Result<(), Fault> {
        let place = self.locked_place()?;
        let blank = vec![0; 2 * slots::SIZE];
        match self.read(&place.token)? {
            Content::Absent => create(&place, &blank)
                .and_then(NamedTempFile::close)
                .map_err(|error| unwritable(&place.token, &error)),
            Content::Blank => self.put(&blank, |file, _| write_at(file, 0, &blank)),
            Content::Token(token) => self.save(&token),
        }
    }

    /// Replaces the file by one with these bytes, or else writes it in place: `write` gets it with its content.
    fn put(
        &mut self,
        bytes: &[u8],
        write: impl Fn(&File, &[u8]) -> io::Result<()>,
    ) -> Result<(), Fault> {
        let place = self.locked_place()?;
        let path = &place.token;
        let in_place = || -> io::Result<()> {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            tighten(&file)?;
            write(&file, &read_to_end(&file)?)
        };
        // Whoever wrote it in place may see it through a mount, from which a new file would be hidden.
        let is_mounted = File::open(path)
            .and_then(|file| read_to_end(&file))
            .is_ok_and(|content| slots::read(&content).is_some());
        if is_mounted {
            return in_place().map_err(|error| unwritable(path, &error));
        }
        match self.replace(&place, bytes) {
            Err(error) if cannot_be_replaced(&error) && path.exists() => {
                in_place().map_err(|in_place| {
                    let why = format!("{in_place}; and it cannot be replaced: {error}");
                    unwritable(path, &io::Error::new(in_place.kind(), why))
                })
            }
            result => result.map_err(|error| unwritable(path, &error)),
        }
    }

    fn replace(&mut self, place: &Place, bytes: &[u8]) -> io::Result<()> {
        let new = create(place, bytes)?;
        Lock::extend(new.as_file())?;
        let new = self.folder.replace(&place.token, new)?;
        if let Some(lock) = &mut self.lock {
            lock.hold(new);
        }
        match self.folder.sync(place.directory()) {
            Err(error) if cannot_be_synced(&error) => Ok(()),
            result => result,
        }
    }

    fn locked_place(&self) -> Result<Place, Fault> {
        match &self.lock {
            Some(lock) => Ok(lock.place().clone()),
            None => Err(unwritable(
                &self.store.path,
                &io::Error::other("the store is not locked"),
            )),
        }
    }
}

/// Creates a file with these bytes beside the token file. It is removed when it is dropped.
fn create(place: &Place, bytes: &[u8]) -> io::Result<NamedTempFile> {
    // Only the holder of the lock writes, so one name is enough, and what a killed process left behind is removed.
    match fs::remove_file(&place.new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = place.new.file_name().unwrap_or_default();
    let mut file = tempfile::Builder::new()
        .prefix(name)
        .rand_bytes(0)
        .tempfile_in(place.directory())?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn unwritable(path: &Path, error: &io::Error) -> Fault {
    Fault::io("cannot be written", path, error)
}

/// Why an operation failed.
struct Fault {
    text: String,
    may_pass: bool,
    /// Whether another process may be writing just now.
    may_be_torn: bool,
}

impl Fault {
    fn lasting(text: String) -> Fault {
        Fault {
            text,
            may_pass: false,
            may_be_torn: false,
        }
    }

    fn torn(text: String) -> Fault {
        Fault {
            may_be_torn: true,
            ..Fault::lasting(text)
        }
    }

    fn io(what: &str, path: &Path, error: &io::Error) -> Fault {
        let advice = advice(error.kind());
        Fault {
            text: format!("{} {what}: {error}{advice}", path.display()),
            may_pass: may_pass(error),
            may_be_torn: false,
        }
    }
}

impl From<Fault> for StoreResult {
    fn from(fault: Fault) -> StoreResult {
        if fault.may_pass {
            StoreResult::Unavailable(fault.text)
        } else {
            StoreResult::Failed(fault.text)
        }
    }
}

/// What to do about an error of the file system.
fn advice(kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind as Kind;
    match kind {
        Kind::PermissionDenied => {
            "; give the user of this program the right to it, or choose another path"
        }
        Kind::ReadOnlyFilesystem => "; mount it for writing, or choose another path",
        Kind::StorageFull | Kind::QuotaExceeded => "; make room on its disk",
        Kind::IsADirectory
        | Kind::NotADirectory
        | Kind::AlreadyExists
        | Kind::InvalidInput
        | Kind::InvalidFilename => "; choose another path",
        _ => "",
    }
}

/// Whether an error of the file system may pass by itself.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    let passing = matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::WouldBlock
            | Kind::TimedOut
            | Kind::ResourceBusy
            | Kind::OutOfMemory
            | Kind::StaleNetworkFileHandle
    );
    passing || is_out_of_files(error)
}

/// Whether this process or the whole system has too many files open.
fn is_out_of_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// Whether the folder refuses a new file, so that the present one has to be written in place.
fn cannot_be_replaced(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    cfg!(unix)
        && matches!(
            error.kind(),
            Kind::ResourceBusy
                | Kind::CrossesDevices
                | Kind::PermissionDenied
                | Kind::ReadOnlyFilesystem
        )
}

/// Some file systems cannot sync a directory, and a directory may be writable and not readable.
fn cannot_be_synced(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::PermissionDenied | Kind::InvalidInput | Kind::Unsupported
    )
}

/// Returns the token in the content of a file; none if it is blank.
fn parse(path: &Path, content: &[u8]) -> Result<Option<StoredToken>, Fault> {
    if let Some(token) = slots::read(content) {
        return Ok(Some(token));
    }
    let path = path.display();
    if slots::is_begun(content) {
        return Err(Fault::torn(format!(
            "{path} is damaged: neither copy of the token in it is whole; restore the file, or move it away"
        )));
    }
    let json = slots::without_copies(content);
    if json
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || *byte == 0)
    {
        return Ok(None);
    }
    // The parser's message would quote the file, which may hold a token: only the position is given.
    let token = serde_json::from_slice(json).map_err(|error| {
        Fault::torn(format!(
            "{path} is not a token file of this crate: line {} column {}; choose another path, or move the file away",
            error.line(),
            error.column()
        ))
    })?;
    Ok(Some(token))
}

fn read_to_end(file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn write_at(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether the path leads to a file that no directory has: the mount of one that was replaced.
#[cfg(unix)]
fn is_orphan(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    fs::metadata(path).is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn is_orphan(_: &Path) -> bool {
    false
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

#[cfg(test)]
mod tests;
