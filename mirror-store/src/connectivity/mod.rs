//! The proof that a received pack may enter the store: everything its objects refer to is in the pack or in the store already.
//!
//! The store is closed: an object enters it only when all that it refers to is there. So it is enough to look at the objects of the new
//! pack, each once, and at what they name; no walk over history is needed, and what is in the store is never read again.
//! Blobs refer to nothing and are not decoded.
//!
//! It never moves a pack; [`Operation::install`](super::Operation::install) does, and takes only what passed here.

mod delta;
mod entries;
mod error;
mod references;
mod walk;

use std::path::{Path, PathBuf};

use gix_object::Kind;
use mirror_core::name::CommitId;

pub use error::ClosureError;

use super::objects::object_id;
use super::open::Cache;
use super::operation::Operation;
use entries::Entries;
use mirror_git::pack::receive::ReceivedPack;
use walk::Walk;

/// What a ref will point at, which therefore has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tip {
    /// The value of a branch: a commit.
    Branch(CommitId),
    /// The value of a tag: a tag object or anything else.
    Tag(CommitId),
}

/// A pack in quarantine that passed [`Operation::verify_received`] or [`Operation::verify_closed`].
#[derive(Debug)]
pub struct ClosedPack {
    pub(super) pack: PathBuf,
    pub(super) index: PathBuf,
    /// How many objects it has.
    pub objects: u64,
}

impl Operation {
    /// Proves that a pack that was fetched is closed over the store, and that the tips are in one of the two.
    ///
    /// Whoever made its index has decoded every object already and noted what is referred to outside the pack, so only that is looked up:
    /// no object of the pack is read again. Where something is missing, [`Self::verify_closed`] says what refers to it.
    ///
    /// # Errors
    /// The first thing that is missing or of another kind than it is taken for.
    pub fn verify_received(&self, received: &ReceivedPack, tips: &[Tip]) -> Result<ClosedPack, ClosureError> {
        let odb = self.cache().odb()?;
        for outside in &received.outside {
            if self.cache().kind_of(&odb, &object_id(outside.id))? != Some(outside.kind) {
                return self.verify_closed(&received.pack, &received.index, tips);
            }
        }
        self.verify_tips_of(&odb, tips, |id| received.kind_of(&id))?;
        let objects = u64::from(received.objects) + u64::from(received.bases);
        Ok(ClosedPack { pack: received.pack.clone(), index: received.index.clone(), objects })
    }

    /// Proves that any pack is closed over the store, and that the tips are in one of the two.
    ///
    /// The caller has made the index from the pack's content, so that every object is what its id says, and no delta has its base
    /// outside the pack. Runs on as many threads as there are processors, up to four; blocks until all are done.
    ///
    /// # Errors
    /// The first thing that is missing or malformed.
    pub fn verify_closed(&self, pack: &Path, index: &Path, tips: &[Tip]) -> Result<ClosedPack, ClosureError> {
        let entries = Entries::open(pack, index)?;
        Walk::new(self.cache(), &entries).run()?;
        self.verify_tips_of(&self.cache().odb()?, tips, |id| entries.kind_of(&object_id(id)))?;
        Ok(ClosedPack { pack: pack.to_owned(), index: index.to_owned(), objects: entries.len() as u64 })
    }

    fn verify_tips_of(
        &self,
        odb: &gix_odb::HandleArc,
        tips: &[Tip],
        in_pack: impl Fn(CommitId) -> Option<Kind>,
    ) -> Result<(), ClosureError> {
        tips.iter().try_for_each(|tip| {
            let (Tip::Branch(id) | Tip::Tag(id)) = *tip;
            let kind = match in_pack(id) {
                Some(kind) => Some(kind),
                None => self.cache().kind_of(odb, &object_id(id))?,
            };
            verify_tip(*tip, kind)
        })
    }
}

impl Cache {
    /// Proves that tips are in the store, for a fetch that had nothing to send.
    ///
    /// # Errors
    /// The first tip that is missing, or no commit where a branch needs one.
    pub fn verify_tips(&self, tips: &[Tip]) -> Result<(), ClosureError> {
        let odb = self.odb()?;
        tips.iter().try_for_each(|tip| {
            let (Tip::Branch(id) | Tip::Tag(id)) = *tip;
            verify_tip(*tip, self.kind_of(&odb, &object_id(id))?)
        })
    }
}

fn verify_tip(tip: Tip, kind: Option<Kind>) -> Result<(), ClosureError> {
    match (tip, kind) {
        (Tip::Branch(id) | Tip::Tag(id), None) => Err(ClosureError::TipMissing { id }),
        (Tip::Branch(_), Some(Kind::Commit)) | (Tip::Tag(_), Some(_)) => Ok(()),
        (Tip::Branch(id), Some(kind)) => Err(ClosureError::TipNotACommit { id, kind }),
    }
}
