//! Receiving a pack that git indexes: its quarantine is an object store of its own that sees the cache's through an alternate, so that git
//! checks a pack against all there is while nothing of it can be seen from outside.
//!
//! It never runs git, and never installs: [`Operation::install`] does, and takes what [`Quarantined::close`] gives.
//!
//! # Source
//! `gitrepository-layout(5)`, `objects/info/alternates`; `git-receive-pack(1)`, "Quarantine Environment".

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_object::Kind;
use gix_odb::store::init::{Options, Slots};
use mirror_core::name::CommitId;
use mirror_core::sync::Relation;

use super::ancestry::AncestryError;
use super::connectivity::{ClosedPack, ClosureError};
use super::disk::{At, DiskError};
use super::objects::{OBJECT_LIMIT, ObjectError, object_id};
use super::open::Cache;
use super::operation::Operation;

/// An object store in quarantine, into which git puts a pack.
#[derive(Debug)]
pub struct Receiving {
    cache: Cache,
    objects: PathBuf,
}

/// A pack in quarantine that git indexed, seen together with the store.
pub struct Quarantined {
    cache: Cache,
    odb: gix_odb::HandleArc,
    pack: PathBuf,
    index: PathBuf,
}

impl Operation {
    /// Makes an object store in quarantine for one pack that git is to receive.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn receive(&self) -> Result<Receiving, DiskError> {
        let objects = self.transfer_folder()?;
        let objects = std::path::absolute(&objects).at("resolve", &objects)?;
        let store = self.cache().layout().objects();
        let store = std::path::absolute(&store).at("resolve", &store)?;
        for folder in [objects.join("pack"), objects.join("info")] {
            fs::create_dir(&folder).at("create", &folder)?;
        }
        let alternates = objects.join("info/alternates");
        let mut line = store.into_os_string().into_encoded_bytes();
        line.push(b'\n');
        fs::write(&alternates, line).at("write", &alternates)?;
        Ok(Receiving { cache: self.cache().clone(), objects })
    }
}

impl Receiving {
    /// Gives the folder that git takes for its object store, by `GIT_OBJECT_DIRECTORY`.
    pub fn objects(&self) -> &Path {
        &self.objects
    }

    /// Opens what git made of the pack, by the checksum that it printed.
    ///
    /// # Errors
    /// A pack or an index that is not there, and what else the disk refuses.
    pub fn indexed(&self, checksum: CommitId) -> Result<Quarantined, ObjectError> {
        let pack = self.objects.join(format!("pack/pack-{checksum}.pack"));
        let index = pack.with_extension("idx");
        for file in [&pack, &index] {
            fs::metadata(file).at("look at", file)?;
        }
        let options = Options {
            slots: Slots::AsNeededByDiskState { multiplier: 1.5, minimum: 64 },
            alloc_limit_bytes: Some(OBJECT_LIMIT),
            ..Options::default()
        };
        let path = &self.objects;
        let store = gix_odb::Store::at_opts(path.clone(), gix_hash::Kind::Sha1, &mut std::iter::empty(), options)
            .map_err(|source| DiskError::new("open", path, source))?;
        let odb = Arc::new(store).to_handle_arc().into();
        Ok(Quarantined { cache: self.cache.clone(), odb, pack, index })
    }
}

impl Quarantined {
    /// Says whether an object is a commit, in the pack or in the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn has_commit(&self, id: CommitId) -> Result<bool, ObjectError> {
        Ok(self.cache.kind_of(&self.odb, &object_id(id))? == Some(Kind::Commit))
    }

    /// Tells how a tip of the store stands to one that may be in the pack. Where the latter is nowhere, the answer is
    /// [`Relation::NeedsObjects`].
    ///
    /// # Errors
    /// A hole in the history, and a store that cannot be read.
    pub fn relation(&self, local: CommitId, pushed: CommitId) -> Result<Relation, AncestryError> {
        if local == pushed {
            return Ok(Relation::Same);
        }
        if !self.has_commit(pushed)? {
            return Ok(Relation::NeedsObjects);
        }
        self.cache.relation_seen_by(self.odb.clone(), local, pushed)
    }

    /// Takes the pack for closed over the store, given that branches will point at `tips`.
    ///
    /// The caller vouches that `git index-pack --strict` indexed it, completed it by `--fix-thin`, and ended well: git then looked up
    /// everything that the objects of the pack refer to, in the pack and in the store, each with the kind that the reference says.
    ///
    /// # Errors
    /// The first tip that is nowhere, or no commit.
    pub fn close(self, tips: &[CommitId]) -> Result<ClosedPack, ClosureError> {
        for tip in tips {
            match self.cache.kind_of(&self.odb, &object_id(*tip))? {
                None => return Err(ClosureError::TipMissing { id: *tip }),
                Some(Kind::Commit) => {}
                Some(kind) => return Err(ClosureError::TipNotACommit { id: *tip, kind }),
            }
        }
        let objects = gix_pack::index::File::at(&self.index, gix_hash::Kind::Sha1)
            .map_err(|error| ClosureError::Corrupt { path: self.index.clone(), fault: error.to_string() })?
            .num_objects();
        Ok(ClosedPack { pack: self.pack, index: self.index, objects: u64::from(objects) })
    }
}

impl std::fmt::Debug for Quarantined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantined").field("pack", &self.pack).finish_non_exhaustive()
    }
}
