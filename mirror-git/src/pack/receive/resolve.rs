//! The second pass over a pack: every delta becomes the object it stands for, and gets its name.
//!
//! Owns the order of that work. Bases are unpacked once, their deltas before their siblings', the smallest family first, so that of a chain of any
//! length two objects are in memory, and of any tree no more than the logarithm of its size.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use gix_object::Kind;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Form};
use super::error::ReceiveError;
use super::kept::Kept;
use super::limits::Limits;
use super::scan::{corrupt, finish, malformed, object_hasher};
use crate::delta::{self, DeltaFault};
use crate::entry::Id;
use crate::inflate::Inflate;
use crate::references::References;

/// The pack as the first pass left it, with every base knowing its deltas.
pub(super) struct Families<'a> {
    file: &'a File,
    path: &'a Path,
    entries: &'a [Entry],
    kept: &'a Kept,
    end: u64,
    limits: &'a Limits,
    cancelled: &'a CancellationToken,
    /// For each entry where its deltas begin in `children`; one more than there are entries.
    first_child: Vec<u32>,
    children: Vec<u32>,
    /// Deltas whose base is known by name alone, until the base is met.
    waiting: Mutex<HashMap<Id, Vec<u32>>>,
    are_waiting: AtomicUsize,
    resolved: AtomicU32,
}

/// A delta that has become an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    pub(super) place: u32,
    pub(super) id: Id,
    pub(super) kind: Kind,
}

/// What one worker found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) objects: Vec<Resolved>,
    pub(super) references: References,
}

impl<'a> Families<'a> {
    pub(super) fn new(
        (file, path): (&'a File, &'a Path),
        (entries, kept, end): (&'a [Entry], &'a Kept, u64),
        limits: &'a Limits,
        cancelled: &'a CancellationToken,
    ) -> Self {
        let mut waiting: HashMap<Id, Vec<u32>> = HashMap::new();
        let mut first_child = vec![0u32; entries.len() + 1];
        for (place, entry) in entries.iter().enumerate() {
            match entry.form {
                Form::Whole { .. } => {}
                Form::OfsDelta(base) => first_child[base as usize + 1] += 1,
                Form::RefDelta(base) => waiting.entry(base).or_default().push(place as u32),
            }
        }
        for place in 0..entries.len() {
            first_child[place + 1] += first_child[place];
        }
        let mut children = vec![0u32; first_child.last().map_or(0, |count| *count as usize)];
        let mut next = first_child.clone();
        // A delta stands behind its base, so counting from the end meets every family whole.
        let mut family = vec![1u32; entries.len()];
        for (place, entry) in entries.iter().enumerate().rev() {
            if let Form::OfsDelta(base) = entry.form {
                family[base as usize] = family[base as usize].saturating_add(family[place]);
                children[next[base as usize] as usize] = place as u32;
                next[base as usize] += 1;
            }
        }
        for place in 0..entries.len() {
            children[first_child[place] as usize..first_child[place + 1] as usize]
                .sort_unstable_by_key(|child| family[*child as usize]);
        }
        Self {
            file,
            path,
            entries,
            kept,
            end,
            limits,
            cancelled,
            first_child,
            children,
            are_waiting: AtomicUsize::new(waiting.len()),
            waiting: Mutex::new(waiting),
            resolved: AtomicU32::new(0),
        }
    }

    /// Counts the deltas of the pack.
    pub(super) fn deltas(&self) -> u32 {
        self.entries.iter().filter(|entry| !matches!(entry.form, Form::Whole { .. })).count() as u32
    }

    /// Counts the deltas that have become objects.
    pub(super) fn resolved(&self) -> u32 {
        self.resolved.load(Ordering::Relaxed)
    }

    /// Gives the names of bases that deltas still wait for, in order.
    pub(super) fn missing(&self) -> Vec<Id> {
        let mut missing: Vec<Id> =
            self.waiting.lock().expect("because no holder of the lock panics").keys().copied().collect();
        missing.sort_unstable();
        missing
    }

    /// Says whether deltas still wait for this base.
    pub(super) fn waits_for(&self, base: &Id) -> bool {
        self.waiting.lock().expect("because no holder of the lock panics").contains_key(base)
    }

    /// Resolves everything that stands on whole objects of the pack, on all cores.
    pub(super) fn resolve_own(&self, threads: usize, tell: &(dyn Fn() + Sync)) -> Result<Vec<Found>, ReceiveError> {
        let roots: Vec<u32> = (0..self.entries.len() as u32).filter(|place| self.is_base(*place)).collect();
        let next = AtomicUsize::new(0);
        let work = || -> Result<Found, ReceiveError> {
            let mut worker = Worker::new(self);
            while let Some(root) = roots.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = worker.resolve_root(*root) {
                    // The others find nothing more to do.
                    next.store(roots.len(), Ordering::Relaxed);
                    return Err(error);
                }
                tell();
            }
            Ok(worker.found)
        };
        if threads <= 1 || roots.len() < 64 {
            return Ok(vec![work()?]);
        }
        let mut found = Vec::new();
        let ended: Vec<std::thread::Result<Result<Found, ReceiveError>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for worker in ended {
            found.push(worker.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(found)
    }

    /// Resolves everything that stands on an object from outside the pack.
    pub(super) fn resolve_on(&self, base: &Id, kind: Kind, object: Vec<u8>) -> Result<Found, ReceiveError> {
        let mut worker = Worker::new(self);
        let children = self.take_waiting(base);
        worker.resolve_family(kind, object, children)?;
        Ok(worker.found)
    }

    fn is_base(&self, place: u32) -> bool {
        match &self.entries[place as usize].form {
            Form::Whole { id, .. } => {
                !self.children_by_place(place).is_empty() || (self.anyone_waits() && self.waits_for(id))
            }
            Form::OfsDelta(_) | Form::RefDelta(_) => false,
        }
    }

    fn children_by_place(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.children[self.first_child[place] as usize..self.first_child[place + 1] as usize]
    }

    fn anyone_waits(&self) -> bool {
        self.are_waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes the deltas that wait for `base`, so that nobody resolves them twice.
    fn take_waiting(&self, base: &Id) -> Vec<u32> {
        let mut waiting = self.waiting.lock().expect("because no holder of the lock panics");
        let taken = waiting.remove(base).unwrap_or_default();
        self.are_waiting.store(waiting.len(), Ordering::Relaxed);
        taken
    }

    fn children(&self, place: u32, id: &Id) -> Vec<u32> {
        let by_place = self.children_by_place(place);
        let mut children = if self.anyone_waits() { self.take_waiting(id) } else { Vec::new() };
        children.extend_from_slice(by_place);
        children
    }
}

/// One thread's share of the work.
struct Worker<'a> {
    families: &'a Families<'a>,
    inflate: Inflate,
    deflated: Vec<u8>,
    instructions: Vec<u8>,
    found: Found,
    spare: Vec<Vec<u8>>,
}

/// A base whose deltas are being resolved.
struct Base {
    object: Vec<u8>,
    children: std::vec::IntoIter<u32>,
}

impl<'a> Worker<'a> {
    fn new(families: &'a Families<'a>) -> Self {
        Self {
            families,
            inflate: Inflate::new(),
            deflated: Vec::new(),
            instructions: Vec::new(),
            found: Found::default(),
            spare: Vec::new(),
        }
    }

    fn resolve_root(&mut self, place: u32) -> Result<(), ReceiveError> {
        let Form::Whole { kind, id } = self.families.entries[place as usize].form else { return Ok(()) };
        let children = self.families.children(place, &id);
        let mut object = self.spare.pop().unwrap_or_default();
        self.unpack(place, &mut object)?;
        self.resolve_family(kind, object, children)
    }

    fn resolve_family(&mut self, kind: Kind, object: Vec<u8>, children: Vec<u32>) -> Result<(), ReceiveError> {
        let mut bases = vec![Base { object, children: children.into_iter() }];
        while let Some(base) = bases.last_mut() {
            if self.families.cancelled.is_cancelled() {
                return Err(ReceiveError::Cancelled);
            }
            let Some(child) = base.children.next() else {
                self.spare.extend(bases.pop().map(|done| done.object));
                continue;
            };
            let mut object = self.spare.pop().unwrap_or_default();
            self.build(child, &base.object, &mut object)?;
            if base.children.len() == 0 {
                self.spare.extend(bases.pop().map(|done| done.object));
            }
            let id = self.name(child, kind, &object)?;
            let children = self.families.children(child, &id);
            if children.is_empty() {
                self.spare.push(object);
            } else {
                bases.push(Base { object, children: children.into_iter() });
            }
            // A few buffers serve every family; a large one is not kept for small objects.
            self.spare.truncate(2);
            self.spare.retain(|buffer| buffer.capacity() <= 4 << 20);
        }
        Ok(())
    }

    /// Builds the object that the delta at `place` makes of `base`.
    fn build(&mut self, place: u32, base: &[u8], object: &mut Vec<u8>) -> Result<(), ReceiveError> {
        let families = self.families;
        let entry = &families.entries[place as usize];
        let limit = families.limits.object_bytes;
        let applied = match families.kept.get(place, entry.size) {
            Some(instructions) => delta::apply(base, instructions, limit, object),
            None => {
                let mut instructions = std::mem::take(&mut self.instructions);
                self.unpack(place, &mut instructions)?;
                let applied = delta::apply(base, &instructions, limit, object);
                self.instructions = instructions;
                applied
            }
        };
        applied.map_err(|fault| match fault {
            DeltaFault::Corrupt(detail) => corrupt(entry.offset, detail),
            DeltaFault::TooLarge(bytes) => ReceiveError::ObjectSize { offset: entry.offset, bytes, limit },
        })
    }

    /// Reads an entry back from the file, and inflates it.
    fn unpack(&mut self, place: u32, into: &mut Vec<u8>) -> Result<(), ReceiveError> {
        let families = self.families;
        let entry = &families.entries[place as usize];
        let end = families.entries.get(place as usize + 1).map_or(families.end, |next| next.offset);
        let start = entry.offset + u64::from(entry.header_len);
        let damaged = || corrupt(entry.offset, "an object reads back otherwise than it was written");
        let length = usize::try_from(end - start).map_err(|_| damaged())?;
        let size = usize::try_from(entry.size).map_err(|_| damaged())?;
        self.deflated.resize(length, 0);
        let read = families.file.read_exact_at(&mut self.deflated, start);
        read.map_err(|source| ReceiveError::Disk { action: "read back", path: families.path.to_owned(), source })?;
        self.inflate.whole(&self.deflated, size, into).map_err(|_| damaged())
    }

    fn name(&mut self, place: u32, kind: Kind, object: &[u8]) -> Result<Id, ReceiveError> {
        let mut hasher = object_hasher(kind, object.len() as u64);
        hasher.update(object);
        let id = finish(hasher, self.families.entries[place as usize].offset)?;
        self.found.references.take(kind, object).map_err(|detail| malformed(id, detail))?;
        self.found.objects.push(Resolved { place, id, kind });
        self.families.resolved.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }
}
