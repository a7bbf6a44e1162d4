//! The cache as those see it who ask: an answer for a key, made where it has to be.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::build::{Timeouts, UploadPackRun, build};
use super::build_slots::BuildSlots;
use super::cached::CachedPack;
use super::in_progress::{Ending, InProgressPack};
use super::index::{Found, Index};
use super::key::Key;
use super::reader::{Reader, WholeFile};
use super::reserve::Reserve;
use super::storage::{PartialFile, Storage};
use crate::http::answer::FileBody;
use crate::metrics::Metrics;
use crate::metrics::label::PackSource;

/// How often the room on the disk is looked at, whether anybody asks for a pack or not.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The cache. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::read) struct PackCache {
    inner: Arc<Inner>,
}

/// What those who ask and those who make share.
#[derive(Debug)]
pub(super) struct Inner {
    index: Mutex<Index>,
    names: Mutex<()>,
    pub(super) room: Storage,
    pub(super) slots: BuildSlots,
    pub(super) timeouts: Timeouts,
    pub(super) metrics: Arc<Metrics>,
}

/// What somebody gets who asks.
pub(in crate::read) enum PackAnswer {
    /// An answer, whole or growing, and where it came from.
    Stored(Box<dyn FileBody>, PackSource),
    /// Git's refusal, in its protocol.
    Refused(Bytes),
    /// Git gave up on it without a word for the client; the log has what it said.
    Declined,
    /// Too many packs are being made.
    Busy,
    /// It could not be made; the log says why.
    Failed,
}

impl PackCache {
    /// Opens the cache in a folder, of so many bytes at most, and leaves to others what is theirs of the file system, for
    /// as long as it lives. Reads no entry.
    pub(in crate::read) fn open(
        folder: PathBuf,
        quota: u64,
        reserve: Reserve,
        slots: BuildSlots,
        timeouts: Timeouts,
        metrics: Arc<Metrics>,
    ) -> Self {
        let room = Storage::at(folder, quota, reserve);
        let inner = Inner { index: Mutex::default(), names: Mutex::default(), room, slots, timeouts, metrics };
        inner.claim();
        let inner = Arc::new(inner);
        watch_room(&inner);
        Self { inner }
    }

    /// Answers from what is there, or makes the answer; without a key, for this request alone. Dropping the future, or what it gives, takes part no longer.
    pub(in crate::read) async fn answer(&self, key: Option<Key>, run_of: impl FnOnce() -> UploadPackRun) -> PackAnswer {
        let Some(key) = key else {
            let (pack, reader) = InProgressPack::begin();
            self.build(None, pack, run_of());
            return give(reader, PackSource::Alone).await;
        };
        loop {
            let found = self.inner.index().find(key);
            match found {
                Found::InProgress(reader) => return give(reader, PackSource::Shared).await,
                Found::Begun(pack, reader) => {
                    self.build(Some(key), pack, run_of());
                    return give(reader, PackSource::Built).await;
                }
                Found::Cached(cached) => match cached.open(self.inner.room.folder()).await {
                    Ok(opened) => {
                        if opened.is_new {
                            self.inner.index().opened(&cached);
                        }
                        return PackAnswer::Stored(
                            Box::new(WholeFile::of(opened.file, cached.length())),
                            PackSource::Disk,
                        );
                    }
                    Err(error) => self.inner.discard(&cached, &error),
                },
            }
        }
    }

    /// Whether the folder of cached answers is this one's.
    #[cfg(test)]
    pub(in crate::read) fn is_cached(&self) -> bool {
        self.inner.room.is_cached()
    }

    fn build(&self, key: Option<Key>, pack: Arc<InProgressPack>, run_of: UploadPackRun) {
        tokio::spawn(build(Arc::clone(&self.inner), key, pack, run_of));
    }
}

/// Has cached answers give way to whatever else fills the disk, without anybody who asks for one. On a thread, as it blocks.
fn watch_room(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    let watch = move || {
        while let Some(inner) = inner.upgrade() {
            inner.give_way(0);
            drop(inner);
            std::thread::sleep(LOOK_EVERY);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("cached packs".to_owned()).spawn(watch) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(
            error,
            "cached packs give way only where new ones are made: there is no thread to watch the disk"
        );
    }
}

/// Waits until there is something to give.
async fn give(reader: Reader, source: PackSource) -> PackAnswer {
    match reader.begun().await {
        None | Some(Ending::Whole) => PackAnswer::Stored(Box::new(reader), source),
        Some(Ending::Refused(words)) => PackAnswer::Refused(words),
        Some(Ending::Declined) => PackAnswer::Declined,
        Some(Ending::Busy) => PackAnswer::Busy,
        Some(Ending::Cut) => PackAnswer::Failed,
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the folder of cached answers, unless another process has it, and what is in it. Blocks.
    pub(super) fn claim(&self) {
        match self.room.claim() {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.index().adopt(found);
                // The quota may be smaller than it was.
                self.promise(0);
                self.notify();
            }
            Err(error) => {
                let (folder, error) = (self.room.folder().display(), &error as &dyn std::error::Error);
                tracing::warn!(%folder, error, "packs are not cached: their folder cannot be used");
            }
        }
    }

    /// Lets nobody else find an answer that grows.
    pub(super) fn forget(&self, key: Key, pack: &Arc<InProgressPack>) {
        self.index().forget(key, pack);
    }

    /// Gives a whole answer its name and keeps it, unless another one is being made in its place. Blocks.
    ///
    /// # Errors
    /// What the disk refuses.
    pub(super) fn keep(
        &self,
        mut partial: PartialFile,
        cached: Arc<CachedPack>,
        pack: &Arc<InProgressPack>,
    ) -> io::Result<()> {
        let key = cached.key();
        let names = self.names();
        if self.index().is_in_progress(key, pack) {
            self.room.keep(&mut partial, key)?;
            let mut index = self.index();
            index.keep(Arc::clone(&cached));
            index.opened(&cached);
        }
        drop(names);
        self.notify();
        Ok(())
    }

    /// Promises room on the disk, for which cached answers may have to go; false where there is none even so. Blocks.
    pub(super) fn promise(&self, bytes: u64) -> bool {
        let Some(evicted) = self.index().promise(bytes, self.room.quota) else { return false };
        self.remove(&evicted);
        let has_room = self.give_way(bytes);
        if !has_room {
            self.release(bytes);
        }
        has_room
    }

    /// Lets cached answers go where the disk is short of room, for so many bytes more; whether there is room then. Blocks.
    fn give_way(&self, bytes: u64) -> bool {
        let shortage = self.room.shortage(bytes);
        if shortage > 0 {
            self.evict(shortage);
        }
        shortage == 0 || self.room.shortage(bytes) == 0
    }

    /// Takes back a promise.
    pub(super) fn release(&self, bytes: u64) {
        self.index().release(bytes);
    }

    /// Makes room on the disk for so many bytes, as far as cached answers take some. Blocks.
    pub(super) fn evict(&self, bytes: u64) {
        let evicted = self.index().evict(bytes);
        self.remove(&evicted);
    }

    fn remove(&self, evicted: &[Arc<CachedPack>]) {
        evicted.iter().for_each(|cached| self.remove_file(cached.key()));
        if !evicted.is_empty() {
            self.metrics.pack_cache_evicted(evicted.len() as u64);
            self.notify();
        }
    }

    /// Removes the file of an answer that was taken out of the index; not that of one which was kept under the same key since.
    fn remove_file(&self, key: Key) {
        let _names = self.names();
        if !self.index().is_cached(key) {
            self.room.remove(key);
        }
    }

    /// Holds the names of cached answers together with the index: taken before it, and held for as long as one file takes.
    fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a cached answer that is not what was made.
    fn discard(&self, cached: &Arc<CachedPack>, error: &io::Error) {
        if self.index().drop_cached(cached) {
            self.remove_file(cached.key());
            self.metrics.pack_cache_damaged();
            self.notify();
            let error = error as &dyn std::error::Error;
            tracing::warn!(key = %cached.key(), error, "a cached pack was damaged, and is made anew");
        }
    }

    fn notify(&self) {
        let (bytes, entries) = self.index().size();
        self.metrics.pack_cache(bytes, entries);
    }
}

#[cfg(test)]
mod tests;
