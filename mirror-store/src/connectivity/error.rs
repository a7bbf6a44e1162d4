//! Why a received pack does not enter the store.

use std::path::PathBuf;

use gix_hash::ObjectId;
use gix_object::Kind;
use mirror_core::name::CommitId;

use crate::disk::DiskError;
use crate::objects::ObjectError;

/// A received pack that is not whole. Nothing of it has become visible.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ClosureError {
    /// An object of the pack refers to one that is neither in the pack nor in the store.
    #[error("upstream sent {referenced_by} without the {kind} {id} that it refers to")]
    #[diagnostic(
        code(mirror::pack::missing_object),
        help("run the command again; if it stays, run `git fsck --connectivity-only` on upstream's repository")
    )]
    MissingObject {
        /// What is missing.
        id: ObjectId,
        /// What it should be.
        kind: Kind,
        /// What refers to it.
        referenced_by: ObjectId,
    },
    /// An object refers to one of another kind than it says.
    #[error("{referenced_by} refers to {id} as a {expected}, but it is a {found}")]
    #[diagnostic(
        code(mirror::pack::wrong_kind),
        help("run `git fsck` on upstream's repository; its history is damaged")
    )]
    WrongKind {
        /// What is referred to.
        id: ObjectId,
        /// What it should be.
        expected: Kind,
        /// What it is.
        found: Kind,
        /// What refers to it.
        referenced_by: ObjectId,
    },
    /// An object cannot be taken apart.
    #[error("{kind} {id} is malformed: {fault}")]
    #[diagnostic(
        code(mirror::pack::malformed_object),
        help("run `git fsck` on upstream's repository; its history is damaged")
    )]
    MalformedObject {
        /// The object.
        id: ObjectId,
        /// What it is.
        kind: Kind,
        /// What is wrong.
        fault: &'static str,
    },
    /// A commit, tree or tag of a size that no honest one has.
    #[error("{kind} {id} has {size} bytes")]
    #[diagnostic(
        code(mirror::pack::object_too_large),
        help("look at the object upstream; git-mirror takes trees and commits up to 256 MiB")
    )]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// What it is.
        kind: Kind,
        /// Its size.
        size: u64,
    },
    /// The pack and its index do not fit together, or the pack is damaged.
    #[error("the received pack {} is damaged: {fault}", path.display())]
    #[diagnostic(
        code(mirror::pack::corrupt),
        help("run the command again; if it stays, look for a damaged disk or memory (`dmesg`)")
    )]
    Corrupt {
        /// The pack.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// Upstream announced a tip and did not send it.
    #[error("upstream announced {id} and did not send it")]
    #[diagnostic(
        code(mirror::pack::tip_missing),
        help("run the command again; upstream may have been in the middle of a change")
    )]
    TipMissing {
        /// The tip.
        id: CommitId,
    },
    /// A branch upstream that is not at a commit.
    #[error("upstream's branch is at {id}, which is a {kind}")]
    #[diagnostic(code(mirror::pack::tip_not_a_commit), help("look at the branch upstream with `git ls-remote`"))]
    TipNotACommit {
        /// The tip.
        id: CommitId,
        /// What it is.
        kind: Kind,
    },
    /// The store could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Object(#[from] ObjectError),
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}
