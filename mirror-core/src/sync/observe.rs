//! What was seen of a lane: tips here, tips upstream, and how they relate. It holds facts and decides nothing.

use crate::name::CommitId;

/// How the local tip of a branch relates to the upstream one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Both are the same commit.
    Same,
    /// The local tip contains the upstream one.
    LocalAhead {
        /// How many commits only the local tip has.
        ahead: u64,
    },
    /// The upstream tip contains the local one.
    LocalBehind {
        /// How many commits only the upstream tip has.
        behind: u64,
    },
    /// Neither contains the other.
    Diverged {
        /// The best common ancestor; absent where the histories share nothing.
        merge_base: Option<CommitId>,
        /// How many commits only the local tip has.
        ahead: u64,
        /// How many commits only the upstream tip has.
        behind: u64,
    },
    /// It cannot be told without objects that are not in the cache.
    NeedsObjects,
}

impl Relation {
    /// How many commits only the local tip has, where that is known.
    #[must_use]
    pub const fn ahead(&self) -> Option<u64> {
        match self {
            Self::Same | Self::LocalBehind { .. } => Some(0),
            Self::LocalAhead { ahead } | Self::Diverged { ahead, .. } => Some(*ahead),
            Self::NeedsObjects => None,
        }
    }

    /// How many commits only the upstream tip has, where that is known.
    #[must_use]
    pub const fn behind(&self) -> Option<u64> {
        match self {
            Self::Same | Self::LocalAhead { .. } => Some(0),
            Self::LocalBehind { behind } | Self::Diverged { behind, .. } => Some(*behind),
            Self::NeedsObjects => None,
        }
    }

    /// The best common ancestor of two diverged tips.
    #[must_use]
    pub const fn merge_base(&self) -> Option<CommitId> {
        match self {
            Self::Diverged { merge_base, .. } => *merge_base,
            Self::Same | Self::LocalAhead { .. } | Self::LocalBehind { .. } | Self::NeedsObjects => None,
        }
    }
}

/// One branch, as it was seen here and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BranchSeen {
    /// Its tip upstream; absent where upstream has no such branch.
    pub upstream: Option<CommitId>,
    /// Its tip in the cache (`refs/heads/…`).
    pub local: Option<CommitId>,
    /// The last upstream tip the cache remembers (`refs/mirror-stage/heads/…`).
    pub staged: Option<CommitId>,
    /// How `local` relates to `upstream`, where both exist. Without it, two differing tips count as [`Relation::NeedsObjects`].
    pub relation: Option<Relation>,
}

impl BranchSeen {
    /// How the two tips relate, where both exist. Equal tips are [`Relation::Same`] whatever was noted; differing ones never are.
    #[must_use]
    pub fn settled(&self) -> Option<Relation> {
        Some(settle(self.local?, self.upstream?, self.relation))
    }
}

/// Brings a noted relation in line with the two tips it is about.
pub(crate) fn settle(local: CommitId, upstream: CommitId, noted: Option<Relation>) -> Relation {
    match noted {
        _ if local == upstream => Relation::Same,
        Some(Relation::Same) | None => Relation::NeedsObjects,
        Some(relation) => relation,
    }
}

/// Everything [`plan_sync`](super::plan_sync) decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observation {
    /// The lane's source branch.
    pub source: BranchSeen,
    /// The lane's GitOps branch. It says nothing where the lane has none.
    pub gitops: BranchSeen,
    /// Where the snapshot ref of `source.upstream` points, where it exists.
    pub snapshot: Option<CommitId>,
}
