//! Why a pack cannot be made. All of it is local: nothing of it is the server's fault.

use gix_hash::ObjectId;
use mirror_core::fault::{Classified, FaultClass, Retry};

/// A pack that could not be planned or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PackError {
    /// An object that has to be sent, or that leads to one, is not in the store.
    #[error("object {id} is not in the cache")]
    #[diagnostic(
        code(mirror::pack::missing),
        help("the cache is damaged; check it with `git fsck`, and restore the object or start a new cache")
    )]
    Missing {
        /// The object.
        id: ObjectId,
    },
    /// An object is there and cannot be read.
    #[error("cannot read object {id}")]
    #[diagnostic(
        code(mirror::pack::unreadable),
        help("the cache is damaged; check it with `git fsck`, and restore the object or start a new cache")
    )]
    Unreadable {
        /// The object.
        id: ObjectId,
        /// What the store says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object is of another kind than what refers to it says.
    #[error("object {id} is a {found} where a {expected} has to be")]
    #[diagnostic(code(mirror::pack::kind), help("the cache is damaged; check it with `git fsck`"))]
    Kind {
        /// The object.
        id: ObjectId,
        /// What it is.
        found: gix_object::Kind,
        /// What it should be.
        expected: gix_object::Kind,
    },
    /// There are more objects than a pack can count.
    #[error("{count} objects are more than one pack can hold")]
    #[diagnostic(code(mirror::pack::too_many), help("push an older commit of the branch first"))]
    TooMany {
        /// How many.
        count: usize,
    },
    /// The pack could not be handed on.
    #[error("cannot hand the pack on")]
    #[diagnostic(code(mirror::pack::write), help("running the same command again is safe"))]
    Write {
        /// What the writer says.
        #[source]
        source: std::io::Error,
    },
    /// The thread that makes the pack ended without a word.
    #[error("the making of the pack was broken off")]
    #[diagnostic(
        code(mirror::pack::broken_off),
        help("running the same command again is safe; if it stays, report it as a bug")
    )]
    BrokenOff,
}

impl Classified for PackError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        match self {
            PackError::Missing { .. }
            | PackError::Unreadable { .. }
            | PackError::Kind { .. }
            | PackError::TooMany { .. } => Retry::Never,
            PackError::Write { .. } | PackError::BrokenOff => Retry::Backoff,
        }
    }
}
