//! The derivation itself: a pure function of the facts.

use jiff::Timestamp;

use super::{BranchFacts, LaneFacts, Origin};
use crate::name::{BranchName, CommitId};
use crate::report::status::{LaneState, LaneStatus, RefSources, RefValue};
use crate::sync::{Relation, settle};

/// Derives the state of a lane.
///
/// # Invariants
/// I4: `githubInSync` and, where there are commits to flush, `pendingFlush=false` are said only where both the memory of
/// upstream (mirror-stage) and the record of the look it came from say so, and that look was made after anything was last sent.
#[must_use]
pub fn derive(facts: &LaneFacts) -> LaneStatus {
    let source = Side::of(&facts.source, facts.sent_at);
    let gitops = facts.gitops.as_ref().map(|branch| Gitops::of(branch, facts));
    let observed_at = match &gitops {
        None => source.observed_at,
        Some(gitops) => source.observed_at.zip(gitops.side.observed_at).map(|(source, gitops)| source.min(gitops)),
    };
    let (ahead, behind) = gitops.as_ref().map_or((None, None), Gitops::counts);
    let state = LaneState {
        transport: facts.transport.clone(),
        local_source: RefValue { name: facts.source.branch.ref_name(), commit: facts.source.local },
        github_source: RefValue { name: facts.source.branch.stage_ref(), commit: source.github },
        local_gitops: gitops.as_ref().map(|gitops| RefValue { name: gitops.branch.ref_name(), commit: gitops.local }),
        github_gitops: gitops
            .as_ref()
            .map(|gitops| RefValue { name: gitops.branch.stage_ref(), commit: gitops.side.github }),
        ahead,
        behind,
        diverged: gitops.as_ref().is_some_and(|gitops| matches!(gitops.relation, Some(Relation::Diverged { .. }))),
        pending_flush: gitops.as_ref().is_some_and(Gitops::is_pending),
        github_in_sync: source.agrees(facts.source.local)
            && gitops.as_ref().is_none_or(|gitops| gitops.side.agrees(gitops.local)),
        ref_sources: RefSources {
            github_fields_are_mirror_stage_cache: facts.origin == Origin::MirrorStage,
            observed_at,
            age_seconds: observed_at.map(|at| age(at, facts.now)),
        },
        snapshot: facts.snapshot.clone(),
        last_sync: facts.last_sync.clone(),
        last_flush: facts.last_flush.clone(),
        running: facts.running.clone(),
        drift: facts.drift.clone(),
    };
    LaneStatus { lane: facts.lane.clone(), repository: facts.repository.clone(), state, fault: facts.fault.clone() }
}

/// The upstream side of one branch.
struct Side {
    /// Its tip, as remembered.
    github: Option<CommitId>,
    /// Whether a look stands behind it that was made after anything was last sent.
    vouched: bool,
    observed_at: Option<Timestamp>,
}

impl Side {
    fn of(facts: &BranchFacts, sent_at: Option<Timestamp>) -> Self {
        let Some(observed) = facts.observed else {
            return Self { github: facts.staged, vouched: false, observed_at: None };
        };
        let fresh = sent_at.is_none_or(|sent| observed.observed_at >= sent);
        // Mirror-stage is not deleted where upstream lost the branch; the record of the look says that it did. Where the two name
        // different commits, a crash came between writing them: the ref is shown, and nothing is claimed.
        let (github, same) = match observed.commit {
            None => (None, true),
            Some(commit) => (facts.staged, facts.staged == Some(commit)),
        };
        Self { github, vouched: fresh && same, observed_at: Some(observed.observed_at) }
    }

    fn agrees(&self, local: Option<CommitId>) -> bool {
        self.vouched && self.github == local
    }
}

/// Both sides of the GitOps branch, where the lane has one.
struct Gitops<'a> {
    branch: &'a BranchName,
    local: Option<CommitId>,
    side: Side,
    relation: Option<Relation>,
}

impl<'a> Gitops<'a> {
    fn of(branch: &'a BranchFacts, facts: &LaneFacts) -> Self {
        let side = Side::of(branch, facts.sent_at);
        let relation = match (branch.local, side.github) {
            (Some(local), Some(github)) => Some(settle(local, github, facts.gitops_relation)),
            _ => None,
        };
        Self { branch: &branch.branch, local: branch.local, side, relation }
    }

    /// Whether the local tip is not known to be in the upstream one.
    fn is_pending(&self) -> bool {
        let contained = match self.relation {
            Some(Relation::Same | Relation::LocalBehind { .. }) => true,
            Some(Relation::LocalAhead { .. } | Relation::Diverged { .. } | Relation::NeedsObjects) | None => false,
        };
        self.local.is_some() && !(contained && self.side.vouched)
    }

    /// Where neither side has the branch, neither is ahead; where one lacks it, commits are not counted.
    fn counts(&self) -> (Option<u64>, Option<u64>) {
        match (self.local, self.side.github, self.relation) {
            (None, None, _) => (Some(0), Some(0)),
            (_, _, Some(relation)) => (relation.ahead(), relation.behind()),
            _ => (None, None),
        }
    }
}

/// A clock that went back makes nothing younger than now.
fn age(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.as_second().saturating_sub(at.as_second())).unwrap_or(0)
}
