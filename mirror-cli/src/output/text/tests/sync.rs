//! What a sync did to each ref, and that a journal which could not be written is told.

use mirror_core::report::sync::{LaneSync, RefLine, SnapshotLine};
use mirror_core::sync::{RefChange, RefKind, RefOutcome, Relation, SnapshotOutcome};

use super::*;

fn change(kind: RefKind, name: &str, outcome: RefOutcome, relation: Option<Relation>) -> RefChange {
    let (old, new) = (Some(commit('1')), Some(commit('2')));
    let (before, upstream, after) = match outcome {
        RefOutcome::UpToDate => (new, new, new),
        RefOutcome::Created => (None, new, new),
        RefOutcome::FastForwarded | RefOutcome::Rewound => (old, new, new),
        RefOutcome::GoneUpstream => (old, None, old),
        RefOutcome::Absent => (None, None, None),
        RefOutcome::PendingFlush | RefOutcome::Diverged | RefOutcome::NeedsObjects => (old, new, old),
    };
    RefChange { kind, name: RefName::parse(name).unwrap(), before, upstream, after, relation, outcome }
}

fn synced(
    lane: &str,
    source: RefOutcome,
    gitops: (RefOutcome, Option<Relation>),
    snapshot: SnapshotOutcome,
) -> LaneSync {
    let behind = (source == RefOutcome::FastForwarded).then_some(Relation::LocalBehind { behind: 3 });
    let further = (lane == "first").then(|| change(RefKind::Tag, "refs/tags/v1", RefOutcome::Created, None));
    let changes = [
        change(RefKind::Source, "refs/heads/v0.3", source, behind),
        change(RefKind::Gitops, "refs/heads/v0.3-gitops", gitops.0, gitops.1),
    ];
    let mut line = LaneSync::failed(&lane_name(lane), &repository(), fault());
    line.fault = None;
    line.observed_at = Some(before(3));
    line.refs = changes.iter().chain(&further).map(RefLine::from).collect();
    if source != RefOutcome::GoneUpstream {
        line.snapshots =
            vec![SnapshotLine { name: snapshot_name("v0.3", '2').ref_name(), commit: commit('2'), outcome: snapshot }];
    }
    line
}

fn sync_lanes() -> Vec<LaneSync> {
    use RefOutcome::*;
    let diverged = Relation::Diverged { merge_base: Some(commit('a')), ahead: 2, behind: 3 };
    vec![
        synced("still", UpToDate, (Absent, None), SnapshotOutcome::Present),
        synced("first", Created, (Created, None), SnapshotOutcome::Created),
        synced("forward", FastForwarded, (UpToDate, None), SnapshotOutcome::Created),
        synced("rewound", Rewound, (UpToDate, None), SnapshotOutcome::Created),
        synced("pending", UpToDate, (PendingFlush, Some(Relation::LocalAhead { ahead: 2 })), SnapshotOutcome::Present),
        synced("diverged", FastForwarded, (Diverged, Some(diverged)), SnapshotOutcome::Created),
        synced("gone", GoneUpstream, (UpToDate, None), SnapshotOutcome::Present),
        LaneSync::failed(&lane_name("broken"), &repository(), fault()),
    ]
}

#[test]
fn sync_done() {
    insta::assert_snapshot!(texts(&Report::of(node(), sync_lanes()).in_mode(Mode::Confirm)));
}

#[test]
fn sync_dry_run_says_would() {
    use RefOutcome::*;
    let mut lanes = sync_lanes();
    lanes.push(synced(
        "unknown",
        UpToDate,
        (NeedsObjects, Some(Relation::NeedsObjects)),
        SnapshotOutcome::NeedsObjects,
    ));
    let text = texts(&Report::of(node(), lanes).in_mode(Mode::DryRun));
    for word in ["dry run: nothing was changed", "would be created", "would be forwarded", "needs-objects"] {
        assert!(text.contains(word), "{word}\n{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_journal_that_could_not_be_written_is_told_beside_the_lanes() {
    let lanes = vec![synced("v03", RefOutcome::UpToDate, (RefOutcome::UpToDate, None), SnapshotOutcome::Present)];
    let mut full = fault();
    full.message = "cannot write the journal".to_owned();
    full.class = FaultClass::Failed;
    insta::assert_snapshot!(texts(&Report::of(node(), lanes).in_mode(Mode::Confirm).with_fault(Some(full))));
}
