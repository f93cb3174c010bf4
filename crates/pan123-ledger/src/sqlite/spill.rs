//! The file of a worker: its lock tells that the worker is alive, and its slots keep task ids that the ledger does not take.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pan123_proto::TaskId;
use pan123_proto::ledger::{Fence, ItemId, LedgerFault, SpilledTask, WorkerId};

use super::{private, sibling};

/// Item, fence and task, each of 8 bytes, and a checksum of 4: a slot that was not written to its end is empty.
const SLOT: usize = 28;

/// The file of a worker, locked as long as it is open.
#[derive(Debug)]
pub(super) struct WorkerFile {
    file: File,
    path: PathBuf,
    slots: Vec<Option<SpilledTask>>,
}

fn path_of(ledger: &Path, worker: WorkerId) -> PathBuf {
    sibling(ledger, &format!("-worker-{worker}"))
}

impl WorkerFile {
    /// Creates the file of a new worker, with all of its slots on the disk.
    pub(super) fn create(
        ledger: &Path,
        worker: WorkerId,
        slots: usize,
    ) -> Result<WorkerFile, LedgerFault> {
        let path = path_of(ledger, worker);
        let create = || {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(true);
            let mut file = private(options).open(&path)?;
            file.try_lock().map_err(io::Error::from)?;
            file.write_all(&vec![0; slots * SLOT])?;
            file.sync_all()?;
            Ok(file)
        };
        let file = create().map_err(|error: io::Error| {
            let text = format!("{} cannot be created: {error}", path.display());
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    LedgerFault::Full(text)
                }
                _ => LedgerFault::Broken(text),
            }
        })?;
        Ok(WorkerFile {
            file,
            path,
            slots: vec![None; slots],
        })
    }

    /// Takes over the file of a worker whose process is gone. None if it is alive.
    pub(super) fn of_the_dead(ledger: &Path, worker: WorkerId) -> io::Result<Option<Dead>> {
        let path = path_of(ledger, worker);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            // It was removed, or never created.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Dead {
                    file: None,
                    tasks: Vec::new(),
                }));
            }
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let tasks = bytes.chunks_exact(SLOT).filter_map(decode).collect();
        Ok(Some(Dead {
            file: Some((file, path)),
            tasks,
        }))
    }

    /// How many more task ids it can keep.
    pub(super) fn room(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_none()).count()
    }

    /// Keeps a task id, on the disk before it returns.
    pub(super) fn keep(&mut self, task: SpilledTask) -> Result<(), LedgerFault> {
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
        self.write(free, &encode(task)).map_err(|error| {
            LedgerFault::Broken(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
        })?;
        self.slots[free] = Some(task);
        Ok(())
    }

    /// Frees the slots of tasks that the ledger has taken.
    pub(super) fn forget(&mut self, tasks: &[SpilledTask]) {
        for index in 0..self.slots.len() {
            let is_taken = self.slots[index].is_some_and(|task| tasks.contains(&task));
            // A slot that cannot be freed is told to the ledger once more after a restart, which changes nothing.
            if is_taken && self.write(index, &[0; SLOT]).is_ok() {
                self.slots[index] = None;
            }
        }
    }

    fn write(&mut self, index: usize, slot: &[u8; SLOT]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start((index * SLOT) as u64))?;
        self.file.write_all(slot)?;
        self.file.sync_data()
    }
}

/// A worker that ends leaves no file behind, unless the file keeps something.
impl Drop for WorkerFile {
    fn drop(&mut self) {
        if self.slots.iter().all(Option::is_none) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The file of a worker that is gone, locked so that nobody else takes it over meanwhile.
#[derive(Debug)]
pub(super) struct Dead {
    file: Option<(File, PathBuf)>,
    pub(super) tasks: Vec<SpilledTask>,
}

impl Dead {
    /// Removes the file: the ledger has all of it.
    pub(super) fn remove(self) {
        if let Some((_locked, path)) = self.file {
            drop(fs::remove_file(path));
        }
    }
}

fn encode(task: SpilledTask) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&task.item.0.to_le_bytes());
    slot[8..16].copy_from_slice(&task.fence.0.to_le_bytes());
    slot[16..24].copy_from_slice(&task.task.get().to_le_bytes());
    let checksum = crc32fast::hash(&slot[..24]);
    slot[24..].copy_from_slice(&checksum.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<SpilledTask> {
    let number = |at: usize| Some(u64::from_le_bytes(slot.get(at..at + 8)?.try_into().ok()?));
    let checksum = u32::from_le_bytes(slot.get(24..28)?.try_into().ok()?);
    if checksum != crc32fast::hash(&slot[..24]) {
        return None;
    }
    let task = TaskId::new(number(16)?).ok()?;
    Some(SpilledTask::new(
        ItemId(number(0)?),
        Fence(number(8)?),
        task,
    ))
}
