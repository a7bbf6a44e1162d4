//! What there is: answers that grow, answers that are cached, and how many bytes they take. In memory alone; files are [`room`](super::storage)'s.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cached::CachedPack;
use super::in_progress::InProgressPack;
use super::key::Key;
use super::reader::Reader;

/// How many files of cached answers stay open.
const OPEN_FILES: usize = 256;

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: HashMap<Key, Slot>,
    /// Bytes of disk that cached answers take.
    cached: u64,
    entries: usize,
    /// Bytes of disk that were promised to answers that grow.
    promised: u64,
    /// Cached answers whose files are open, those opened first in front.
    open: VecDeque<Arc<CachedPack>>,
}

#[derive(Debug)]
enum Slot {
    InProgress(Arc<InProgressPack>),
    Cached(Arc<CachedPack>),
}

/// What is there for a key.
pub(super) enum Found {
    /// A cached answer.
    Cached(Arc<CachedPack>),
    /// An answer that is being made, already joined.
    InProgress(Reader),
    /// Nothing: the caller makes it, and reads it like everybody else.
    Begun(Arc<InProgressPack>, Reader),
}

impl Index {
    /// Finds an answer, or begins one.
    pub(super) fn find(&mut self, key: Key) -> Found {
        match self.slots.get(&key) {
            Some(Slot::Cached(cached)) => return Found::Cached(Arc::clone(cached)),
            Some(Slot::InProgress(pack)) => {
                if let Some(reader) = pack.join() {
                    return Found::InProgress(reader);
                }
            }
            None => {}
        }
        let (pack, reader) = InProgressPack::begin();
        self.slots.insert(key, Slot::InProgress(Arc::clone(&pack)));
        Found::Begun(pack, reader)
    }

    /// Lets nobody else find an answer that grows.
    pub(super) fn forget(&mut self, key: Key, pack: &Arc<InProgressPack>) {
        if self.is_in_progress(key, pack) {
            self.slots.remove(&key);
        }
    }

    /// Whether an answer that grows is still the one for its key.
    pub(super) fn is_in_progress(&self, key: Key, pack: &Arc<InProgressPack>) -> bool {
        matches!(self.slots.get(&key), Some(Slot::InProgress(there)) if Arc::ptr_eq(there, pack))
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, cached: Arc<CachedPack>) {
        self.cached += cached.footprint();
        self.entries += 1;
        if let Some(Slot::Cached(before)) = self.slots.insert(cached.key(), Slot::Cached(Arc::clone(&cached))) {
            self.cached -= before.footprint();
            self.entries -= 1;
        }
    }

    /// Takes in what an earlier process cached, other than what is there or being made again.
    pub(super) fn adopt(&mut self, found: Vec<CachedPack>) {
        for cached in found {
            if !self.slots.contains_key(&cached.key()) {
                self.keep(Arc::new(cached));
            }
        }
    }

    /// Whether an answer is kept for a key.
    pub(super) fn is_cached(&self, key: Key) -> bool {
        matches!(self.slots.get(&key), Some(Slot::Cached(_)))
    }

    fn has(&self, cached: &Arc<CachedPack>) -> bool {
        matches!(self.slots.get(&cached.key()), Some(Slot::Cached(there)) if Arc::ptr_eq(there, cached))
    }

    /// Drops a cached answer; false where it is not there any more.
    pub(super) fn drop_cached(&mut self, cached: &Arc<CachedPack>) -> bool {
        let is_there = self.has(cached);
        if is_there {
            self.slots.remove(&cached.key());
            self.cached -= cached.footprint();
            self.entries -= 1;
        }
        is_there
    }

    /// Notes that the file of a cached answer is open now, and closes one where there are too many. That of an answer which was evicted meanwhile is
    /// closed, so that its bytes become free as soon as it was read.
    pub(super) fn opened(&mut self, cached: &Arc<CachedPack>) {
        if !self.has(cached) {
            cached.close();
            return;
        }
        self.open.push_back(Arc::clone(cached));
        if self.open.len() > OPEN_FILES
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.close();
        }
    }

    /// Promises so many bytes more to an answer that grows, and takes cached answers out, those not used for the longest time first, until all fits into
    /// the quota; `None` where it does not even so.
    pub(super) fn promise(&mut self, bytes: u64, quota: u64) -> Option<Vec<Arc<CachedPack>>> {
        let wanted = self.promised.saturating_add(bytes);
        if wanted > quota {
            return None;
        }
        self.promised = wanted;
        if wanted + self.cached <= quota {
            return Some(Vec::new());
        }
        // Some more than needed, so that the next ones find room without a search.
        Some(self.evict(wanted + self.cached - (quota - quota / 32).max(wanted)))
    }

    /// Takes back a promise.
    pub(super) fn release(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// Takes cached answers out until they took so many bytes, or none is left.
    pub(super) fn evict(&mut self, bytes: u64) -> Vec<Arc<CachedPack>> {
        let cached = self.slots.values().filter_map(|slot| match slot {
            Slot::Cached(cached) => Some(Arc::clone(cached)),
            Slot::InProgress(_) => None,
        });
        let mut by_use: Vec<_> = cached.map(|cached| (cached.used(), cached)).collect();
        by_use.sort_by_key(|(used, _)| *used);
        let mut freed = 0;
        let mut evicted = Vec::new();
        for (_, cached) in by_use {
            if freed >= bytes {
                break;
            }
            freed += cached.footprint();
            self.drop_cached(&cached);
            cached.close();
            evicted.push(cached);
        }
        if !evicted.is_empty() {
            self.open.retain(|open| !evicted.iter().any(|gone| Arc::ptr_eq(gone, open)));
        }
        evicted
    }

    /// How many answers are cached, and how many bytes of disk they take.
    pub(super) fn size(&self) -> (u64, usize) {
        (self.cached, self.entries)
    }
}
