//! Findings: nothing broke, but the state is not as wanted.

use serde::{Deserialize, Serialize};

/// One thing about a lane that is not as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The GitOps branch and upstream's went apart; a person has to decide.
    Diverged,
    /// Upstream no longer has a branch that the configuration declares.
    GoneUpstream,
    /// Commits that were accepted here are not upstream.
    PendingFlush,
    /// The tips here are not those that were last seen upstream, or upstream was never looked at.
    OutOfSync,
    /// A source tip is here and its snapshot is not.
    SnapshotMissing,
    /// What runs in the cluster is not what the configuration says.
    Drift,
}

impl Finding {
    /// Every finding, the gravest first.
    pub const ALL: [Self; 6] =
        [Self::Diverged, Self::GoneUpstream, Self::PendingFlush, Self::OutOfSync, Self::SnapshotMissing, Self::Drift];

    /// The word used in text and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Diverged => "diverged",
            Self::GoneUpstream => "gone-upstream",
            Self::PendingFlush => "pending-flush",
            Self::OutOfSync => "out-of-sync",
            Self::SnapshotMissing => "snapshot-missing",
            Self::Drift => "drift",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Diverged => "the GitOps branch and upstream's went apart; neither contains the other",
            Self::GoneUpstream => "upstream has no such branch any more; nothing was deleted here",
            Self::PendingFlush => "commits that were accepted here are not upstream yet",
            Self::OutOfSync => "the tips here are not those last seen upstream",
            Self::SnapshotMissing => "the source tip has no snapshot",
            Self::Drift => "what runs in the cluster is not what the configuration says",
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
