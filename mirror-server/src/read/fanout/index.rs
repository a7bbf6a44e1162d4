//! What there is: answers that grow, answers that are kept, and how many bytes they take. In memory alone; files are [`room`](super::room)'s.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::growth::Growth;
use super::kept::Kept;
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
    /// Kept answers whose files are open, those opened first in front.
    open: VecDeque<Arc<Kept>>,
}

#[derive(Debug)]
enum Slot {
    Growing(Arc<Growth>),
    Kept(Arc<Kept>),
}

/// What is there for a key.
pub(super) enum Found {
    /// A kept answer.
    Kept(Arc<Kept>),
    /// An answer that is being made, already joined.
    Growing(Reader),
    /// Nothing: the caller makes it, and reads it like everybody else.
    Begun(Arc<Growth>, Reader),
}

impl Index {
    /// Finds an answer, or begins one.
    pub(super) fn find(&mut self, key: Key) -> Found {
        match self.slots.get(&key) {
            Some(Slot::Kept(kept)) => return Found::Kept(Arc::clone(kept)),
            Some(Slot::Growing(growth)) => {
                if let Some(reader) = growth.join() {
                    return Found::Growing(reader);
                }
            }
            None => {}
        }
        let (growth, reader) = Growth::begin();
        self.slots.insert(key, Slot::Growing(Arc::clone(&growth)));
        Found::Begun(growth, reader)
    }

    /// Lets nobody else find an answer that grows.
    pub(super) fn forget(&mut self, key: Key, growth: &Arc<Growth>) {
        if self.is_growing(key, growth) {
            self.slots.remove(&key);
        }
    }

    /// Whether an answer that grows is still the one for its key.
    pub(super) fn is_growing(&self, key: Key, growth: &Arc<Growth>) -> bool {
        matches!(self.slots.get(&key), Some(Slot::Growing(there)) if Arc::ptr_eq(there, growth))
    }

    /// Keeps an answer.
    pub(super) fn keep(&mut self, kept: Arc<Kept>) {
        self.kept += kept.footprint();
        self.entries += 1;
        if let Some(Slot::Kept(before)) = self.slots.insert(kept.key(), Slot::Kept(Arc::clone(&kept))) {
            self.kept -= before.footprint();
            self.entries -= 1;
        }
    }

    /// Takes in what an earlier process kept, other than what is there or being made again.
    pub(super) fn adopt(&mut self, found: Vec<Kept>) {
        for kept in found {
            if !self.slots.contains_key(&kept.key()) {
                self.keep(Arc::new(kept));
            }
        }
    }

    /// Whether an answer is kept for a key.
    pub(super) fn is_kept(&self, key: Key) -> bool {
        matches!(self.slots.get(&key), Some(Slot::Kept(_)))
    }

    fn has(&self, kept: &Arc<Kept>) -> bool {
        matches!(self.slots.get(&kept.key()), Some(Slot::Kept(there)) if Arc::ptr_eq(there, kept))
    }

    /// Drops a kept answer; false where it is not there any more.
    pub(super) fn drop_kept(&mut self, kept: &Arc<Kept>) -> bool {
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
    pub(super) fn opened(&mut self, kept: &Arc<Kept>) {
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
    /// the budget; `None` where it does not even so.
    pub(super) fn promise(&mut self, bytes: u64, budget: u64) -> Option<Vec<Arc<Kept>>> {
        let wanted = self.promised.saturating_add(bytes);
        if wanted > budget {
            return None;
        }
        self.promised = wanted;
        if wanted + self.kept <= budget {
            return Some(Vec::new());
        }
        // Some more than needed, so that the next ones find room without a search.
        Some(self.evict(wanted + self.kept - (budget - budget / 32).max(wanted)))
    }

    /// Takes back a promise.
    pub(super) fn release(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// Takes kept answers out until they took so many bytes, or none is left.
    pub(super) fn evict(&mut self, bytes: u64) -> Vec<Arc<Kept>> {
        let kept = self.slots.values().filter_map(|slot| match slot {
            Slot::Kept(kept) => Some(Arc::clone(kept)),
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
