//! Edits of refs as values. Each carries the value it expects to find; none can delete or force.

use std::collections::BTreeSet;

use crate::name::{CommitId, RefName, RefNamespace};

/// One edit of one ref of the cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefEdit {
    /// Makes a ref that must not exist yet.
    Create {
        /// The ref.
        name: RefName,
        /// Its first value.
        new: CommitId,
    },
    /// Moves a ref that must have a certain value.
    Update {
        /// The ref.
        name: RefName,
        /// The value it must have now.
        expected: CommitId,
        /// The value it gets.
        new: CommitId,
    },
}

/// Where an edit stands in a transaction: the earlier ranks are visible before the later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EditRank {
    /// Snapshots come first: who sees a tip can read its snapshot (I5).
    Snapshot,
    /// Then local tips that are set aside, before their branch lets go of them (I2).
    Rescue,
    /// Then what readers see: branches and tags.
    Reader,
    /// Then mirror-stage, which so never claims more than readers can have.
    Stage,
}

impl RefEdit {
    /// The edit that brings a ref from `before` to `new`; nothing where it is there already.
    #[must_use]
    pub fn bring(name: RefName, before: Option<CommitId>, new: CommitId) -> Option<Self> {
        match before {
            None => Some(Self::Create { name, new }),
            Some(expected) if expected == new => None,
            Some(expected) => Some(Self::Update { name, expected, new }),
        }
    }

    /// The ref it edits.
    #[must_use]
    pub const fn name(&self) -> &RefName {
        match self {
            Self::Create { name, .. } | Self::Update { name, .. } => name,
        }
    }

    /// The value the ref must have before; absent where it must not exist.
    #[must_use]
    pub const fn expected(&self) -> Option<CommitId> {
        match self {
            Self::Create { .. } => None,
            Self::Update { expected, .. } => Some(*expected),
        }
    }

    /// The value the ref has afterwards.
    #[must_use]
    pub const fn new_value(&self) -> CommitId {
        match self {
            Self::Create { new, .. } | Self::Update { new, .. } => *new,
        }
    }

    /// Where the edit stands in a transaction.
    #[must_use]
    pub fn rank(&self) -> EditRank {
        match self.name().namespace() {
            RefNamespace::Snapshots => EditRank::Snapshot,
            RefNamespace::Rescue => EditRank::Rescue,
            RefNamespace::Branches | RefNamespace::Tags => EditRank::Reader,
            RefNamespace::Stage => EditRank::Stage,
        }
    }
}

/// Makes one ordered transaction of the edits of several plans.
///
/// Ranks come in their order, and within a rank the edits keep theirs. Two lanes that share a branch plan the same edit; it is
/// written once.
#[must_use]
pub fn in_order<'a>(edits: impl IntoIterator<Item = &'a RefEdit>) -> Vec<RefEdit> {
    let mut seen = BTreeSet::new();
    let mut ordered: Vec<RefEdit> = edits.into_iter().filter(|edit| seen.insert(*edit)).cloned().collect();
    ordered.sort_by_key(RefEdit::rank);
    ordered
}
