//! The cache as those see it who ask: an answer for a key, made where it has to be.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::growth::{Ending, Growth};
use super::index::{Found, Index};
use super::kept::Kept;
use super::key::Key;
use super::make::{Patience, Recipe, make};
use super::reader::{Front, Reader};
use super::room::Room;
use crate::http::answer::Stored;
use crate::observe::Metrics;
use crate::observe::label::PackSource;
use crate::read::pack::Turns;

/// The cache. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::read) struct Fanout {
    inner: Arc<Inner>,
}

/// What those who ask and those who make share.
#[derive(Debug)]
pub(super) struct Inner {
    index: Mutex<Index>,
    pub(super) room: Room,
    pub(super) turns: Turns,
    pub(super) patience: Patience,
    pub(super) metrics: Arc<Metrics>,
}

/// What somebody gets who asks.
pub(in crate::read) enum Given {
    /// An answer, whole or growing, and where it came from.
    Stored(Box<dyn Stored>, PackSource),
    /// Git's refusal, in its protocol.
    Refused(Bytes),
    /// Too many packs are being made.
    Busy,
    /// It could not be made; the log says why.
    Failed,
}

impl Fanout {
    /// Opens the cache in a folder, of so many bytes at most, and leaves so many of the file system free. Reads no entry.
    pub(in crate::read) fn open(
        folder: PathBuf,
        budget: u64,
        spare: u64,
        turns: Turns,
        patience: Patience,
        metrics: Arc<Metrics>,
    ) -> Self {
        let room = Room::at(folder, budget, spare);
        let inner = Inner { index: Mutex::default(), room, turns, patience, metrics };
        inner.claim();
        Self { inner: Arc::new(inner) }
    }

    /// Answers from what is there, or makes the answer; without a key, for this request alone. Dropping the future, or what it gives, takes part no longer.
    pub(in crate::read) async fn answer(&self, key: Option<Key>, recipe: impl FnOnce() -> Recipe) -> Given {
        let Some(key) = key else {
            let (growth, reader) = Growth::begin();
            self.make(None, growth, recipe());
            return give(reader, PackSource::Alone).await;
        };
        loop {
            let found = self.inner.index().find(key);
            match found {
                Found::Growing(reader) => return give(reader, PackSource::Shared).await,
                Found::Begun(growth, reader) => {
                    self.make(Some(key), growth, recipe());
                    return give(reader, PackSource::Made).await;
                }
                Found::Kept(kept) => match kept.open(self.inner.room.folder()).await {
                    Ok(opened) => {
                        if opened.is_new {
                            self.inner.index().opened(&kept);
                        }
                        return Given::Stored(Box::new(Front::of(opened.file, kept.length())), PackSource::Disk);
                    }
                    Err(error) => self.inner.discard(&kept, &error),
                },
            }
        }
    }

    /// Whether the folder of kept answers is this one's.
    #[cfg(test)]
    pub(in crate::read) fn is_kept(&self) -> bool {
        self.inner.room.is_kept()
    }

    fn make(&self, key: Option<Key>, growth: Arc<Growth>, recipe: Recipe) {
        tokio::spawn(make(Arc::clone(&self.inner), key, growth, recipe));
    }
}

/// Waits until there is something to give.
async fn give(reader: Reader, source: PackSource) -> Given {
    match reader.begun().await {
        None | Some(Ending::Whole) => Given::Stored(Box::new(reader), source),
        Some(Ending::Refused(words)) => Given::Refused(words),
        Some(Ending::Busy) => Given::Busy,
        Some(Ending::Cut) => Given::Failed,
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the folder of kept answers, unless another process has it, and what is in it. Blocks.
    pub(super) fn claim(&self) {
        match self.room.claim() {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.index().adopt(found);
                // The budget may be smaller than it was.
                self.promise(0);
                self.tell();
            }
            Err(error) => {
                let (folder, error) = (self.room.folder().display(), &error as &dyn std::error::Error);
                tracing::warn!(%folder, error, "packs are not kept: their folder cannot be used");
            }
        }
    }

    /// Lets nobody else find an answer that grows.
    pub(super) fn forget(&self, key: Key, growth: &Arc<Growth>) {
        self.index().forget(key, growth);
    }

    /// Keeps an answer, unless another one is being made in its place.
    pub(super) fn keep(&self, kept: Arc<Kept>, growth: &Arc<Growth>) {
        let mut index = self.index();
        if index.is_growing(kept.key(), growth) {
            index.keep(Arc::clone(&kept));
            index.opened(&kept);
        }
        drop(index);
        self.tell();
    }

    /// Promises room on the disk, for which kept answers may have to go; false where there is none even so. Blocks.
    pub(super) fn promise(&self, bytes: u64) -> bool {
        let Some(evicted) = self.index().promise(bytes, self.room.budget) else { return false };
        self.remove(&evicted);
        if self.room.free() < bytes {
            self.evict(bytes);
            if self.room.free() < bytes {
                self.release(bytes);
                return false;
            }
        }
        true
    }

    /// Takes back a promise.
    pub(super) fn release(&self, bytes: u64) {
        self.index().release(bytes);
    }

    /// Makes room on the disk for so many bytes, as far as kept answers take some. Blocks.
    pub(super) fn evict(&self, bytes: u64) {
        let evicted = self.index().evict(bytes);
        self.remove(&evicted);
    }

    fn remove(&self, evicted: &[Arc<Kept>]) {
        for kept in evicted {
            self.room.remove(kept.key());
        }
        if !evicted.is_empty() {
            self.metrics.fanout_evicted(evicted.len() as u64);
            self.tell();
        }
    }

    /// Removes a kept answer that is not what was made.
    fn discard(&self, kept: &Arc<Kept>, error: &std::io::Error) {
        if self.index().drop_kept(kept) {
            self.room.remove(kept.key());
            self.metrics.fanout_damaged();
            self.tell();
            let error = error as &dyn std::error::Error;
            tracing::warn!(key = %kept.key(), error, "a kept pack was damaged, and is made anew");
        }
    }

    fn tell(&self) {
        let (bytes, entries) = self.index().size();
        self.metrics.fanout(bytes, entries);
    }
}
