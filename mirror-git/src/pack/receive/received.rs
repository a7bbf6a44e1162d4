//! A pack that has arrived, and what is known of it without reading it again.

use std::path::PathBuf;

use gix_object::Kind;
use mirror_core::name::CommitId;

/// A complete pack and its index, on disk and synced, not yet part of any repository.
///
/// # Invariants
/// Every object was unpacked and named by its SHA-1; every delta stands on an object of the pack; the pack's trailer and the index agree with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPack {
    /// The pack file, `pack-<checksum>.pack` in the request's folder.
    pub pack: PathBuf,
    /// Its index, `pack-<checksum>.idx` beside it.
    pub index: PathBuf,
    /// The SHA-1 in the pack's trailer.
    pub checksum: CommitId,
    /// Objects that upstream sent.
    pub objects: u32,
    /// Objects added from the cache, because deltas stand on them.
    pub bases: u32,
    /// Bytes that upstream sent.
    pub bytes: u64,
    /// What the pack's commits, trees and tags refer to that is not in the pack, in order. Submodules' commits are left out, as git does.
    ///
    /// The pack is connected when all of it is in the store, given that the store itself is.
    pub outside: Vec<Outside>,
    kinds: Vec<(CommitId, Kind)>,
}

/// An object that a pack refers to without holding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// Its name.
    pub id: CommitId,
    /// What all who refer to it take it for.
    pub kind: Kind,
}

impl ReceivedPack {
    pub(super) fn new(
        files: PackFiles,
        counts: PackCounts,
        kinds: Vec<(CommitId, Kind)>,
        outside: Vec<Outside>,
    ) -> Self {
        Self {
            pack: files.pack,
            index: files.index,
            checksum: files.checksum,
            objects: counts.objects,
            bases: counts.bases,
            bytes: counts.bytes,
            outside,
            kinds,
        }
    }

    /// Says whether the object is in the pack.
    #[must_use]
    pub fn contains(&self, id: &CommitId) -> bool {
        self.kind_of(id).is_some()
    }

    /// Gives the kind of an object of the pack.
    #[must_use]
    pub fn kind_of(&self, id: &CommitId) -> Option<Kind> {
        let place = self.kinds.binary_search_by_key(id, |(known, _)| *known).ok()?;
        self.kinds.get(place).map(|(_, kind)| *kind)
    }
}

/// Where a pack was put.
#[derive(Debug)]
pub(super) struct PackFiles {
    pub(super) pack: PathBuf,
    pub(super) index: PathBuf,
    pub(super) checksum: CommitId,
}

/// How much of a pack there was.
#[derive(Debug)]
pub(super) struct PackCounts {
    pub(super) objects: u32,
    pub(super) bases: u32,
    pub(super) bytes: u64,
}
