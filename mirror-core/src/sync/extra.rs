//! The plan of the refs a repository declares beside its lanes: further branches and tags, mirrored read-only.

use crate::name::{BranchName, RefName};

use super::plan::{follows, head_edit, stage_edit};
use super::{BranchSeen, RefChange, RefEdit, RefKind, RefOutcome, Relation, in_order};

/// What a further ref is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtraKind {
    /// A declared branch.
    Branch(BranchName),
    /// A tag that matches a declared pattern, by its full ref name.
    Tag(RefName),
}

/// One further ref, as it was seen here and upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraSeen {
    /// Which ref.
    pub kind: ExtraKind,
    /// Its tips. For a tag these are the values of the ref itself, and neither `staged` nor `relation` is looked at.
    pub seen: BranchSeen,
}

/// The edits of the further refs, and what they amount to, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ExtraPlan {
    /// The edits, in the order in which they must become visible.
    pub edits: Vec<RefEdit>,
    /// What becomes of each ref.
    pub refs: Vec<RefChange>,
}

/// Decides what a sync does to the further refs of a repository: each takes upstream's value, and none is ever deleted.
///
/// A tag that upstream moved is `rewound`: whoever wants a name that never moves uses a snapshot.
#[must_use]
pub fn plan_extra(seen: &[ExtraSeen]) -> ExtraPlan {
    let refs: Vec<RefChange> = seen.iter().map(extra_change).collect();
    let heads = refs.iter().filter_map(head_edit);
    let stages = seen.iter().zip(&refs).filter_map(|(extra, change)| match &extra.kind {
        ExtraKind::Branch(branch) => stage_edit(branch, &extra.seen, change.outcome),
        ExtraKind::Tag(_) => None,
    });
    let edits: Vec<RefEdit> = heads.chain(stages).collect();
    ExtraPlan { edits: in_order(&edits), refs }
}

fn extra_change(extra: &ExtraSeen) -> RefChange {
    let seen = &extra.seen;
    let (kind, name, relation) = match &extra.kind {
        ExtraKind::Branch(branch) => (RefKind::Branch, branch.ref_name(), seen.settled()),
        ExtraKind::Tag(name) => (RefKind::Tag, name.clone(), None),
    };
    let outcome = match (seen.local, seen.upstream) {
        (_, None) => RefOutcome::GoneUpstream,
        (None, Some(_)) => RefOutcome::Created,
        (Some(local), Some(upstream)) if local == upstream => RefOutcome::UpToDate,
        (Some(_), Some(_)) => match relation {
            Some(Relation::LocalBehind { .. }) => RefOutcome::FastForwarded,
            Some(Relation::NeedsObjects) => RefOutcome::NeedsObjects,
            Some(Relation::Same | Relation::LocalAhead { .. } | Relation::Diverged { .. }) | None => {
                RefOutcome::Rewound
            }
        },
    };
    RefChange {
        kind,
        name,
        before: seen.local,
        upstream: seen.upstream,
        after: if follows(outcome) { seen.upstream } else { seen.local },
        relation,
        outcome,
    }
}
