//! The plan of one lane: both tables of the design, row by row.

use crate::config::Lane;
use crate::fault::{Classified, FaultClass, Retry};
use crate::name::{BranchName, CommitId, GroupName, RefPrefix};
use crate::snapshot::{Admission, SnapshotMoved, SnapshotName, admit};

use super::{
    BranchSeen, Observation, RefChange, RefEdit, RefKind, RefOutcome, Relation, SnapshotChange, SnapshotOutcome,
    in_order,
};

/// What a plan has to know of the lane's configuration.
#[derive(Debug, Clone, Copy)]
pub struct LaneView<'a> {
    /// The branch builds are made from.
    pub source: &'a BranchName,
    /// The group its snapshots belong to.
    pub snapshot_group: &'a GroupName,
    /// The branch Argo CD deploys from; absent where the lane only builds.
    pub gitops: Option<&'a BranchName>,
    /// Where snapshots live.
    pub prefix: &'a RefPrefix,
}

impl<'a> LaneView<'a> {
    /// Takes what a plan needs of a configured lane.
    #[must_use]
    pub const fn of(lane: &'a Lane, prefix: &'a RefPrefix) -> Self {
        Self {
            source: &lane.source.branch,
            snapshot_group: &lane.source.snapshot_group,
            gitops: lane.gitops.as_ref(),
            prefix,
        }
    }

    /// The snapshot of a commit of the source branch.
    #[must_use]
    pub fn snapshot_of(&self, commit: CommitId) -> SnapshotName {
        SnapshotName {
            prefix: self.prefix.clone(),
            group: self.snapshot_group.clone(),
            branch: self.source.clone(),
            commit,
        }
    }
}

/// The edits that bring a lane in line with upstream, and what they amount to.
///
/// # Invariants
/// Edits are ordered snapshot, heads, mirror-stage. None moves a snapshot, none deletes, and none touches a GitOps branch but by
/// fast-forward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncPlan {
    /// The edits, in the order in which they must become visible.
    pub edits: Vec<RefEdit>,
    /// What becomes of the source branch.
    pub source: RefChange,
    /// What becomes of the GitOps branch, where the lane has one.
    pub gitops: Option<RefChange>,
    /// The snapshot of the upstream source tip, where there is such a tip.
    pub snapshot: Option<SnapshotChange>,
}

impl Classified for SnapshotMoved {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Decides what a sync of one lane does to the refs of the cache.
///
/// # Errors
/// The snapshot of the upstream tip exists with another value: the branch must not move to
/// a commit whose snapshot cannot be read (I5), and the snapshot must not move at all (I1).
pub fn plan_sync(seen: &Observation, lane: &LaneView<'_>) -> Result<SyncPlan, SnapshotMoved> {
    let source = change(RefKind::Source, lane.source, &seen.source, source_outcome(&seen.source));
    let gitops = lane.gitops.map(|branch| change(RefKind::Gitops, branch, &seen.gitops, gitops_outcome(&seen.gitops)));
    let snapshot = snapshot_change(seen, lane, source.outcome)?;

    let snapshot_edit = snapshot
        .as_ref()
        .filter(|made| made.outcome == SnapshotOutcome::Created)
        .map(|made| RefEdit::Create { name: made.name.clone(), new: made.commit });
    let edits = [
        snapshot_edit,
        head_edit(&source),
        gitops.as_ref().and_then(head_edit),
        stage_edit(lane.source, &seen.source, source.outcome),
        lane.gitops.zip(gitops.as_ref()).and_then(|(branch, change)| stage_edit(branch, &seen.gitops, change.outcome)),
    ];
    Ok(SyncPlan { edits: in_order(edits.iter().flatten()), source, gitops, snapshot })
}

/// The first table: upstream is the authority.
fn source_outcome(seen: &BranchSeen) -> RefOutcome {
    if seen.upstream.is_none() {
        return RefOutcome::GoneUpstream;
    }
    match seen.settled() {
        None => RefOutcome::Created,
        Some(Relation::Same) => RefOutcome::UpToDate,
        Some(Relation::LocalBehind { .. }) => RefOutcome::FastForwarded,
        Some(Relation::LocalAhead { .. } | Relation::Diverged { .. }) => RefOutcome::Rewound,
        Some(Relation::NeedsObjects) => RefOutcome::NeedsObjects,
    }
}

/// The second table: the cache accepts commits first, so only a fast-forward may move the branch.
fn gitops_outcome(seen: &BranchSeen) -> RefOutcome {
    match (seen.local, seen.upstream) {
        (None, None) => RefOutcome::Absent,
        (None, Some(_)) => RefOutcome::Created,
        (Some(_), None) => RefOutcome::PendingFlush,
        (Some(_), Some(_)) => match seen.settled() {
            Some(Relation::Same) => RefOutcome::UpToDate,
            Some(Relation::LocalAhead { .. }) => RefOutcome::PendingFlush,
            Some(Relation::LocalBehind { .. }) => RefOutcome::FastForwarded,
            Some(Relation::Diverged { .. }) => RefOutcome::Diverged,
            Some(Relation::NeedsObjects) | None => RefOutcome::NeedsObjects,
        },
    }
}

/// Whether the outcome brings the ref to upstream's value.
pub(super) const fn follows(outcome: RefOutcome) -> bool {
    match outcome {
        RefOutcome::UpToDate | RefOutcome::Created | RefOutcome::FastForwarded | RefOutcome::Rewound => true,
        RefOutcome::GoneUpstream
        | RefOutcome::Absent
        | RefOutcome::PendingFlush
        | RefOutcome::Diverged
        | RefOutcome::NeedsObjects => false,
    }
}

fn change(kind: RefKind, branch: &BranchName, seen: &BranchSeen, outcome: RefOutcome) -> RefChange {
    RefChange {
        kind,
        name: branch.ref_name(),
        before: seen.local,
        upstream: seen.upstream,
        after: if follows(outcome) { seen.upstream } else { seen.local },
        relation: seen.settled(),
        outcome,
    }
}

fn snapshot_change(
    seen: &Observation,
    lane: &LaneView<'_>,
    source: RefOutcome,
) -> Result<Option<SnapshotChange>, SnapshotMoved> {
    let Some(commit) = seen.source.upstream else { return Ok(None) };
    let name = lane.snapshot_of(commit);
    let outcome = match admit(&name, seen.snapshot)? {
        Admission::Present => SnapshotOutcome::Present,
        Admission::Create if source == RefOutcome::NeedsObjects => SnapshotOutcome::NeedsObjects,
        Admission::Create => SnapshotOutcome::Created,
    };
    Ok(Some(SnapshotChange { name: name.ref_name(), commit, outcome }))
}

pub(super) fn head_edit(change: &RefChange) -> Option<RefEdit> {
    RefEdit::bring(change.name.clone(), change.before, change.after?)
}

/// Mirror-stage follows upstream whatever becomes of the branch; where upstream lacks it, or its objects are not here, it stays.
pub(super) fn stage_edit(branch: &BranchName, seen: &BranchSeen, outcome: RefOutcome) -> Option<RefEdit> {
    if outcome == RefOutcome::NeedsObjects {
        return None;
    }
    RefEdit::bring(branch.stage_ref(), seen.staged, seen.upstream?)
}
