//! The file of a worker: its lock tells that the worker is alive, and its slots keep task ids that the ledger does not take.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pan123_proto::TaskId;
use pan123_proto::ledger::{
    Fence, ItemId, LedgerFault, LedgerOp, SpilledTask, Transaction, WorkerId,
};

use crate::files::{Identity, folder_of, is_full, private, sibling, sync};

const SUFFIX: &str = "-worker-";
const MAGIC: [u8; 8] = *b"p123task";

/// The file begins with a record of the magic number, the ledger and the worker. Each slot is a record of an item, its fence and a
/// task. A record is three numbers and their checksum, so that one that was not written to its end is empty.
const RECORD: usize = 28;

/// The file of a worker, locked as long as it is open.
#[derive(Debug)]
pub(crate) struct WorkerFile {
    file: File,
    path: PathBuf,
    slots: Vec<Option<SpilledTask>>,
}

/// A ledger: where it is, and the number that it got when it was created.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LedgerName<'a> {
    pub(crate) path: &'a Path,
    pub(crate) number: u64,
}

impl LedgerName<'_> {
    fn file_of(self, worker: WorkerId) -> PathBuf {
        sibling(self.path, &format!("{SUFFIX}{worker}"))
    }
}

impl WorkerFile {
    /// Creates the file of a new worker, with all of its slots on the disk.
    pub(crate) fn create(
        ledger: LedgerName<'_>,
        worker: WorkerId,
        slots: usize,
    ) -> Result<WorkerFile, LedgerFault> {
        let path = ledger.file_of(worker);
        let failed = |error: io::Error| {
            let text = format!("{} cannot be created: {error}", path.display());
            if is_full(&error) {
                LedgerFault::Full(text)
            } else {
                LedgerFault::Broken(text)
            }
        };
        let refuse = |why: &str| Err(LedgerFault::Broken(format!("{} {why}", path.display())));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = private(options).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return refuse(
                    "is in use by another program, although the ledger does not know it: was the ledger replaced? Stop that program",
                );
            }
            Err(TryLockError::Error(error)) => return refuse(&no_locks(&error)),
        }
        // Another ledger may have been at this path, whose workers had the same numbers.
        let content = Content::read(&mut file).map_err(failed)?;
        if !content.is_disposable() {
            return refuse(
                "keeps task ids that belong to another ledger, or is no file of a ledger; move it away",
            );
        }
        let second = OpenOptions::new().read(true).write(true).open(&path);
        match second.map_err(failed)?.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return refuse(&no_locks(&error)),
            Ok(()) => return refuse(&no_locks(&"a second lock was granted")),
        }
        let magic = u64::from_le_bytes(MAGIC);
        let mut bytes = encode([magic, ledger.number, worker.0]).to_vec();
        bytes.resize((1 + slots) * RECORD, 0);
        let mut prepare = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            sync(folder_of(&path))
        };
        if let Err(error) = prepare() {
            drop(fs::remove_file(&path));
            return Err(failed(error));
        }
        Ok(WorkerFile {
            file,
            path,
            slots: vec![None; slots],
        })
    }

    /// How many more task ids it can keep.
    pub(crate) fn room(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_none()).count()
    }

    /// Keeps a task id, on the disk before it returns.
    pub(crate) fn keep(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
        if self.slots.contains(&Some(task)) {
            return Ok(());
        }
        let Some(free) = self.slots.iter().position(Option::is_none) else {
            return Err(LedgerFault::Full(format!(
                "{} keeps {} task ids already",
                self.path.display(),
                self.slots.len()
            )));
        };
        let slot = encode([task.item.0, task.fence.0, task.task.get()]);
        self.write(free, &slot).map_err(|error| {
            LedgerFault::Broken(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
        })?;
        self.slots[free] = Some(task);
        Ok(())
    }

    /// Frees the slots of tasks that the ledger has taken.
    pub(crate) fn forget(&mut self, tasks: &[SpilledTask]) {
        for index in 0..self.slots.len() {
            let is_taken = self.slots[index].is_some_and(|task| tasks.contains(&task));
            // A slot that cannot be freed is told to the ledger once more after a restart, which changes nothing.
            if is_taken && self.write(index, &[0; RECORD]).is_ok() {
                self.slots[index] = None;
            }
        }
    }

    fn write(&mut self, slot: usize, record: &[u8; RECORD]) -> io::Result<()> {
        let start = (1 + slot) * RECORD;
        self.file.seek(SeekFrom::Start(start as u64))?;
        self.file.write_all(record)?;
        self.file.sync_data()
    }
}

/// A worker that ends leaves no file behind, unless the file keeps something.
impl Drop for WorkerFile {
    fn drop(&mut self) {
        // Its folder may have been moved, and another ledger created at its place.
        let is_there = |file: &File| {
            let identity = Identity::of_file(file).ok();
            identity.is_some() && identity == Identity::of(&self.path).ok()
        };
        if self.slots.iter().all(Option::is_none) && is_there(&self.file) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn no_locks(error: &dyn std::fmt::Display) -> String {
    format!(
        "cannot be locked: locks have no effect on its file system, as on network file systems; choose a local disk ({error})"
    )
}

/// The file of a worker that is gone, locked so that nobody else takes it over meanwhile.
#[derive(Debug)]
pub(crate) struct DeadFile {
    locked: Option<(File, PathBuf)>,
    pub(crate) tasks: Vec<SpilledTask>,
}

impl DeadFile {
    /// Takes over the file of a worker whose process is gone. None if it is alive.
    pub(crate) fn take(ledger: LedgerName<'_>, worker: WorkerId) -> io::Result<Option<DeadFile>> {
        let path = ledger.file_of(worker);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // A worker that ends removes it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(DeadFile {
                    locked: None,
                    tasks: Vec::new(),
                }));
            }
            Err(error) => return Err(named(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(named(error)),
        }
        let content = Content::read(&mut file).map_err(named)?;
        if content.ledger != Some(ledger.number) {
            return Ok(Some(DeadFile {
                locked: None,
                tasks: Vec::new(),
            }));
        }
        Ok(Some(DeadFile {
            locked: Some((file, path)),
            tasks: content.tasks,
        }))
    }

    /// Removes the file: the ledger has all of it.
    pub(crate) fn remove(self) {
        if let Some((_locked, path)) = self.locked {
            drop(fs::remove_file(path));
        }
    }
}

/// Removes the files of workers that the ledger has buried: a process that did so was killed before it removed them.
#[cfg(feature = "sqlite")]
pub(crate) fn remove_leftovers(ledger: LedgerName<'_>, is_buried: impl Fn(WorkerId) -> bool) {
    for worker in workers_with_file(ledger).unwrap_or_default() {
        if is_buried(worker)
            && let Ok(Some(file)) = DeadFile::take(ledger, worker)
        {
            file.remove();
        }
    }
}

/// Takes over the files of all workers on this machine whose processes are gone.
#[cfg(feature = "postgres")]
pub(crate) fn dead_files(ledger: LedgerName<'_>) -> io::Result<Vec<(WorkerId, DeadFile)>> {
    let mut dead = Vec::new();
    let workers = workers_with_file(ledger).map_err(|error| {
        let folder = folder_of(ledger.path).display();
        io::Error::new(error.kind(), format!("{folder}: {error}"))
    })?;
    for worker in workers {
        let file = DeadFile::take(ledger, worker)?;
        let file = file.filter(|file| file.locked.is_some());
        dead.extend(file.map(|file| (worker, file)));
    }
    Ok(dead)
}

fn workers_with_file(ledger: LedgerName<'_>) -> io::Result<Vec<WorkerId>> {
    let Some(name) = ledger.path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}{SUFFIX}");
    let mut workers = Vec::new();
    for entry in fs::read_dir(folder_of(ledger.path))? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        workers.extend(number.and_then(|number| number.parse().ok()).map(WorkerId));
    }
    Ok(workers)
}

/// The tasks that a transaction records as created.
pub(crate) fn created_in(transaction: &Transaction) -> Vec<SpilledTask> {
    let ops = transaction.ops.iter();
    ops.filter_map(|op| match *op {
        LedgerOp::Created { item, fence, task } => Some(SpilledTask::new(item, fence, task)),
        _ => None,
    })
    .collect()
}

/// The operations that record tasks as created.
pub(crate) fn replay(tasks: &[SpilledTask]) -> Vec<LedgerOp> {
    let ops = tasks.iter().map(|task| LedgerOp::Created {
        item: task.item,
        fence: task.fence,
        task: task.task,
    });
    ops.collect()
}

/// What a worker's file holds.
struct Content {
    /// The number of the ledger that its head names.
    ledger: Option<u64>,
    tasks: Vec<SpilledTask>,
    /// Whether it is empty, or begins like the file of a worker.
    is_of_a_worker: bool,
}

impl Content {
    fn read(file: &mut File) -> io::Result<Content> {
        // Reading a pipe would wait for ever.
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut records = bytes.chunks_exact(RECORD).map(decode);
        let head = records.next().flatten();
        let ledger = head
            .and_then(|[magic, ledger, _]| (magic == u64::from_le_bytes(MAGIC)).then_some(ledger));
        let tasks = records.flatten().filter_map(|[item, fence, task]| {
            let task = TaskId::new(task).ok()?;
            Some(SpilledTask::new(ItemId(item), Fence(fence), task))
        });
        let begin = &bytes[..bytes.len().min(MAGIC.len())];
        Ok(Content {
            ledger,
            tasks: tasks.collect(),
            is_of_a_worker: MAGIC.starts_with(begin),
        })
    }

    /// Whether nothing is lost with it.
    fn is_disposable(&self) -> bool {
        self.is_of_a_worker && self.tasks.is_empty()
    }
}

fn encode(numbers: [u64; 3]) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    for (bytes, number) in record.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32fast::hash(&record[..24]);
    record[24..].copy_from_slice(&checksum.to_le_bytes());
    record
}

/// None if the record is empty, or not whole.
fn decode(record: &[u8]) -> Option<[u64; 3]> {
    let (numbers, checksum) = record.split_at_checked(24)?;
    if u32::from_le_bytes(checksum.try_into().ok()?) != crc32fast::hash(numbers) {
        return None;
    }
    let mut numbers = numbers.chunks_exact(8).map(|bytes| {
        let bytes = bytes.try_into().unwrap_or_default();
        u64::from_le_bytes(bytes)
    });
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_that_was_not_written_to_its_end_is_empty() {
        let numbers = [3, 1 << 40, u64::MAX];
        let whole = encode(numbers);
        assert_eq!(decode(&whole), Some(numbers));
        for before in [[0; RECORD], encode([9, 8, 7])] {
            for cut in 0..RECORD {
                let mut torn = before;
                torn[..cut].copy_from_slice(&whole[..cut]);
                let found = decode(&torn);
                let expected = decode(&before).filter(|_| torn == before);
                assert!(found == expected || torn == whole, "{cut} bytes: {found:?}");
            }
        }
    }
}
