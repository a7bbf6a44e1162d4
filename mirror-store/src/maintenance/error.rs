//! Why the upkeep of a cache ended before its end, or left a step undone.

use std::path::PathBuf;

use gix_hash::ObjectId;
use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::disk::DiskError;
use crate::edit::ApplyError;
use crate::git::GitError;
use crate::objects::ObjectError;
use crate::refs::RefError;

/// An upkeep that did not come to its end. What was done before holds, and nothing is lost.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum UpkeepError {
    /// Somebody wished it to end.
    #[error("the upkeep was asked to stop")]
    #[diagnostic(
        code(mirror::upkeep::stopped),
        help("run `git-mirror maintain --confirm` again; it goes on from any state")
    )]
    Stopped,
    /// Its deadline passed.
    #[error("the upkeep took longer than it may")]
    #[diagnostic(
        code(mirror::upkeep::late),
        help("run `git-mirror maintain --confirm` again at a quieter hour; it goes on from any state")
    )]
    Late,
    /// The file system has no room for a new pack beside those that it replaces.
    #[error("a new pack in {} may need {needed} bytes, and {free} are free", path.display())]
    #[diagnostic(
        code(mirror::upkeep::no_room),
        help(
            "free space on the file system of {} (`df -h`), then run `git-mirror maintain --confirm` again",
            path.display()
        )
    )]
    NoRoom {
        /// The cache.
        path: PathBuf,
        /// What the pack may need, with what has to stay free.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The index of a pack cannot be read.
    #[error("the index {} cannot be read: {fault}", path.display())]
    #[diagnostic(
        code(mirror::upkeep::damaged_index),
        help(
            "run `git index-pack` on the pack beside it; a damaged cache is moved away and made again by `git-mirror sync --confirm`"
        )
    )]
    DamagedIndex {
        /// The index.
        path: PathBuf,
        /// What the reader met.
        fault: String,
    },
    /// A new pack lacks an object of the packs that it was made of. It was thrown away.
    #[error("git made a pack without object {id} of {pack}")]
    #[diagnostic(
        code(mirror::upkeep::incomplete_pack),
        help("run `git fsck` in the cache; where it finds nothing, this is a fault of git-mirror: please report it")
    )]
    Incomplete {
        /// The pack that has the object.
        pack: String,
        /// The object.
        id: ObjectId,
    },
    /// Git named a pack in another way than it should.
    #[error("git told no pack but {said:?}")]
    #[diagnostic(code(mirror::upkeep::unnamed_pack), help("run `git version`; git-mirror knows git 2.34 and newer"))]
    Unnamed {
        /// What it said, cut short.
        said: String,
    },
    /// The new commit-graph cannot be read. It was thrown away.
    #[error("git wrote a commit-graph that cannot be read: {fault}")]
    #[diagnostic(
        code(mirror::upkeep::damaged_graph),
        help("run `git fsck` in the cache; the mirror works without a commit-graph, only slower")
    )]
    DamagedGraph {
        /// What the reader met.
        fault: String,
    },
    /// Git failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitError),
    /// A ref could not be packed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Apply(#[from] ApplyError),
    /// A ref could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ref(#[from] RefError),
    /// The store could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Object(#[from] ObjectError),
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

impl UpkeepError {
    /// Says whether the whole upkeep ends with it, and not only the step that met it.
    pub(super) fn ends_all(&self) -> bool {
        matches!(self, Self::Stopped | Self::Late | Self::Disk(DiskError::Full { .. } | DiskError::ReadOnly { .. }))
    }
}

impl Classified for UpkeepError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Late => FaultClass::Busy,
            Self::Stopped
            | Self::NoRoom { .. }
            | Self::DamagedIndex { .. }
            | Self::Incomplete { .. }
            | Self::Unnamed { .. }
            | Self::DamagedGraph { .. } => FaultClass::Failed,
            Self::Git(error) => error.class(),
            Self::Apply(error) => error.class(),
            Self::Ref(error) => error.class(),
            Self::Object(error) => error.class(),
            Self::Disk(error) => error.class(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Late => Retry::Backoff,
            Self::Stopped
            | Self::NoRoom { .. }
            | Self::DamagedIndex { .. }
            | Self::Incomplete { .. }
            | Self::Unnamed { .. }
            | Self::DamagedGraph { .. } => Retry::Never,
            Self::Git(error) => error.retry(),
            Self::Apply(error) => error.retry(),
            Self::Ref(error) => error.retry(),
            Self::Object(error) => error.retry(),
            Self::Disk(error) => error.retry(),
        }
    }
}
