//! One operation's own folder in the cache, `git-mirror/op/<id>/`: what it has not finished yet, in a form that its successor can
//! tell apart from everybody else's.
//!
//! Everything of an operation that shows outside its folder before it is done (the locks of refs, a pack without an index) is a hard
//! link to a file inside. The folder holds a file `alive` that is locked as long as the operation lives. A successor therefore needs no
//! guess: what is linked to a file in a dead folder was the dead one's, and anything else, a lock of git's above all, is left alone.
//!
//! Who locks `alive` owns the folder: the operation while it lives, then the one who sweeps it. So operations may begin, and dead ones be
//! swept, at any moment and in any process.
//!
//! It never takes the lock of the cache, `op.lock`; that is the engine's.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::disk::{At, DiskError, is_absent};
use super::open::Cache;
use super::recover::sweep;

/// How long a lock of a ref that somebody else holds is waited for. Git holds one for the time of a rename.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many names are tried; another process with the same number, in another container, may take one.
const ATTEMPTS: u32 = 1000;
/// The operations that this process began.
static BEGUN: AtomicU32 = AtomicU32::new(0);
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
    /// A sync, a flush or an upkeep holds the cache's `op.lock`, and has called [`Cache::recover`] since it got it. A push needs neither: its refs
    /// are kept by their own locks and expected values.
    ///
    /// # Errors
    /// What the disk refuses; a read-only cache is met here.
    pub fn begin(&self, verb: &str) -> Result<Operation, DiskError> {
        let operations = self.layout().operations();
        fs::create_dir_all(&operations).at("create", &operations)?;
        let (folder, alive) = claim(&operations, verb)?;
        let quarantine = folder.join(QUARANTINE);
        // From here on dropping it removes the folder, also where the next step is refused.
        let operation = Operation {
            cache: self.clone(),
            folder,
            quarantine,
            patience: PATIENCE,
            batches: AtomicU32::new(0),
            transfers: AtomicU32::new(0),
            _alive: alive,
        };
        fs::create_dir(&operation.quarantine).at("create", &operation.quarantine)?;
        Ok(operation)
    }
}

/// Locks the folder of an operation; `None` where somebody else has it, or where it is gone.
pub(super) fn lock_folder(folder: &Path) -> Result<Option<File>, DiskError> {
    let path = folder.join(ALIVE);
    let alive = match File::options().create(true).truncate(false).write(true).open(&path) {
        Ok(alive) => alive,
        Err(source) if is_absent(&source) => return Ok(None),
        Err(source) => return Err(DiskError::new("create", path, source)),
    };
    match alive.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(source)) => return Err(DiskError::new("lock", path, source)),
    }
    // Whoever had it before may have removed it since it was opened here.
    let held = alive.metadata().at("look at", &path)?;
    match fs::metadata(&path) {
        Ok(seen) if (seen.dev(), seen.ino()) == (held.dev(), held.ino()) => Ok(Some(alive)),
        Ok(_) => Ok(None),
        Err(source) if is_absent(&source) => Ok(None),
        Err(source) => Err(DiskError::new("look at", path, source)),
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

    /// Gives the name of its folder, which no other operation of this cache has.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
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

/// Makes a folder of a name that no operation has, and locks it before anybody can take it for a dead one's.
fn claim(operations: &Path, verb: &str) -> Result<(PathBuf, File), DiskError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
    let process = std::process::id();
    for _ in 0..ATTEMPTS {
        // No name comes again: what is removed under one never meets what is made under the same.
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let folder = operations.join(format!("{verb}-{now}-{process}-{number}"));
        match fs::create_dir(&folder) {
            Ok(()) => {}
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(source) => return Err(DiskError::new("create", folder, source)),
        }
        // Somebody may sweep it in this very moment; then the next name is tried.
        match lock_folder(&folder) {
            Ok(Some(alive)) => return Ok((folder, alive)),
            Ok(None) => {}
            Err(error) => {
                // The refusal is what counts; an empty folder that stays is swept as a dead one.
                let _ = fs::remove_dir(&folder);
                return Err(error);
            }
        }
    }
    Err(DiskError::new("create", operations.join(verb), io::Error::from(io::ErrorKind::AlreadyExists)))
}
