//! Every row of the two sync tables, of the further refs, and of mirror-stage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use mirror_core::name::{BranchName, CommitId, GroupName, LaneName, RefName, RefPrefix};
use mirror_core::sync::{
    BranchSeen, EditRank, ExtraKind, ExtraSeen, LaneView, Observation, RefEdit, RefOutcome, Relation, SnapshotOutcome,
    SyncPlan, in_order, plan_extra, plan_sync,
};

const BASE: u8 = 1;
const LOCAL: u8 = 2;
const UPSTREAM: u8 = 3;

fn commit(seed: u8) -> CommitId {
    CommitId::from_bytes([seed; 20])
}

struct Names {
    source: BranchName,
    group: GroupName,
    gitops: BranchName,
    prefix: RefPrefix,
}

fn names() -> Names {
    Names {
        source: BranchName::parse("v0.3").unwrap(),
        group: GroupName::parse("hwlab-node-runtime").unwrap(),
        gitops: BranchName::parse("v0.3-gitops").unwrap(),
        prefix: RefPrefix::parse("refs/unidesk/snapshots").unwrap(),
    }
}

fn plan(seen: &Observation) -> SyncPlan {
    let names = names();
    let view = LaneView {
        source: &names.source,
        snapshot_group: &names.group,
        gitops: Some(&names.gitops),
        prefix: &names.prefix,
    };
    plan_sync(seen, &view).unwrap()
}

fn seen(local: Option<u8>, upstream: Option<u8>, relation: Option<Relation>) -> BranchSeen {
    BranchSeen { upstream: upstream.map(commit), local: local.map(commit), staged: upstream.map(commit), relation }
}

fn shown(edits: &[RefEdit]) -> Vec<String> {
    let value = |commit: CommitId| commit.as_bytes()[0];
    edits
        .iter()
        .map(|edit| match edit {
            RefEdit::Create { name, new } => format!("{name} := {}", value(*new)),
            RefEdit::Update { name, expected, new } => format!("{name} {} -> {}", value(*expected), value(*new)),
        })
        .collect()
}

fn snapshot_ref(seed: u8) -> String {
    format!("refs/unidesk/snapshots/hwlab-node-runtime/v0.3/{}", commit(seed))
}

const AHEAD: Relation = Relation::LocalAhead { ahead: 2 };
const BEHIND: Relation = Relation::LocalBehind { behind: 3 };

fn diverged() -> Relation {
    Relation::Diverged { merge_base: Some(commit(BASE)), ahead: 2, behind: 3 }
}

#[track_caller]
fn check_source(seen: BranchSeen, snapshot: Option<u8>, outcome: RefOutcome, edits: &[&str]) {
    let plan = plan(&Observation { source: seen, gitops: BranchSeen::default(), snapshot: snapshot.map(commit) });
    assert_eq!(plan.source.outcome, outcome);
    assert_eq!(shown(&plan.edits), edits);
    let moves = plan.edits.iter().any(|edit| edit.name() == &plan.source.name);
    assert_eq!(plan.source.before != plan.source.after, moves, "the change tells what the edits do");
}

#[test]
fn source_rows() {
    let made = format!("{} := 3", snapshot_ref(UPSTREAM));
    let same = seen(Some(UPSTREAM), Some(UPSTREAM), Some(Relation::Same));
    check_source(same, Some(UPSTREAM), RefOutcome::UpToDate, &[]);
    check_source(same, None, RefOutcome::UpToDate, &[&made]);

    let absent = seen(None, Some(UPSTREAM), None);
    check_source(absent, None, RefOutcome::Created, &[&made, "refs/heads/v0.3 := 3"]);
    check_source(absent, Some(UPSTREAM), RefOutcome::Created, &["refs/heads/v0.3 := 3"]);

    let behind = seen(Some(LOCAL), Some(UPSTREAM), Some(BEHIND));
    check_source(behind, None, RefOutcome::FastForwarded, &[&made, "refs/heads/v0.3 2 -> 3"]);

    // A local source branch ahead of upstream was rewound there as well: upstream does not contain it.
    for relation in [AHEAD, diverged()] {
        let rewound = seen(Some(LOCAL), Some(UPSTREAM), Some(relation));
        check_source(rewound, None, RefOutcome::Rewound, &[&made, "refs/heads/v0.3 2 -> 3"]);
    }

    check_source(seen(Some(LOCAL), None, None), None, RefOutcome::GoneUpstream, &[]);
    check_source(seen(None, None, None), None, RefOutcome::GoneUpstream, &[]);
}

#[track_caller]
fn check_gitops(seen: BranchSeen, outcome: RefOutcome, edits: &[&str]) {
    let source = BranchSeen::default();
    let plan = plan(&Observation { source, gitops: seen, snapshot: None });
    let change = plan.gitops.unwrap();
    assert_eq!(change.outcome, outcome);
    assert_eq!(shown(&plan.edits), edits);
    assert_eq!(change.before != change.after, !edits.is_empty(), "the change tells what the edits do");
}

#[test]
fn a_lane_without_a_gitops_branch_moves_its_source_alone() {
    let names = names();
    let check = |source: BranchSeen, outcome: RefOutcome, edits: &[String]| {
        let view =
            LaneView { source: &names.source, snapshot_group: &names.group, gitops: None, prefix: &names.prefix };
        // What stands here for a GitOps branch says nothing of a lane that has none.
        let gitops = seen(None, Some(UPSTREAM), None);
        let plan = plan_sync(&Observation { source, gitops, snapshot: None }, &view).unwrap();
        assert_eq!((plan.source.outcome, plan.gitops), (outcome, None));
        assert_eq!(shown(&plan.edits), edits);
    };
    let made = format!("{} := 3", snapshot_ref(UPSTREAM));
    let to = |edit: &str| vec![made.clone(), format!("refs/heads/v0.3 {edit}")];
    check(seen(None, Some(UPSTREAM), None), RefOutcome::Created, &to(":= 3"));
    check(seen(Some(UPSTREAM), Some(UPSTREAM), None), RefOutcome::UpToDate, std::slice::from_ref(&made));
    check(seen(Some(LOCAL), Some(UPSTREAM), Some(BEHIND)), RefOutcome::FastForwarded, &to("2 -> 3"));
    check(seen(Some(LOCAL), Some(UPSTREAM), Some(diverged())), RefOutcome::Rewound, &to("2 -> 3"));
    check(seen(Some(LOCAL), None, None), RefOutcome::GoneUpstream, &[]);
}

#[test]
fn gitops_rows() {
    check_gitops(seen(None, None, None), RefOutcome::Absent, &[]);
    check_gitops(seen(None, Some(UPSTREAM), None), RefOutcome::Created, &["refs/heads/v0.3-gitops := 3"]);
    check_gitops(seen(Some(LOCAL), Some(LOCAL), Some(Relation::Same)), RefOutcome::UpToDate, &[]);
    check_gitops(seen(Some(LOCAL), None, None), RefOutcome::PendingFlush, &[]);
    check_gitops(seen(Some(LOCAL), Some(UPSTREAM), Some(AHEAD)), RefOutcome::PendingFlush, &[]);
    check_gitops(
        seen(Some(LOCAL), Some(UPSTREAM), Some(BEHIND)),
        RefOutcome::FastForwarded,
        &["refs/heads/v0.3-gitops 2 -> 3"],
    );
    check_gitops(seen(Some(LOCAL), Some(UPSTREAM), Some(diverged())), RefOutcome::Diverged, &[]);
}

#[test]
fn a_diverged_branch_keeps_both_tips_the_merge_base_and_the_counts() {
    let gitops = seen(Some(LOCAL), Some(UPSTREAM), Some(diverged()));
    let change = plan(&Observation { gitops, ..Observation::default() }).gitops.unwrap();
    assert_eq!(
        (change.before, change.upstream, change.after),
        (Some(commit(LOCAL)), Some(commit(UPSTREAM)), Some(commit(LOCAL)))
    );
    let relation = change.relation.unwrap();
    assert_eq!((relation.ahead(), relation.behind(), relation.merge_base()), (Some(2), Some(3), Some(commit(BASE))));
}

#[test]
fn without_objects_nothing_is_guessed_and_nothing_is_planned() {
    for relation in [None, Some(Relation::NeedsObjects), Some(Relation::Same)] {
        let unknown = BranchSeen { staged: None, ..seen(Some(LOCAL), Some(UPSTREAM), relation) };
        let plan = plan(&Observation { source: unknown, gitops: unknown, snapshot: None });
        assert_eq!(plan.source.outcome, RefOutcome::NeedsObjects);
        assert_eq!(plan.gitops.as_ref().unwrap().outcome, RefOutcome::NeedsObjects);
        assert_eq!(plan.snapshot.unwrap().outcome, SnapshotOutcome::NeedsObjects);
        assert_eq!(plan.edits, []);
    }
}

#[test]
fn equal_tips_are_up_to_date_whatever_relation_was_noted() {
    let odd = seen(Some(LOCAL), Some(LOCAL), Some(diverged()));
    let plan = plan(&Observation { source: odd, gitops: odd, snapshot: Some(commit(LOCAL)) });
    assert_eq!(plan.source.outcome, RefOutcome::UpToDate);
    assert_eq!(plan.gitops.as_ref().unwrap().outcome, RefOutcome::UpToDate);
}

#[test]
fn mirror_stage_follows_upstream_whatever_becomes_of_the_branch() {
    let stale = |mut seen: BranchSeen| {
        seen.staged = Some(commit(BASE));
        seen
    };
    for relation in [AHEAD, BEHIND, diverged()] {
        let branch = stale(seen(Some(LOCAL), Some(UPSTREAM), Some(relation)));
        let plan = plan(&Observation { source: branch, gitops: branch, snapshot: Some(commit(UPSTREAM)) });
        let stages = shown(&plan.edits).into_iter().filter(|edit| edit.starts_with("refs/mirror-stage/"));
        let expect = ["refs/mirror-stage/heads/v0.3 1 -> 3", "refs/mirror-stage/heads/v0.3-gitops 1 -> 3"];
        assert_eq!(stages.collect::<Vec<_>>(), expect, "{relation:?}");
    }
    let gone = stale(seen(Some(LOCAL), None, None));
    assert_eq!(plan(&Observation { source: gone, gitops: gone, snapshot: None }).edits, []);
}

#[test]
fn i5_the_snapshot_comes_before_the_branches_and_mirror_stage_comes_last() {
    let fresh = BranchSeen { staged: None, ..seen(None, Some(UPSTREAM), None) };
    let plan = plan(&Observation { source: fresh, gitops: fresh, snapshot: None });
    let expect = [
        format!("{} := 3", snapshot_ref(UPSTREAM)),
        "refs/heads/v0.3 := 3".to_owned(),
        "refs/heads/v0.3-gitops := 3".to_owned(),
        "refs/mirror-stage/heads/v0.3 := 3".to_owned(),
        "refs/mirror-stage/heads/v0.3-gitops := 3".to_owned(),
    ];
    assert_eq!(shown(&plan.edits), expect);
}

#[test]
fn i1_a_snapshot_that_holds_another_commit_stops_the_lane() {
    let names = names();
    let view = LaneView {
        source: &names.source,
        snapshot_group: &names.group,
        gitops: Some(&names.gitops),
        prefix: &names.prefix,
    };
    let source = seen(Some(LOCAL), Some(UPSTREAM), Some(BEHIND));
    let seen = Observation { source, gitops: BranchSeen::default(), snapshot: Some(commit(LOCAL)) };
    let moved = plan_sync(&seen, &view).unwrap_err();
    assert_eq!((moved.name.ref_name().as_str(), moved.found), (snapshot_ref(UPSTREAM).as_str(), commit(LOCAL)));
}

#[track_caller]
fn check_extra(kind: ExtraKind, seen: BranchSeen, outcome: RefOutcome, edits: &[&str]) {
    let plan = plan_extra(&[ExtraSeen { kind, seen }]);
    assert_eq!(plan.refs[0].outcome, outcome);
    assert_eq!(shown(&plan.edits), edits);
}

#[test]
fn further_branches_follow_upstream() {
    let branch = || ExtraKind::Branch(BranchName::parse("docs").unwrap());
    let unstaged = |seen: BranchSeen| BranchSeen { staged: None, ..seen };
    check_extra(
        branch(),
        unstaged(seen(None, Some(UPSTREAM), None)),
        RefOutcome::Created,
        &["refs/heads/docs := 3", "refs/mirror-stage/heads/docs := 3"],
    );
    let differs = |relation| seen(Some(LOCAL), Some(UPSTREAM), Some(relation));
    check_extra(branch(), differs(BEHIND), RefOutcome::FastForwarded, &["refs/heads/docs 2 -> 3"]);
    check_extra(branch(), differs(AHEAD), RefOutcome::Rewound, &["refs/heads/docs 2 -> 3"]);
    check_extra(branch(), differs(diverged()), RefOutcome::Rewound, &["refs/heads/docs 2 -> 3"]);
    check_extra(branch(), differs(Relation::NeedsObjects), RefOutcome::NeedsObjects, &[]);
    check_extra(branch(), seen(Some(LOCAL), Some(LOCAL), None), RefOutcome::UpToDate, &[]);
    check_extra(branch(), seen(Some(LOCAL), None, None), RefOutcome::GoneUpstream, &[]);
    check_extra(branch(), seen(None, None, None), RefOutcome::GoneUpstream, &[]);
}

#[test]
fn tags_take_upstreams_value_and_are_never_dropped() {
    let tag = || ExtraKind::Tag(RefName::parse("refs/tags/v1").unwrap());
    check_extra(tag(), seen(None, Some(UPSTREAM), None), RefOutcome::Created, &["refs/tags/v1 := 3"]);
    check_extra(tag(), seen(Some(LOCAL), Some(UPSTREAM), None), RefOutcome::Rewound, &["refs/tags/v1 2 -> 3"]);
    check_extra(tag(), seen(Some(LOCAL), Some(LOCAL), None), RefOutcome::UpToDate, &[]);
    check_extra(tag(), seen(Some(LOCAL), None, None), RefOutcome::GoneUpstream, &[]);
}

#[test]
fn a_rescue_ref_comes_between_snapshots_and_what_readers_see() {
    let lane = LaneName::parse("v03").unwrap();
    let rescue = lane.rescue_ref("2025-10-09T08:53:20Z".parse().unwrap(), commit(LOCAL));
    let create = |name: RefName| RefEdit::Create { name, new: commit(LOCAL) };
    let names = ["refs/mirror-stage/heads/v0.3", "refs/heads/v0.3", "refs/mirror/snapshots/app/v0.3/1"];
    let mut edits: Vec<_> = names.map(|name| create(RefName::parse(name).unwrap())).into();
    edits.insert(0, create(rescue));
    let ranks: Vec<_> = in_order(&edits).iter().map(RefEdit::rank).collect();
    assert_eq!(ranks, [EditRank::Snapshot, EditRank::Rescue, EditRank::Reader, EditRank::Stage]);
}
