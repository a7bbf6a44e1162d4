//! One operation's own folder in the cache, `git-mirror/op/<id>/`: what it has not finished yet, in a form that its successor can
//! tell apart from everybody else's.
//!
//! Everything of an operation that shows outside its folder before it is done (the locks of refs, a pack without an index) is a hard
//! link to a file inside. The folder holds a file `alive` that is locked as long as the operation lives. A successor therefore needs no
//! guess: what is linked to a file in a dead folder was the dead one's, and anything else, a lock of git's above all, is left alone.
//!
//! It never takes the lock of the cache, `op.lock`; that is the engine's.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::disk::{At, DiskError};
use super::open::Cache;
use super::recover::sweep;

/// How long a lock of a ref that somebody else holds is waited for. Git holds one for the time of a rename.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many operations of one process may begin in one millisecond.
const ATTEMPTS: u32 = 1000;
pub(super) const ALIVE: &str = "alive";
pub(super) const QUARANTINE: &str = "quarantine";
pub(super) const LOCKS: &str = "locks-";

/// A change of a cache that is under way. Dropping it removes its folder; so does [`Cache::recover`] where its process was killed.
#[derive(Debug)]
pub struct Operation {
    cache: Cache,
    folder: PathBuf,
    quarantine: PathBuf,
    patience: Duration,
    batches: AtomicU32,
    transfers: AtomicU32,
    /// Held, never read: the kernel releases it with the process.
    _alive: File,
}

impl Cache {
    /// Begins an operation, named by its verb.
    ///
    /// The caller holds the cache's `op.lock`, and has called [`Cache::recover`] since it got it.
    ///
    /// # Errors
    /// What the disk refuses; a read-only cache is met here.
    pub fn begin(&self, verb: &str) -> Result<Operation, DiskError> {
        let operations = self.layout().operations();
        fs::create_dir_all(&operations).at("create", &operations)?;
        let folder = claim(&operations, verb)?;
        match furnish(&folder) {
            Ok(alive) => Ok(Operation {
                cache: self.clone(),
                quarantine: folder.join(QUARANTINE),
                folder,
                patience: PATIENCE,
                batches: AtomicU32::new(0),
                transfers: AtomicU32::new(0),
                _alive: alive,
            }),
            Err(error) => {
                // The refusal is what counts; what stays of the folder is removed as after a crash.
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }
}

/// Fills the folder of a new operation, and gives the lock that says it lives.
fn furnish(folder: &Path) -> Result<File, DiskError> {
    let quarantine = folder.join(QUARANTINE);
    fs::create_dir(&quarantine).at("create", &quarantine)?;
    let path = folder.join(ALIVE);
    let alive = File::create(&path).at("create", &path)?;
    match alive.try_lock() {
        Ok(()) => Ok(alive),
        Err(error) => Err(DiskError::new("lock", path, error.into())),
    }
}

impl Operation {
    /// Sets how long a ref's lock that somebody else holds is waited for.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Gives the folder where received packs wait for their check. Nothing in it is visible to readers.
    pub fn quarantine(&self) -> &Path {
        &self.quarantine
    }

    /// Makes a folder in quarantine for one more transfer, and for it alone: what an earlier one of this operation left when it was cut
    /// does not stand in its way.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn transfer_folder(&self) -> Result<PathBuf, DiskError> {
        let number = self.transfers.fetch_add(1, Ordering::Relaxed);
        let folder = self.quarantine.join(number.to_string());
        fs::create_dir(&folder).at("create", &folder)?;
        Ok(folder)
    }

    /// Gives the cache that is changed.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Makes the folder of a further batch of locks.
    pub(super) fn batch_folder(&self) -> Result<PathBuf, DiskError> {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{LOCKS}{number}"));
        fs::create_dir(&folder).at("create", &folder)?;
        Ok(folder)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // What stays is removed by the next holder of the cache's lock, as after a crash.
        let _ = sweep(self.cache.layout(), &self.folder);
    }
}

/// Makes a folder of a name that no operation has.
fn claim(operations: &Path, verb: &str) -> Result<PathBuf, DiskError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let process = std::process::id();
    for attempt in 0..ATTEMPTS {
        let folder = operations.join(format!("{verb}-{now}-{process}-{attempt}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(DiskError::new("create", folder, source)),
        }
    }
    Err(DiskError::new("create", operations.join(verb), io::Error::from(io::ErrorKind::AlreadyExists)))
}
