//! Invariant I1, for the names and for the plan of retention.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::name::{BranchName, CommitId, GroupName, RefName, RefPrefix};

fn name(group: &str, branch: &str, commit: u8) -> SnapshotName {
    SnapshotName {
        prefix: RefPrefix::parse("refs/unidesk/snapshots").unwrap(),
        group: GroupName::parse(group).unwrap(),
        branch: BranchName::parse(branch).unwrap(),
        commit: CommitId::from_bytes([commit.saturating_add(1); 20]),
    }
}

#[test]
fn a_name_is_read_back_whatever_the_branch() {
    for branch in ["v0.3", "feature/x", "a/b/c/d", "refs/heads/x", "HEADx", "日本"] {
        let name = name("hwlab-node-runtime", branch, 7);
        assert_eq!(SnapshotName::parse(&name.prefix, &name.ref_name()), Ok(name.clone()), "{branch}");
        assert_eq!(name.to_string(), name.ref_name().as_str());
        assert!(RefName::parse(name.ref_name().as_str()).is_ok(), "{branch}");
    }
}

#[test]
fn other_refs_are_no_snapshots() {
    let prefix = RefPrefix::parse("refs/unidesk/snapshots").unwrap();
    let check = |text: &str, expect: &str| {
        let error = SnapshotName::parse(&prefix, &RefName::parse(text).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let hex = "9fceb02d0ae598e95dc970b74767f19372d61af8";
    check("refs/heads/main", "`refs/heads/main` does not stand under `refs/unidesk/snapshots/`");
    check("refs/unidesk/snapshots/g", "`refs/unidesk/snapshots/g` is not `<prefix>/<group>/<branch>/<commit>`");
    check(
        &format!("refs/unidesk/snapshots/g/{hex}"),
        &format!("`refs/unidesk/snapshots/g/{hex}` is not `<prefix>/<group>/<branch>/<commit>`"),
    );
    check(
        "refs/unidesk/snapshots/\u{9b}31m",
        "`refs/unidesk/snapshots/\\u{9b}31m` is not `<prefix>/<group>/<branch>/<commit>`",
    );
    check("refs/unidesk/snapshots/g/b/main", "`refs/unidesk/snapshots/g/b/main` has a part that no snapshot has");
    check(
        &format!("refs/unidesk/snapshots/g/HEAD/{hex}"),
        &format!("`refs/unidesk/snapshots/g/HEAD/{hex}` has a part that no snapshot has"),
    );
}

#[test]
fn i1_a_snapshot_never_moves() {
    let snapshot = name("g", "main", 1);
    assert_eq!(admit(&snapshot, None), Ok(Admission::Create));
    assert_eq!(admit(&snapshot, Some(snapshot.commit)), Ok(Admission::Present));
    let other = CommitId::from_bytes([9; 20]);
    let moved = admit(&snapshot, Some(other)).unwrap_err();
    assert_eq!(moved.to_string(), format!("snapshot `{snapshot}` holds {other}"));
}

fn now() -> Timestamp {
    "2030-01-01T00:00:00Z".parse().unwrap()
}

fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

#[test]
fn retention_keeps_for_each_reason() {
    let seen = [
        SnapshotSeen { name: name("g", "main", 1), made_at: hours_ago(100) },
        SnapshotSeen { name: name("g", "main", 2), made_at: hours_ago(90) },
        SnapshotSeen { name: name("g", "main", 3), made_at: hours_ago(80) },
        SnapshotSeen { name: name("g", "main", 4), made_at: hours_ago(24) },
        SnapshotSeen { name: name("g", "main", 5), made_at: hours_ago(23) },
        SnapshotSeen { name: name("g", "main", 6), made_at: hours_ago(-5) },
        SnapshotSeen { name: name("g", "other", 7), made_at: hours_ago(1000) },
    ];
    let retention = Retention { keep_at_least: 1, keep_for: Duration::from_secs(24 * 3600) };
    let plan = plan_prune(&seen, &BTreeSet::from([name("g", "main", 2).commit]), &retention, now());
    let dropped: Vec<&SnapshotName> = plan.drop.iter().map(|drop| &drop.name).collect();
    assert_eq!(dropped, [&name("g", "main", 1), &name("g", "main", 3), &name("g", "main", 4)]);
    assert_eq!(
        plan.keep,
        [
            (name("g", "main", 2), KeepReason::InUse),
            (name("g", "main", 5), KeepReason::Young),
            (name("g", "main", 6), KeepReason::Newest),
            (name("g", "other", 7), KeepReason::Newest),
        ]
    );
}

fn seen() -> impl Strategy<Value = Vec<SnapshotSeen>> {
    let one = (0..3usize, 0..3usize, any::<u8>(), -50i64..1000);
    prop::collection::vec(one, 0..60).prop_map(|snapshots| {
        snapshots
            .into_iter()
            .map(|(group, branch, commit, hours)| SnapshotSeen {
                name: name(["g", "h", "g.x"][group], ["main", "main/x", "v0.3"][branch], commit),
                made_at: hours_ago(hours),
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn i1_retention_drops_only_what_no_reason_keeps(
        seen in seen(),
        used in prop::collection::btree_set(any::<u8>(), 0..20),
        keep_at_least in 0u32..8,
        keep_hours in 0u64..800,
    ) {
        let in_use: BTreeSet<CommitId> = used.into_iter().map(|commit| name("g", "main", commit).commit).collect();
        let retention = Retention { keep_at_least, keep_for: Duration::from_secs(keep_hours * 3600) };
        let plan = plan_prune(&seen, &in_use, &retention, now());

        // The youngest sighting of each snapshot counts.
        let mut made: BTreeMap<&SnapshotName, Timestamp> = BTreeMap::new();
        for one in &seen {
            let at = made.entry(&one.name).or_insert(one.made_at);
            *at = (*at).max(one.made_at);
        }
        let dropped: BTreeSet<&SnapshotName> = plan.drop.iter().map(|drop| &drop.name).collect();
        let kept: BTreeSet<&SnapshotName> = plan.keep.iter().map(|(name, _)| name).collect();
        prop_assert!(dropped.is_disjoint(&kept));
        prop_assert_eq!(dropped.len() + kept.len(), made.len(), "each snapshot has one fate");

        for drop in &plan.drop {
            prop_assert_eq!(drop.expected, drop.name.commit);
            prop_assert!(!in_use.contains(&drop.name.commit), "in use");
            let age = now().duration_since(made[&drop.name]);
            prop_assert!(age >= SignedDuration::try_from(retention.keep_for).unwrap(), "younger than keepFor");
            let same_branch = |other: &&SnapshotName| other.group == drop.name.group && other.branch == drop.name.branch;
            let newer_kept = kept.iter().copied().filter(same_branch).filter(|other| made[other] >= made[&drop.name]).count();
            prop_assert!(newer_kept >= keep_at_least as usize, "one of the newest of its branch");
        }

        let left: Vec<SnapshotSeen> = seen.iter().filter(|one| kept.contains(&one.name)).cloned().collect();
        let again = plan_prune(&left, &in_use, &retention, now());
        prop_assert!(again.drop.is_empty(), "planning again after the drop drops more: {:?}", again.drop);
    }

    #[test]
    fn the_order_of_what_is_seen_does_not_matter(mut seen in seen(), keep_at_least in 0u32..5) {
        let retention = Retention { keep_at_least, keep_for: Duration::from_secs(3600) };
        let plan = plan_prune(&seen, &BTreeSet::new(), &retention, now());
        seen.reverse();
        prop_assert_eq!(plan, plan_prune(&seen, &BTreeSet::new(), &retention, now()));
    }
}
