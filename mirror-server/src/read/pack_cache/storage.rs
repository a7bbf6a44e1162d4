//! The folder of cached answers: which files are in it, and how much may be.
//!
//! One process keeps answers there. A second one beside it, as during a restart, shares answers while they are made and keeps none: its files have no
//! names. It takes the folder over when the first has ended.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use mirror_store::disk::free_space;
use rustix::fs::{FlockOperation, flock};

use super::cached::CachedPack;
use super::key::Key;
use super::reserve::Reserve;

const LOCK: &str = "lock";
/// The end of the names of files that are being made.
const UNFINISHED: &str = ".making";

/// The folder, and how much may be in it.
#[derive(Debug)]
pub(super) struct Storage {
    folder: PathBuf,
    /// Held by the process that keeps answers here.
    lock: OnceLock<File>,
    /// How many bytes it may take.
    pub(super) quota: u64,
    /// What it leaves of the file system to others.
    reserve: Reserve,
    next: AtomicU64,
}

/// A file that is being made. It goes away unless it is cached.
#[derive(Debug)]
pub(super) struct PartialFile {
    pub(super) file: Arc<File>,
    /// None where it has no name.
    path: Option<PathBuf>,
}

impl Storage {
    /// Describes the folder; [`Storage::claim`] opens it.
    pub(super) fn at(folder: PathBuf, quota: u64, reserve: Reserve) -> Self {
        Self { folder, lock: OnceLock::new(), quota, reserve, next: AtomicU64::new(0) }
    }

    /// Takes the folder, and makes it where it is missing; gives what an earlier process kept there, and removes what it left unfinished. `None` where
    /// the folder is ours already, or another process has it.
    ///
    /// # Errors
    /// What the disk refuses. Answers are made all the same, in memory where no file can be made.
    pub(super) fn claim(&self) -> io::Result<Option<Vec<CachedPack>>> {
        if self.lock.get().is_some() {
            return Ok(None);
        }
        fs::create_dir_all(&self.folder)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.folder.join(LOCK))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Before the first file of ours has a name.
        let found = self.list()?;
        // Two of our own threads cannot both have got it.
        let _ = self.lock.set(lock);
        Ok(Some(found))
    }

    /// Whether answers are kept here.
    pub(super) fn is_cached(&self) -> bool {
        self.lock.get().is_some() && self.quota > 0
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn list(&self) -> io::Result<Vec<CachedPack>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(UNFINISHED) {
                remove(&entry.path());
            } else if let Some(key) = Key::from_name(name)
                && let Ok(seen) = entry.metadata()
                && seen.is_file()
            {
                found.push(CachedPack::listed(
                    key,
                    seen.len(),
                    seen.modified().unwrap_or(std::time::SystemTime::UNIX_EPOCH),
                ));
            }
        }
        Ok(found)
    }

    /// Makes an empty file, with a name where it may be cached.
    pub(super) fn create(&self, may_keep: bool) -> io::Result<PartialFile> {
        let (path, file) = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!("{}-{number}{UNFINISHED}", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                // A process in another container may have our number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let partial = PartialFile { file: Arc::new(file), path: Some(path) };
        Ok(if may_keep && self.is_cached() { partial } else { partial.without_name() })
    }

    /// Gives a finished file the name of its key.
    pub(super) fn keep(&self, partial: &mut PartialFile, key: Key) -> io::Result<()> {
        if let Some(path) = &partial.path {
            fs::rename(path, self.folder.join(key.to_string()))?;
            partial.path = None;
        }
        Ok(())
    }

    /// Removes the file of a key. Who reads it goes on reading.
    pub(super) fn remove(&self, key: Key) {
        remove(&self.folder.join(key.to_string()));
    }

    /// How many bytes cached answers have to make free for so many more, beside what is left to others; 0 where there is room for these.
    pub(super) fn shortage(&self, bytes: u64) -> u64 {
        // Where the file system does not tell, writing does.
        free_space(&self.folder).map_or(0, |free| self.reserve.shortage(free, bytes))
    }
}

impl PartialFile {
    fn without_name(mut self) -> Self {
        if let Some(path) = self.path.take() {
            remove(&path);
        }
        self
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            remove(path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(path = %path.display(), error, "a file of cached packs cannot be removed");
    }
}
