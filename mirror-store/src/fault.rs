//! Whose fault each error of the cache is, and whether trying again can help.

use mirror_core::fault::{Classified, FaultClass, Retry};

use super::ancestry::AncestryError;
use super::connectivity::ClosureError;
use super::disk::DiskError;
use super::edit::ApplyError;
use super::locks::LockError;
use super::objects::ObjectError;
use super::observed::ObservedError;
use super::open::OpenError;
use super::refs::RefError;

impl Classified for DiskError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Denied { .. }
            | Self::NoHardLinks { .. }
            | Self::Oversized { .. }
            | Self::Failed { .. } => Retry::Never,
        }
    }
}

impl Classified for OpenError {
    fn class(&self) -> FaultClass {
        match self {
            // The configuration names a path that is not for a cache.
            Self::Missing { .. }
            | Self::File { .. }
            | Self::WorkTree { .. }
            | Self::ForeignRepository { .. }
            | Self::ForeignFolder { .. }
            | Self::Sha256 { .. }
            | Self::Extension { .. }
            | Self::Shallow { .. }
            | Self::Alternates { .. } => FaultClass::Usage,
            Self::UnknownFormat { .. } | Self::Damaged { .. } => FaultClass::Failed,
            Self::Disk(error) => error.class(),
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for RefError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for ObjectError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for ObservedError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for AncestryError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for LockError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Held { .. } => FaultClass::Busy,
            Self::Conflict { .. } | Self::Disk(_) => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Held { .. } => Retry::Backoff,
            Self::Conflict { .. } | Self::Disk(_) => Retry::Never,
        }
    }
}

impl Classified for ApplyError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Lock(error) => error.class(),
            Self::Stale { .. }
            | Self::NameConflict { .. }
            | Self::EditedTwice { .. }
            | Self::MissingObject { .. }
            | Self::NotACommit { .. }
            | Self::Interrupted { .. }
            | Self::Ref(_)
            | Self::Object(_)
            | Self::Disk(_) => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // The plan was made for a state that has passed; looking anew makes another.
            Self::Stale { .. } => Retry::Now,
            Self::Lock(error) => error.retry(),
            Self::NameConflict { .. }
            | Self::EditedTwice { .. }
            | Self::MissingObject { .. }
            | Self::NotACommit { .. }
            | Self::Interrupted { .. }
            | Self::Ref(_)
            | Self::Object(_)
            | Self::Disk(_) => Retry::Never,
        }
    }
}

impl Classified for ClosureError {
    fn class(&self) -> FaultClass {
        match self {
            Self::MissingObject { .. }
            | Self::WrongKind { .. }
            | Self::MalformedObject { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt { .. }
            | Self::TipMissing { .. }
            | Self::TipNotACommit { .. } => FaultClass::Upstream,
            Self::Object(error) => error.class(),
            Self::Disk(error) => error.class(),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // Upstream was changed between its announcement and the transfer.
            Self::TipMissing { .. } => Retry::Now,
            Self::MissingObject { .. }
            | Self::WrongKind { .. }
            | Self::MalformedObject { .. }
            | Self::TooLarge { .. }
            | Self::Corrupt { .. }
            | Self::TipNotACommit { .. }
            | Self::Object(_)
            | Self::Disk(_) => Retry::Never,
        }
    }
}
