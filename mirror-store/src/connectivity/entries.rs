//! The entries of one pack: where each is, of which kind, and on which it is a delta. Read from the headers alone.

use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use gix_pack::data::entry::Header;

use super::error::ClosureError;

/// No entry: the end of a list, or an entry that stands on no other.
const NONE: u32 = u32::MAX;

/// The pack, in the order of its entries. A *slot* is a place in that order.
pub(super) struct Entries {
    path: PathBuf,
    pack: gix_pack::data::File,
    index: gix_pack::index::File,
    /// For each slot, its offset in the pack and its place in the index.
    slots: Vec<(u64, u32)>,
    /// The kind of each place of the index.
    kinds: Vec<Kind>,
    /// For each slot, the first delta on it, and the next delta on the same base. Blobs have none.
    first_delta: Vec<u32>,
    next_delta: Vec<u32>,
    /// The slots of commits, trees and tags that are no deltas.
    roots: Vec<u32>,
}

/// The compressed bytes of one entry, and how many they were.
pub(super) struct Content<'a> {
    pub(super) compressed: &'a [u8],
    pub(super) size: u64,
    /// The slot it is a delta on.
    pub(super) base: Option<u32>,
}

impl Entries {
    pub(super) fn open(pack: &Path, index: &Path) -> Result<Self, ClosureError> {
        let corrupt = |fault: String| ClosureError::Corrupt { path: pack.to_owned(), fault };
        let sha1 = gix_hash::Kind::Sha1;
        let index = gix_pack::index::File::at(index, sha1).map_err(|e| corrupt(e.to_string()))?;
        let data = gix_pack::data::File::at(pack, sha1).map_err(|e| corrupt(e.to_string()))?;
        if data.num_objects() != index.num_objects() {
            return Err(corrupt("its index has another number of objects".to_owned()));
        }
        let mut slots: Vec<(u64, u32)> =
            (0..index.num_objects()).map(|at| (index.pack_offset_at_index(at), at)).collect();
        slots.sort_unstable();
        let count = slots.len();
        let mut entries = Self {
            path: pack.to_owned(),
            pack: data,
            index,
            slots,
            kinds: Vec::new(),
            first_delta: vec![NONE; count],
            next_delta: vec![NONE; count],
            roots: Vec::new(),
        };
        entries.resolve()?;
        Ok(entries)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// Gives the kind of an object; `None` where it is not in the pack.
    pub(super) fn kind_of(&self, id: &oid) -> Option<Kind> {
        self.index.lookup(id).map(|at| self.kinds[at as usize])
    }

    pub(super) fn kind(&self, slot: u32) -> Kind {
        self.kinds[self.slots[slot as usize].1 as usize]
    }

    pub(super) fn id(&self, slot: u32) -> ObjectId {
        self.index.oid_at_index(self.slots[slot as usize].1).to_owned()
    }

    /// Gives the slots of the deltas on a slot.
    pub(super) fn deltas(&self, slot: u32) -> impl Iterator<Item = u32> + '_ {
        let known = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(known(self.first_delta[slot as usize]), move |slot| {
            known(self.next_delta[*slot as usize])
        })
    }

    pub(super) fn content(&self, slot: u32) -> Result<Content<'_>, ClosureError> {
        let offset = self.slots[slot as usize].0;
        let end = self.slots.get(slot as usize + 1).map_or(self.pack.pack_end() as u64, |(next, _)| *next);
        let entry = self.pack.entry(offset).map_err(|e| self.corrupt(e))?;
        let compressed =
            self.pack.entry_slice(entry.data_offset..end).ok_or_else(|| self.corrupt("an entry is cut"))?;
        Ok(Content { compressed, size: entry.decompressed_size, base: self.base(&entry)? })
    }

    /// Finds the kind of every entry, and chains the deltas of what is not a blob behind their bases.
    fn resolve(&mut self) -> Result<(), ClosureError> {
        let mut kinds: Vec<Option<Kind>> = vec![None; self.len()];
        let mut bases = vec![NONE; self.len()];
        for (slot, (offset, _)) in self.slots.iter().enumerate() {
            let entry = self.pack.entry(*offset).map_err(|e| self.corrupt(e))?;
            match self.base(&entry)? {
                None => kinds[slot] = entry.header.as_kind(),
                Some(base) => bases[slot] = base,
            }
        }
        let mut chain = Vec::new();
        for slot in 0..self.len() {
            let mut at = slot;
            while kinds[at].is_none() {
                chain.push(at);
                // A chain longer than the pack goes in a circle.
                if bases[at] == NONE || chain.len() > self.len() {
                    return Err(self.corrupt("a delta stands on no object"));
                }
                at = bases[at] as usize;
            }
            let kind = kinds[at];
            chain.drain(..).for_each(|at| kinds[at] = kind);
        }
        self.kinds = vec![Kind::Blob; self.len()];
        for slot in (0..self.len()).rev() {
            let kind = kinds[slot].ok_or_else(|| self.corrupt("an entry has no kind"))?;
            self.kinds[self.slots[slot].1 as usize] = kind;
            if kind == Kind::Blob {
                continue;
            }
            let number = u32::try_from(slot).map_err(|e| self.corrupt(e))?;
            match bases[slot] {
                NONE => self.roots.push(number),
                base => self.next_delta[slot] = std::mem::replace(&mut self.first_delta[base as usize], number),
            }
        }
        self.roots.reverse();
        Ok(())
    }

    /// Finds the slot an entry is a delta on.
    fn base(&self, entry: &gix_pack::data::Entry) -> Result<Option<u32>, ClosureError> {
        let offset = match entry.header {
            Header::Commit | Header::Tree | Header::Blob | Header::Tag => return Ok(None),
            Header::OfsDelta { base_distance } => entry.checked_base_pack_offset(base_distance),
            Header::RefDelta { base_id } => self.index.lookup(base_id).map(|at| self.index.pack_offset_at_index(at)),
        };
        let slot = offset.and_then(|offset| self.slots.binary_search_by_key(&offset, |(offset, _)| *offset).ok());
        match slot.and_then(|slot| u32::try_from(slot).ok()) {
            Some(slot) => Ok(Some(slot)),
            None => Err(self.corrupt("a delta has its base outside the pack")),
        }
    }

    pub(super) fn corrupt(&self, fault: impl ToString) -> ClosureError {
        ClosureError::Corrupt { path: self.path.clone(), fault: fault.to_string() }
    }
}
