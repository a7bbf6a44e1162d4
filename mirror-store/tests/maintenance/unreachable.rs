//! What no ref reaches: set apart after a look, dropped weeks later, and kept where a ref reaches it again.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RefPrefix};
use mirror_core::report::maintain::{TaskOutcome, UpkeepTask};
use mirror_core::snapshot::{Retention, SnapshotDrop, SnapshotName, SnapshotSeen, plan_prune};
use mirror_store::{ApplyError, Cache, UpkeepError};

use crate::rig::{EndsBehind, PREFIX, Rig, step};
use crate::sandbox::{create, name};

const DAY: i64 = 24;

fn oid(commit: CommitId) -> gix_hash::ObjectId {
    gix_hash::ObjectId::from_hex(commit.to_string().as_bytes()).unwrap()
}

/// A cache with a branch, and a snapshot of a commit that only it holds.
fn with_snapshot() -> (Rig, CommitId, SnapshotDrop) {
    let rig = Rig::new();
    rig.feed("main", 6);
    let side = *rig.sandbox.commits("side", 5).last().unwrap();
    let operation = rig.operation("sync");
    rig.sandbox.bring(&operation, &[side], &[]).unwrap();
    let at = name(&format!("{PREFIX}/app/side/{side}"));
    operation.apply(&[create(at.as_str(), side)]).unwrap();
    let parsed = SnapshotName::parse(&RefPrefix::parse(PREFIX).unwrap(), &at).unwrap();
    let seen = [SnapshotSeen { name: parsed, made_at: Timestamp::UNIX_EPOCH }];
    let retention = Retention { keep_at_least: 0, keep_for: Duration::ZERO };
    let mut plan = plan_prune(&seen, &BTreeSet::new(), &retention, Timestamp::now());
    (rig, side, plan.drop.remove(0))
}

/// The same, pruned, and set apart.
fn set_apart() -> (Rig, CommitId) {
    let (rig, side, drop) = with_snapshot();
    rig.operation("snapshots-prune").drop_refs(&[drop]).unwrap();
    let objects = rig.objects();
    let upkeep = rig.maintain(0);
    let apart = step(&upkeep, UpkeepTask::Unreachable);
    assert_eq!(apart.outcome, TaskOutcome::Done, "{apart:?}");
    let after = upkeep.after.unwrap();
    assert_eq!((after.packs, after.unreachable_packs), (1, 1));
    assert_eq!(rig.objects(), objects, "nothing is lost by setting apart");
    (rig, side)
}

#[test]
fn what_a_pruned_snapshot_held_goes_after_two_weeks() {
    let (rig, side) = set_apart();
    // Replaced packs go, what is out of reach stays.
    let soon = rig.maintain(2);
    assert_eq!(step(&soon, UpkeepTask::Superseded).outcome, TaskOutcome::Done);
    assert_eq!(step(&soon, UpkeepTask::Unreachable).outcome, TaskOutcome::Waiting);
    assert_eq!(rig.packs().len(), 2);
    assert!(rig.cache.has_commit(side).unwrap());
    let late = rig.maintain(15 * DAY);
    let dropped = step(&late, UpkeepTask::Unreachable);
    assert_eq!((dropped.outcome, dropped.bytes_after), (TaskOutcome::Done, 0));
    assert!(dropped.items >= 5 && dropped.bytes_before > 0);
    assert_eq!(rig.packs().len(), 1);
    assert!(!rig.cache.has_commit(side).unwrap(), "a cache that was open meanwhile sees it too");
    let reached = rig.sandbox.git(rig.cache.path(), &["rev-list", "--objects", "--no-object-names", "--all"]);
    assert_eq!(rig.objects(), reached.lines().map(ToOwned::to_owned).collect());
    rig.fsck();
    rig.sandbox.git(rig.cache.path(), &["commit-graph", "verify"]);
}

#[test]
fn i1_what_any_ref_holds_is_never_set_apart() {
    let (rig, side, _) = with_snapshot();
    let tip = rig.cache.find(&name("refs/heads/main")).unwrap().unwrap();
    rig.operation("sync")
        .apply(&[create("refs/mirror-rescue/main/x", tip), create("refs/mirror-stage/heads/main", tip)])
        .unwrap();
    let objects = rig.objects();
    for day in [0, 8, 30, 60] {
        let upkeep = rig.maintain(day * DAY);
        assert_eq!(step(&upkeep, UpkeepTask::Unreachable).outcome, TaskOutcome::Nothing);
    }
    assert!(rig.cache.has_commit(side).unwrap());
    assert_eq!(rig.objects(), objects);
    rig.fsck();
}

#[test]
fn what_a_ref_reaches_again_is_kept() {
    let (rig, side) = set_apart();
    rig.operation("sync").apply(&[create("refs/heads/back", side)]).unwrap();
    let upkeep = rig.maintain(15 * DAY);
    assert_eq!(step(&upkeep, UpkeepTask::Superseded).outcome, TaskOutcome::Done);
    assert!(rig.cache.has_commit(side).unwrap());
    let facts = upkeep.after.unwrap();
    assert_eq!(facts.unreachable_packs, 0, "it counts as any other pack");
    rig.maintain(40 * DAY);
    rig.fsck();
    assert_eq!(rig.cache.find(&name("refs/heads/back")).unwrap(), Some(side));
}

#[test]
fn nothing_is_dropped_while_somebody_adds_objects() {
    let (rig, side) = set_apart();
    let receiving = rig.cache.keep_objects().unwrap();
    let mut rules = rig.rules(15 * DAY);
    rules.patience = Duration::ZERO;
    let upkeep = rig.maintain_with(&rules, &crate::rig::Unhurried).upkeep.unwrap();
    assert_eq!(step(&upkeep, UpkeepTask::Unreachable).outcome, TaskOutcome::Skipped);
    assert!(rig.cache.has_commit(side).unwrap());
    drop(receiving);
    assert_eq!(step(&rig.maintain(16 * DAY), UpkeepTask::Unreachable).outcome, TaskOutcome::Done);
    assert!(!rig.cache.has_commit(side).unwrap());
    rig.fsck();
}

#[test]
fn i1_who_has_the_store_open_does_not_find_what_went_where_it_was_dropped_without_a_note() {
    let (rig, side) = set_apart();
    // What was replaced goes, and was all else that had it.
    rig.maintain(2);
    // As a server does that was started before.
    let other = Cache::open(rig.cache.path()).unwrap();
    assert!(other.has_commit(side).unwrap());
    let notes = || std::fs::read(rig.cache.path().join("git-mirror/upkeep.json")).unwrap();
    let (noted, packs) = (notes(), rig.packs().len());
    let upkept = rig.maintain_with(&rig.rules(15 * DAY), &EndsBehind::new("drop a pack that nothing reaches"));
    assert!(matches!(upkept.error, Some(UpkeepError::Stopped)), "{:?}", upkept.error);
    assert!(notes() == noted && rig.packs().len() == packs - 1, "it is gone, and not noted");
    let at = name("refs/heads/again");
    assert!(!other.has_commit(side).unwrap() && !rig.cache.has_commit(side).unwrap());
    let applied = other.begin("push").unwrap().apply(&[create(at.as_str(), side)]);
    assert!(matches!(applied, Err(ApplyError::MissingObject { .. })), "{applied:?}");
}

#[test]
fn an_index_of_many_packs_that_somebody_made_hides_nothing_and_keeps_nothing() {
    let (rig, side) = set_apart();
    rig.maintain(2);
    rig.sandbox.git(rig.cache.path(), &["multi-pack-index", "write"]);
    let other = Cache::open(rig.cache.path()).unwrap();
    assert!(other.has_commit(side).unwrap());
    rig.maintain(15 * DAY);
    assert!(rig.files("objects/pack").contains("multi-pack-index"));
    assert!(!other.has_commit(side).unwrap() && !other.contains(&oid(side)).unwrap());
    assert!(!Cache::open(rig.cache.path()).unwrap().contains(&oid(side)).unwrap());
    let tip = rig.cache.find(&name("refs/heads/main")).unwrap().unwrap();
    assert!(other.has_commit(tip).unwrap());
}

#[test]
fn what_is_out_of_reach_by_little_is_left_where_it_is() {
    let rig = Rig::new();
    rig.feed("main", 60);
    let side = *rig.sandbox.commits("side", 1).last().unwrap();
    rig.sandbox.bring(&rig.operation("sync"), &[side], &[]).unwrap();
    let mut rules = rig.rules(0);
    rules.unreachable_share = 50;
    let upkeep = rig.maintain_with(&rules, &crate::rig::Unhurried).upkeep.unwrap();
    let told = step(&upkeep, UpkeepTask::Unreachable);
    assert_eq!(told.outcome, TaskOutcome::Nothing);
    let reached = rig.sandbox.git(rig.cache.path(), &["rev-list", "--objects", "--no-object-names", "--all"]);
    assert_eq!(told.items, rig.objects().len() as u64 - reached.lines().count() as u64);
    assert!(told.items > 0 && told.bytes_before > 0 && told.why.is_some(), "{told:?}");
    assert!(rig.cache.has_commit(side).unwrap());
}

#[test]
fn a_store_without_refs_is_set_apart_as_a_whole() {
    let rig = Rig::new();
    let side = *rig.sandbox.commits("side", 4).last().unwrap();
    rig.sandbox.bring(&rig.operation("sync"), &[side], &[]).unwrap();
    let upkeep = rig.maintain(0);
    assert_eq!(step(&upkeep, UpkeepTask::Unreachable).outcome, TaskOutcome::Done);
    assert_eq!(upkeep.after.unwrap().unreachable_packs, 1);
    assert!(rig.cache.has_commit(side).unwrap());
    rig.maintain(2);
    rig.maintain(15 * DAY);
    assert_eq!((rig.packs().len(), rig.cache.has_commit(side).unwrap()), (0, false));
    rig.fsck();
}
