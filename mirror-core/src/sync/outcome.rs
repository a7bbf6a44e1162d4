//! What a sync did, or would do, to one ref.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Relation;
use crate::name::{CommitId, RefName};

/// How a ref stands after it was compared with upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefOutcome {
    /// It has upstream's value.
    UpToDate,
    /// It was not here and was made.
    Created,
    /// It followed upstream, which contains its old value.
    FastForwarded,
    /// It followed upstream, which does not contain its old value: upstream is its authority. The old tip stays in its snapshot.
    Rewound,
    /// Upstream has no such ref; nothing was deleted here.
    GoneUpstream,
    /// It exists neither here nor upstream.
    Absent,
    /// It has commits that upstream lacks; a flush brings them there.
    PendingFlush,
    /// Neither tip contains the other; nothing was changed.
    Diverged,
    /// The relation of the two tips needs objects that are not here; a run with `--confirm` fetches them.
    NeedsObjects,
}

impl RefOutcome {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::Created => "created",
            Self::FastForwarded => "fast-forwarded",
            Self::Rewound => "rewound",
            Self::GoneUpstream => "gone-upstream",
            Self::Absent => "absent",
            Self::PendingFlush => "pending-flush",
            Self::Diverged => "diverged",
            Self::NeedsObjects => "needs-objects",
        }
    }

    /// Every outcome, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::UpToDate,
        Self::Created,
        Self::FastForwarded,
        Self::Rewound,
        Self::GoneUpstream,
        Self::Absent,
        Self::PendingFlush,
        Self::Diverged,
        Self::NeedsObjects,
    ];
}

impl std::fmt::Display for RefOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which part a ref plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefKind {
    /// The source branch of a lane; upstream is its authority.
    Source,
    /// The GitOps branch of a lane; the cache accepts commits to it first.
    Gitops,
    /// A further branch the configuration declares, read-only.
    Branch,
    /// A tag that matches a declared pattern, read-only.
    Tag,
}

/// What becomes of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefChange {
    /// Which part it plays.
    pub kind: RefKind,
    /// The ref in the cache.
    pub name: RefName,
    /// Its value here before.
    pub before: Option<CommitId>,
    /// Its value upstream, as observed.
    pub upstream: Option<CommitId>,
    /// Its value here once the plan is carried out.
    pub after: Option<CommitId>,
    /// How the value here before relates to upstream's, where both exist.
    pub relation: Option<Relation>,
    /// What that amounts to.
    pub outcome: RefOutcome,
}

/// What becomes of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotOutcome {
    /// It is made.
    Created,
    /// It was there, and stays as it is.
    Present,
    /// It is missing, and the commit has to be fetched before it can be made.
    NeedsObjects,
}

/// The snapshot of the source tip a sync saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChange {
    /// The snapshot ref.
    pub name: RefName,
    /// The commit it holds.
    pub commit: CommitId,
    /// What becomes of it.
    pub outcome: SnapshotOutcome,
}
