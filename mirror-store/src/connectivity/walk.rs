//! The walk over the deltas of a pack: each commit, tree and tag is inflated once, and made from its base once.
//!
//! Bases are kept only while deltas on them are waiting. Where that would take too much memory, a base is dropped and made again from its
//! own bases when its deltas come up: slower, never larger.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use flate2::Decompress;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use super::delta;
use super::entries::Entries;
use super::error::ClosureError;
use super::references;
use crate::open::Cache;

/// A commit, tree or tag of more bytes is refused.
const OBJECT_LIMIT: u64 = 256 << 20;
/// What a thread may hold of bases whose deltas are waiting.
const HELD_LIMIT: usize = 32 << 20;
/// Below this number of objects a second thread costs more than it brings.
const SINGLE_BELOW: usize = 4096;
const MOST_THREADS: usize = 4;
/// How many roots a thread takes at a time.
const SHARE: usize = 32;
/// Slots of the table of references that were found lately, as a power of two: neighbouring trees share most of theirs.
const RECENT_BITS: u32 = 14;

/// The work that all threads share.
pub(super) struct Walk<'a> {
    cache: &'a Cache,
    entries: &'a Entries,
    next_root: AtomicUsize,
    has_failed: AtomicBool,
    failure: Mutex<Option<ClosureError>>,
}

/// What one thread needs for itself.
struct Worker<'a> {
    entries: &'a Entries,
    cache: &'a Cache,
    odb: gix_odb::HandleArc,
    decoder: Decompress,
    /// The inflated form of the delta at hand.
    delta: Vec<u8>,
    spare: Vec<Vec<u8>>,
    held: usize,
    recent: Vec<Option<(ObjectId, Kind)>>,
}

/// A delta that waits for its turn, with its base where that is still held.
type Waiting = (u32, Option<Rc<Vec<u8>>>);

impl<'a> Walk<'a> {
    pub(super) fn new(cache: &'a Cache, entries: &'a Entries) -> Self {
        Self {
            cache,
            entries,
            next_root: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Looks at every object that is not a blob. The first failure of any thread ends all.
    pub(super) fn run(self) -> Result<(), ClosureError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let threads = if self.entries.len() < SINGLE_BELOW { 1 } else { processors };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.work());
            }
            self.work();
        });
        match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn work(&self) {
        if let Err(error) = self.work_through() {
            self.has_failed.store(true, Ordering::Relaxed);
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn work_through(&self) -> Result<(), ClosureError> {
        let mut worker = Worker::new(self.cache, self.entries)?;
        loop {
            let from = self.next_root.fetch_add(SHARE, Ordering::Relaxed);
            let Some(roots) = self.entries.roots().get(from..) else { return Ok(()) };
            for root in roots.iter().take(SHARE) {
                if self.has_failed.load(Ordering::Relaxed) {
                    return Ok(());
                }
                worker.visit_family(*root)?;
            }
        }
    }
}

impl<'a> Worker<'a> {
    fn new(cache: &'a Cache, entries: &'a Entries) -> Result<Self, ClosureError> {
        Ok(Self {
            entries,
            cache,
            odb: cache.odb()?,
            decoder: Decompress::new(true),
            delta: Vec::new(),
            spare: Vec::new(),
            held: 0,
            recent: vec![None; 1 << RECENT_BITS],
        })
    }

    /// Looks at an object and at all that are deltas on it, directly or not.
    fn visit_family(&mut self, root: u32) -> Result<(), ClosureError> {
        let mut waiting: Vec<Waiting> = Vec::new();
        let object = self.whole(root)?;
        self.visit(root, object, &mut waiting)?;
        while let Some((slot, base)) = waiting.pop() {
            let base = match base {
                Some(base) => base,
                None => {
                    let base = self
                        .entries
                        .content(slot)?
                        .base
                        .ok_or_else(|| self.entries.corrupt("a delta lost its base"))?;
                    let base = Rc::new(self.rebuild(base)?);
                    self.held += base.len();
                    base
                }
            };
            let object = self.made(slot, &base)?;
            self.let_go(base);
            self.visit(slot, object, &mut waiting)?;
        }
        Ok(())
    }

    /// Checks what an object refers to, then keeps it for the deltas on it, if any.
    fn visit(&mut self, slot: u32, object: Vec<u8>, waiting: &mut Vec<Waiting>) -> Result<(), ClosureError> {
        let kind = self.entries.kind(slot);
        let checked = references::each(kind, &object, |id, kind| self.check(id, kind));
        checked.map_err(|unmet| unmet.into_error(|| self.entries.id(slot), kind))?;
        let mut deltas = self.entries.deltas(slot).peekable();
        if deltas.peek().is_none() {
            self.spare.push(object);
        } else if self.held + object.len() > HELD_LIMIT {
            waiting.extend(deltas.map(|delta| (delta, None)));
        } else {
            self.held += object.len();
            let object = Rc::new(object);
            waiting.extend(deltas.map(|delta| (delta, Some(Rc::clone(&object)))));
        }
        Ok(())
    }

    /// Forgets a base; its memory is used again once no delta waits for it.
    fn let_go(&mut self, base: Rc<Vec<u8>>) {
        if let Ok(memory) = Rc::try_unwrap(base) {
            self.held -= memory.len();
            self.spare.push(memory);
        }
    }

    /// Makes an object from its whole chain of deltas, keeping nothing.
    fn rebuild(&mut self, slot: u32) -> Result<Vec<u8>, ClosureError> {
        let mut chain = vec![slot];
        while let Some(base) = self.entries.content(*chain.last().unwrap_or(&slot))?.base {
            chain.push(base);
        }
        let mut object = self.whole(chain.pop().unwrap_or(slot))?;
        while let Some(slot) = chain.pop() {
            let made = self.made(slot, &object)?;
            self.spare.push(std::mem::replace(&mut object, made));
        }
        Ok(object)
    }

    /// Inflates an entry that is no delta.
    fn whole(&mut self, slot: u32) -> Result<Vec<u8>, ClosureError> {
        let content = self.entries.content(slot)?;
        let size = self.permitted(slot, content.size)?;
        let mut object = self.spare.pop().unwrap_or_default();
        match delta::inflate(&mut self.decoder, content.compressed, size, &mut object) {
            Ok(()) => Ok(object),
            Err(fault) => Err(self.entries.corrupt(fault)),
        }
    }

    /// Makes an object from its delta and its base.
    fn made(&mut self, slot: u32, base: &[u8]) -> Result<Vec<u8>, ClosureError> {
        let content = self.entries.content(slot)?;
        let size = self.permitted(slot, content.size)?;
        let mut object = self.spare.pop().unwrap_or_default();
        delta::inflate(&mut self.decoder, content.compressed, size, &mut self.delta)
            .map_err(|e| self.entries.corrupt(e))?;
        let announced = delta::result_size(&self.delta, base.len()).map_err(|e| self.entries.corrupt(e))?;
        self.permitted(slot, announced)?;
        delta::apply(base, &self.delta, &mut object).map_err(|e| self.entries.corrupt(e))?;
        Ok(object)
    }

    fn permitted(&self, slot: u32, size: u64) -> Result<usize, ClosureError> {
        match usize::try_from(size) {
            Ok(fits) if size <= OBJECT_LIMIT => Ok(fits),
            _ => Err(ClosureError::TooLarge { id: self.entries.id(slot), kind: self.entries.kind(slot), size }),
        }
    }

    /// Checks that one reference leads to an object of its kind, in the pack or in the store.
    fn check(&mut self, id: &oid, expected: Kind) -> Result<(), Unmet> {
        let bytes = id.as_bytes();
        let place = usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
        let place = place & ((1 << RECENT_BITS) - 1);
        if let Some((recent, kind)) = &self.recent[place]
            && *kind == expected
            && recent.as_bytes() == bytes
        {
            return Ok(());
        }
        let found = match self.entries.kind_of(id) {
            Some(kind) => Some(kind),
            None => self.cache.kind_of(&self.odb, id).map_err(|e| Unmet::Error(e.into()))?,
        };
        match found {
            Some(found) if found == expected => {
                self.recent[place] = Some((id.to_owned(), expected));
                Ok(())
            }
            Some(found) => Err(Unmet::WrongKind { id: id.to_owned(), expected, found }),
            None => Err(Unmet::Missing { id: id.to_owned(), kind: expected }),
        }
    }
}

/// A reference that leads nowhere, before it is known whose it is.
enum Unmet {
    Missing { id: ObjectId, kind: Kind },
    WrongKind { id: ObjectId, expected: Kind, found: Kind },
    Malformed(&'static str),
    Error(ClosureError),
}

impl From<&'static str> for Unmet {
    fn from(fault: &'static str) -> Self {
        Self::Malformed(fault)
    }
}

impl Unmet {
    fn into_error(self, referenced_by: impl Fn() -> ObjectId, by_kind: Kind) -> ClosureError {
        match self {
            Self::Missing { id, kind } => ClosureError::MissingObject { id, kind, referenced_by: referenced_by() },
            Self::WrongKind { id, expected, found } => {
                ClosureError::WrongKind { id, expected, found, referenced_by: referenced_by() }
            }
            Self::Malformed(fault) => ClosureError::MalformedObject { id: referenced_by(), kind: by_kind, fault },
            Self::Error(error) => error,
        }
    }
}
