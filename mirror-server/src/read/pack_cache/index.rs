//! What there is: answers that grow, answers that are kept, and how many bytes they take. In memory alone; files are [`room`](super::storage)'s.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::cached::CachedPack;
use super::in_progress::InProgressPack;
use super::key::Key;
use super::reader::Reader;

/// How many files of kept answers stay open.
const OPEN_FILES: usize = 256;

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: HashMap<Key, Slot>,
    /// Bytes of disk that kept answers take.
    kept: u64,
    entries: usize,
    /// Bytes of disk that were promised to answers that grow.
    promised: u64,
    /// Cached answers whose files are open, those opened first in front.
    open: VecDeque<Arc<CachedPack>>,
}

#[derive(Debug)]
enum Slot {
    Growing(Arc<InProgressPack>),
    CachedPack(Arc<CachedPack>),
}

/// What is there for a key.
pub(super) enum Found {
    /// A kept answer.
    CachedPack(Arc<CachedPack>),
    /// An answer that is being made, already joined.
    Growing(Reader),
    /// Nothing: the caller makes it, and reads it like everybody else.
    Begun(Arc<InProgressPack>, Reader),
}

impl Index {
    /// Finds an answer, or begins one.
    pub(super) fn find(&mut self, key: Key) -> Found {
        match self.slots.get(&key) {
            Some(Slot::CachedPack(kept)) => return Found::CachedPack(Arc::clone(kept)),
            Some(Slot::Growing(pack)) => {
                if let Some(reader) = pack.join() {
                    return Found::Growing(reader);
                }
            }
            None => {}
        }
        let (pack, reader) = InProgressPack::begin();
        self.slots.insert(key, Slot::Growing(Arc::clone(&pack)));
        Found::Begun(pack, reader)
    }

    /// Lets nobody else find an answer that grows.
    pub(super) fn forget(&mut self, key: Key, pack: &Arc<InProgressPack>) {
        if self.is_growing(key, pack) {
            self.slots.remove(&key);
        }
    }

    /// Whether an answer that grows is still the one for its key.
    pub(super) fn is_growing(&self, key: Key, pack: &Arc<InProgressPack>) -> bool {
        matches!(self.slots.get(&key), Some(Slot::Growing(there)) if Arc::ptr_eq(there, pack))
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, kept: Arc<CachedPack>) {
        self.kept += kept.footprint();
        self.entries += 1;
        if let Some(Slot::CachedPack(before)) = self.slots.insert(kept.key(), Slot::CachedPack(Arc::clone(&kept))) {
            self.kept -= before.footprint();
            self.entries -= 1;
        }
    }

    /// Takes in what an earlier process kept, other than what is there or being made again.
    pub(super) fn adopt(&mut self, found: Vec<CachedPack>) {
        for kept in found {
            if !self.slots.contains_key(&kept.key()) {
                self.keep(Arc::new(kept));
            }
        }
    }

    /// Whether an answer is kept for a key.
    pub(super) fn is_kept(&self, key: Key) -> bool {
        matches!(self.slots.get(&key), Some(Slot::CachedPack(_)))
    }

    fn has(&self, kept: &Arc<CachedPack>) -> bool {
        matches!(self.slots.get(&kept.key()), Some(Slot::CachedPack(there)) if Arc::ptr_eq(there, kept))
    }

    /// Drops a kept answer; false where it is not there any more.
    pub(super) fn drop_kept(&mut self, kept: &Arc<CachedPack>) -> bool {
        let is_there = self.has(kept);
        if is_there {
            self.slots.remove(&kept.key());
            self.kept -= kept.footprint();
            self.entries -= 1;
        }
        is_there
    }

    /// Notes that the file of a kept answer is open now, and closes one where there are too many. That of an answer which was evicted meanwhile is
    /// closed, so that its bytes become free as soon as it was read.
    pub(super) fn opened(&mut self, kept: &Arc<CachedPack>) {
        if !self.has(kept) {
            kept.close();
            return;
        }
        self.open.push_back(Arc::clone(kept));
        if self.open.len() > OPEN_FILES
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.close();
        }
    }

    /// Promises so many bytes more to an answer that grows, and takes kept answers out, those not used for the longest time first, until all fits into
    /// the quota; `None` where it does not even so.
    pub(super) fn promise(&mut self, bytes: u64, quota: u64) -> Option<Vec<Arc<CachedPack>>> {
        let wanted = self.promised.saturating_add(bytes);
        if wanted > quota {
            return None;
        }
        self.promised = wanted;
        if wanted + self.kept <= quota {
            return Some(Vec::new());
        }
        // Some more than needed, so that the next ones find room without a search.
        Some(self.evict(wanted + self.kept - (quota - quota / 32).max(wanted)))
    }

    /// Takes back a promise.
    pub(super) fn release(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// Takes kept answers out until they took so many bytes, or none is left.
    pub(super) fn evict(&mut self, bytes: u64) -> Vec<Arc<CachedPack>> {
        let kept = self.slots.values().filter_map(|slot| match slot {
            Slot::CachedPack(kept) => Some(Arc::clone(kept)),
            Slot::Growing(_) => None,
        });
        let mut by_use: Vec<_> = kept.map(|kept| (kept.used(), kept)).collect();
        by_use.sort_by_key(|(used, _)| *used);
        let mut freed = 0;
        let mut evicted = Vec::new();
        for (_, kept) in by_use {
            if freed >= bytes {
                break;
            }
            freed += kept.footprint();
            self.drop_kept(&kept);
            kept.close();
            evicted.push(kept);
        }
        if !evicted.is_empty() {
            self.open.retain(|open| !evicted.iter().any(|gone| Arc::ptr_eq(gone, open)));
        }
        evicted
    }

    /// How many answers are kept, and how many bytes of disk they take.
    pub(super) fn size(&self) -> (u64, usize) {
        (self.kept, self.entries)
    }
}
