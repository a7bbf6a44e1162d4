//! Why a pack was not taken.

use std::path::PathBuf;

use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::name::CommitId;

/// Why a pack was not taken: its source failed, or the pack is not one that may be kept.
#[derive(Debug)]
pub enum Failure<E> {
    /// The source gave no more bytes.
    Source(E),
    /// The pack, the store or the disk.
    Pack(ReceiveError),
}

impl<E> From<ReceiveError> for Failure<E> {
    fn from(error: ReceiveError) -> Self {
        Self::Pack(error)
    }
}

/// A pack that could not be taken. Nothing of it was kept.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReceiveError {
    /// The pack ended before it was whole.
    #[error("the pack was cut off after {bytes} bytes, at object {objects} of {total}")]
    #[diagnostic(code(mirror::fetch::pack_cut), help("run the verb again; nothing of the pack was kept"))]
    Cut {
        /// Bytes that arrived.
        bytes: u64,
        /// Objects that arrived whole.
        objects: u32,
        /// Objects announced.
        total: u32,
    },
    /// What came is not a pack of a version that is known.
    #[error("upstream sent something that is not a pack: {detail}")]
    #[diagnostic(code(mirror::fetch::pack_header), help("nothing was kept; upstream is damaged or hostile"))]
    Header {
        /// What is wrong with it.
        detail: String,
    },
    /// Bytes of the pack make no sense.
    #[error("the pack is corrupt at offset {offset}: {detail}")]
    #[diagnostic(
        code(mirror::fetch::pack_corrupt),
        help("nothing was kept; run the verb again, and if it stays run `git fsck` upstream")
    )]
    Corrupt {
        /// Where in the pack.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
    /// The pack is not what its sender hashed.
    #[error("the pack's checksum is {actual}, its trailer says {expected}")]
    #[diagnostic(code(mirror::fetch::pack_checksum), help("nothing was kept; run the verb again"))]
    Checksum {
        /// What the trailer says.
        expected: CommitId,
        /// What the bytes give.
        actual: CommitId,
    },
    /// A delta stands on an object that is nowhere.
    #[error("the pack is incomplete: the base {base} of a delta is neither in it nor in the cache")]
    #[diagnostic(
        code(mirror::fetch::pack_base),
        help("nothing was kept; run the verb again, and if it stays run `git fsck` upstream")
    )]
    MissingBase {
        /// The object that is missing.
        base: CommitId,
    },
    /// The pack lacks what was asked for.
    #[error("the pack is incomplete: it lacks {wanted}, which was asked for")]
    #[diagnostic(
        code(mirror::fetch::pack_wanted),
        help("nothing was kept; run the verb again, and if it stays run `git fsck` upstream")
    )]
    MissingWanted {
        /// What is missing.
        wanted: CommitId,
    },
    /// The pack announces more objects than is bearable.
    #[error("the pack announces {announced} objects, more than {limit}")]
    #[diagnostic(code(mirror::fetch::pack_objects), help("nothing was kept; upstream is damaged or hostile"))]
    TooManyObjects {
        /// What it announces.
        announced: u32,
        /// The bound.
        limit: u32,
    },
    /// The pack holds an object that is larger than is bearable.
    #[error("an object of {bytes} bytes at offset {offset} of the pack is larger than {limit}")]
    #[diagnostic(code(mirror::fetch::object_size), help("nothing was kept; such a file cannot be mirrored"))]
    ObjectSize {
        /// Where in the pack.
        offset: u64,
        /// What it claims.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// An object that is no commit, tree or tag, though it says so.
    #[error("object {id} in the pack is malformed: {detail}")]
    #[diagnostic(code(mirror::fetch::object_malformed), help("nothing was kept; run `git fsck` upstream"))]
    MalformedObject {
        /// The object.
        id: CommitId,
        /// What is wrong with it.
        detail: String,
    },
    /// Two objects that give one name: somebody forged one of them.
    #[error("an object at offset {offset} of the pack is a SHA-1 collision attack")]
    #[diagnostic(code(mirror::fetch::collision), help("nothing was kept; upstream's repository holds a forged object"))]
    Collision {
        /// Where in the pack.
        offset: u64,
    },
    /// The store could not be read for the base of a delta, or for an object that was wanted.
    #[error("cannot read {object} from the cache: {detail}")]
    #[diagnostic(code(mirror::fetch::store), help("run `git fsck` in the cache"))]
    Store {
        /// The object.
        object: CommitId,
        /// What the object store said.
        detail: String,
    },
    /// The disk did not take the pack.
    #[error("cannot {action} {}", path.display())]
    #[diagnostic(code(mirror::fetch::disk), help("check free space and permissions of the cache's folder"))]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The caller gave the operation up.
    #[error("the fetch was given up")]
    #[diagnostic(code(mirror::fetch::cancelled), help("nothing was kept; run the verb again"))]
    Cancelled,
}

impl Classified for ReceiveError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Store { .. } | Self::Disk { .. } | Self::Cancelled => FaultClass::Failed,
            Self::Cut { .. }
            | Self::Header { .. }
            | Self::Corrupt { .. }
            | Self::Checksum { .. }
            | Self::MissingBase { .. }
            | Self::MissingWanted { .. }
            | Self::TooManyObjects { .. }
            | Self::ObjectSize { .. }
            | Self::MalformedObject { .. }
            | Self::Collision { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Cut { .. } | Self::Checksum { .. } => Retry::Backoff,
            Self::Header { .. }
            | Self::Corrupt { .. }
            | Self::MissingBase { .. }
            | Self::MissingWanted { .. }
            | Self::TooManyObjects { .. }
            | Self::ObjectSize { .. }
            | Self::MalformedObject { .. }
            | Self::Collision { .. }
            | Self::Store { .. }
            | Self::Disk { .. }
            | Self::Cancelled => Retry::Never,
        }
    }
}
