//! The object store of a cache: handles for fetch and push, and the questions that refs ask of it.
//!
//! It never writes objects; packs come in through [`Operation::install`](super::Operation::install) alone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gix_hash::{ObjectId, oid};
use gix_object::{Exists, Find, Kind};
use gix_odb::store::init::{Options, Slots};
use mirror_core::name::CommitId;

use super::disk::Stamp;
use super::disk::{At, DiskError, is_absent};
use super::handle::ObjectHandle;
use super::layout::Layout;
use super::open::Cache;

/// What a handle may keep of decoded bases of deltas.
const DECODED_BYTES: usize = 16 << 20;
/// Packs that may arrive while a process holds the store open, beyond those it found.
const SPARE_PACKS: usize = 1024;
/// What one object may ask to be held in memory at once.
pub(super) const OBJECT_LIMIT: usize = 2 << 30;
/// How many tags may point at tags before the chain counts as endless.
const TAG_DEPTH: usize = 64;

/// An object store that cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ObjectError {
    /// The store could not be opened.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    /// An object that is there cannot be decoded.
    #[error("object {id} of {} cannot be read", path.display())]
    #[diagnostic(
        code(mirror::cache::unreadable_object),
        help("run `git -C {} fsck`; a damaged cache is moved away and made again by `git-mirror sync --confirm`", path.display())
    )]
    Unreadable {
        /// The object.
        id: ObjectId,
        /// The cache.
        path: PathBuf,
        /// What the decoder met.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The store as this process has it open.
#[derive(Default)]
pub(super) struct Objects {
    open: Mutex<Option<OpenStore>>,
}

struct OpenStore {
    store: Arc<gix_odb::Store>,
    /// Which folder it was opened in: a cache may be moved away and made anew.
    folder: Option<(u64, u64)>,
    /// The notes of the upkeep at that time. What it removes from the store, it removes before it writes them anew.
    upkeep: Option<Stamp>,
    packs: KnownPacks,
    /// How often the folder of packs was another one than before.
    changes: usize,
}

/// The folder of packs when it was last read.
struct KnownPacks {
    stamp: Option<Stamp>,
    /// Whether that stamp cannot be the one of a later change as well.
    is_settled: bool,
    /// The files without which a pack is none. They are read before the store is, which so finds no pack that is not among them or yet to come.
    names: BTreeSet<OsString>,
}

impl KnownPacks {
    /// Reads the folder, whose stamp was taken at `now`.
    fn read(folder: &Path, stamp: Option<Stamp>, now: SystemTime) -> Result<Self, DiskError> {
        let is_settled = stamp.is_none_or(|stamp| stamp.is_settled(now));
        let mut names = BTreeSet::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(source) if is_absent(&source) => return Ok(Self { stamp, is_settled, names }),
            Err(source) => return Err(DiskError::new("list", folder, source)),
        };
        for entry in entries {
            let name = entry.at("list", folder)?.file_name();
            if Path::new(&name).extension().is_some_and(|ending| ending == "idx" || ending == "pack") {
                names.insert(name);
            }
        }
        Ok(Self { stamp, is_settled, names })
    }
}

impl Objects {
    /// Gives the store, opened anew where packs have left it or another folder stands in its place, because who keeps packs mapped would still find
    /// what is gone; and where so many have come that there is no room for more.
    ///
    /// Who removes packs may die before it notes that, so the names of the packs are compared as well, each time that their folder changed.
    fn current(&self, layout: &Layout) -> Result<Arc<gix_odb::Store>, ObjectError> {
        let now = SystemTime::now();
        let (upkeep, packs) = (Stamp::of(&layout.upkeep_notes())?, Stamp::of(&layout.packs())?);
        let folder = Stamp::of(&layout.objects())?.map(|stamp| stamp.identity());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        if let Some(known) = open.as_mut()
            && (known.folder, known.upkeep) == (folder, upkeep)
        {
            if known.packs.stamp == packs && known.packs.is_settled {
                return Ok(Arc::clone(&known.store));
            }
            let packs = KnownPacks::read(&layout.packs(), packs, now)?;
            let changes = known.changes + usize::from(known.packs.stamp != packs.stamp);
            if changes < SPARE_PACKS / 2 && known.packs.names.is_subset(&packs.names) {
                (known.packs, known.changes) = (packs, changes);
                return Ok(Arc::clone(&known.store));
            }
            found = Some(packs);
        }
        let packs = match found {
            Some(packs) => packs,
            None => KnownPacks::read(&layout.packs(), packs, now)?,
        };
        let path = layout.objects();
        let options = Options {
            slots: Slots::AsNeededByDiskState { multiplier: 1.5, minimum: SPARE_PACKS },
            alloc_limit_bytes: Some(OBJECT_LIMIT),
            // It may name packs that are gone. Each pack has an index of its own.
            use_multi_pack_index: false,
            ..Options::default()
        };
        let store = gix_odb::Store::at_opts(path.clone(), gix_hash::Kind::Sha1, &mut std::iter::empty(), options)
            .map_err(|source| DiskError::new("open", path, source))?;
        let store = Arc::new(store);
        *open = Some(OpenStore { store: Arc::clone(&store), folder, upkeep, packs, changes: 0 });
        Ok(store)
    }
}

impl Cache {
    /// Opens a handle to the objects, for the thread that asks, as fetches and pushes take it.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn objects(&self) -> Result<ObjectHandle, ObjectError> {
        Ok(self.odb()?.into())
    }

    /// Opens a handle to the objects, for the thread that asks. Handles share what they have mapped, and find packs that arrive later.
    pub(crate) fn odb(&self) -> Result<gix_odb::HandleArc, ObjectError> {
        let store = self.inner.objects.current(self.layout())?;
        let handle: gix_odb::HandleArc = store.to_handle_arc().into();
        Ok(handle.with_pack_cache(|| Box::new(gix_pack::cache::lru::MemoryCappedHashmap::new(DECODED_BYTES))))
    }

    /// Says whether an object is in the store.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn contains(&self, id: &oid) -> Result<bool, ObjectError> {
        Ok(self.odb()?.exists(id))
    }

    /// Says whether a commit is in the store, and with it all that it refers to.
    ///
    /// # Errors
    /// What the disk refuses, and an object that cannot be read.
    pub fn has_commit(&self, id: CommitId) -> Result<bool, ObjectError> {
        Ok(self.kind_of(&self.odb()?, &object_id(id))? == Some(Kind::Commit))
    }

    /// Says what kind an object is of; `None` where it is not in the store.
    pub(super) fn kind_of(&self, odb: &gix_odb::HandleArc, id: &oid) -> Result<Option<Kind>, ObjectError> {
        match gix_odb::Header::try_header(odb, id) {
            Ok(found) => Ok(found.map(|header| header.kind())),
            Err(source) => Err(self.unreadable(id, source)),
        }
    }

    /// Follows an annotated tag to what it is a tag of; `None` where the object is no tag.
    pub(super) fn peel(&self, odb: &gix_odb::HandleArc, id: CommitId) -> Result<Option<CommitId>, ObjectError> {
        let mut at = object_id(id);
        let mut buffer = Vec::new();
        for depth in 0..TAG_DEPTH {
            if self.kind_of(odb, &at)? != Some(Kind::Tag) {
                return Ok((depth > 0).then(|| commit_id(&at)));
            }
            let tag = odb.try_find(&at, &mut buffer).map_err(|source| self.unreadable(&at, source))?;
            let Some(tag) = tag else { return Ok(None) };
            let target = gix_object::TagRefIter::from_bytes(tag.data, gix_hash::Kind::Sha1).target_id();
            at = target.map_err(|source| self.unreadable(&at, source))?;
        }
        Err(self.unreadable(&at, "tags point at tags without end"))
    }

    pub(super) fn unreadable(
        &self,
        id: &oid,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ObjectError {
        ObjectError::Unreadable { id: id.to_owned(), path: self.path().to_owned(), source: source.into() }
    }
}

/// Gives a commit id in the form of the object store.
pub(super) fn object_id(id: CommitId) -> ObjectId {
    ObjectId::Sha1(*id.as_bytes())
}

/// Gives an id of the object store, which holds SHA-1 ids only, as a commit id.
pub(super) fn commit_id(id: &oid) -> CommitId {
    let bytes = id.as_bytes().try_into().expect("because the store is opened for SHA-1, whose ids have 20 bytes");
    CommitId::from_bytes(bytes)
}

#[cfg(test)]
mod tests;
