//! What a tip that was seen upstream means for a flush; the rows of "Observe", without the machine. A dry run needs no more.

use crate::name::CommitId;
use crate::sync::Relation;

use super::Tip;

/// What has to happen, as one look tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Upstream has exactly the local tip.
    InSync,
    /// Upstream's tip is an ancestor of the local one, or the branch is absent there: a fast-forward is possible.
    Push {
        /// The value the push must expect.
        expected: Option<CommitId>,
    },
    /// Upstream's tip contains the local one.
    Behind,
    /// Neither contains the other.
    Diverged,
    /// It cannot be told: the tip's objects are not here.
    NeedsObjects,
}

/// Decides by one look. Equal commits are in sync whatever relation was noted; differing ones never are.
#[must_use]
pub fn decide(local: CommitId, seen: &Tip) -> Decision {
    let Some(commit) = seen.commit else { return Decision::Push { expected: None } };
    match crate::sync::settle(local, commit, seen.relation) {
        Relation::Same => Decision::InSync,
        Relation::LocalAhead { .. } => Decision::Push { expected: Some(commit) },
        Relation::LocalBehind { .. } => Decision::Behind,
        Relation::Diverged { .. } => Decision::Diverged,
        Relation::NeedsObjects => Decision::NeedsObjects,
    }
}
