//! Two kinds of writers and the one thing that keeps them apart: those who add to the store, and the one who drops objects from it.
//!
//! Whoever receives objects builds on what the store has at the moment, and for as long as that takes nothing may go. So each
//! [`Adding`] is shared with all others of its kind, and `Dropping` is alone. Both are locks of the kernel, which end with their process.
//!
//! Nobody starves: who wants to drop shuts a gate first, so that no new receive begins, and opens it again after a bounded wait,
//! with or without success; a receive waits at the gate for no longer than that, and than the drop itself.
//!
//! Reading needs neither, nor does a pack that only repeats what is there. The order among locks: `op.lock`, then these.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::disk::{At, DiskError};
use super::open::Cache;

const GATE: &str = "receive.gate";
const LOCK: &str = "receive.lock";
/// How often one who wants to drop looks whether the last receive is over.
const POLL: Duration = Duration::from_millis(10);

/// Objects are being added: nothing leaves the store as long as this is held.
#[derive(Debug)]
pub struct Adding {
    _lock: File,
}

/// Objects are being dropped: nobody adds any as long as this is held.
#[derive(Debug)]
pub(super) struct Dropping {
    _gate: File,
    _lock: File,
}

impl Cache {
    /// Keeps every object of the store in it until the answer is dropped. Taken before the first look at what the store has, and held
    /// until the refs that need the new objects are there. Blocks while objects are dropped, which is seconds at most.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn keep_objects(&self) -> Result<Adding, DiskError> {
        let (gate, path) = self.lock_file(GATE)?;
        gate.lock_shared().at("lock", &path)?;
        let (lock, path) = self.lock_file(LOCK)?;
        lock.lock_shared().at("lock", &path)?;
        Ok(Adding { _lock: lock })
    }

    /// Waits until nobody adds objects, at most for `patience`, and then keeps everybody from it; `None` where somebody still does.
    ///
    /// # Errors
    /// What the disk refuses.
    pub(super) fn exclude_adding(&self, patience: Duration) -> Result<Option<Dropping>, DiskError> {
        let until = Instant::now() + patience;
        let Some(gate) = self.lock_alone(GATE, until)? else { return Ok(None) };
        let Some(lock) = self.lock_alone(LOCK, until)? else { return Ok(None) };
        Ok(Some(Dropping { _gate: gate, _lock: lock }))
    }

    fn lock_alone(&self, name: &str, until: Instant) -> Result<Option<File>, DiskError> {
        let (file, path) = self.lock_file(name)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(POLL),
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(DiskError::new("lock", path, source)),
            }
        }
    }

    /// Opens a lock file, which is never removed: a lock on a file without a name would lock nothing.
    fn lock_file(&self, name: &str) -> Result<(File, PathBuf), DiskError> {
        let path = self.own_folder().join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).at("open", &path)?;
        Ok((file, path))
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::name::BranchName;

    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::create(&folder.path().join("app.git"), &BranchName::parse("main").unwrap()).unwrap();
        (folder, cache)
    }

    #[test]
    fn many_add_at_once_and_one_drops_alone() {
        let (_folder, cache) = cache();
        let (one, other) = (cache.keep_objects().unwrap(), cache.keep_objects().unwrap());
        assert!(cache.exclude_adding(Duration::ZERO).unwrap().is_none());
        drop(one);
        assert!(cache.exclude_adding(Duration::ZERO).unwrap().is_none());
        drop(other);
        let alone = cache.exclude_adding(Duration::ZERO).unwrap().unwrap();
        assert!(cache.exclude_adding(Duration::ZERO).unwrap().is_none());
        drop(alone);
        drop(cache.keep_objects().unwrap());
    }

    #[test]
    fn one_who_drops_gets_its_turn_among_receives_that_never_end_together() {
        let (_folder, cache) = cache();
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        drop(cache.keep_objects().unwrap());
                    }
                });
            }
            let alone = cache.exclude_adding(Duration::from_secs(60)).unwrap();
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(alone.is_some());
        });
    }
}
