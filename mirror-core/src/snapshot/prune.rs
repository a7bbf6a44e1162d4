//! Retention as a plan: which snapshots may be dropped, and for each of the others why it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::name::SnapshotName;
use crate::name::{BranchName, CommitId, GroupName, RefPrefix};

/// How long snapshots stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest of each branch stay, however old they are.
    pub keep_at_least: u32,
    /// A snapshot younger than this stays, however many there are.
    pub keep_for: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_at_least: 50, keep_for: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

/// A snapshot that exists, and since when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotSeen {
    /// The snapshot.
    pub name: SnapshotName,
    /// When it was made.
    pub made_at: Timestamp,
}

/// The deletion of one snapshot. Only [`plan_prune`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SnapshotDrop {
    /// The snapshot.
    pub name: SnapshotName,
    /// What its ref must still hold when it is deleted.
    pub expected: CommitId,
}

/// Why a snapshot stays.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum KeepReason {
    /// A run, a lane's tip or a reader still needs its commit.
    InUse,
    /// It is one of the newest of its branch.
    Newest,
    /// It is younger than retention asks for.
    Young,
}

/// What retention drops and what it keeps.
///
/// # Invariants
/// I1: nothing in `drop` is in use, younger than `keep_for`, or one of the newest `keep_at_least` of its branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// What may go, in the order of the names.
    pub drop: Vec<SnapshotDrop>,
    /// What stays, with the first reason that holds, in the order of the names.
    pub keep: Vec<(SnapshotName, KeepReason)>,
}

/// Plans what retention drops, given all snapshots that exist, the commits in use and the time.
///
/// A snapshot that is named twice counts once, with its later time. One made in the future is young.
pub fn plan_prune(
    seen: &[SnapshotSeen],
    in_use: &BTreeSet<CommitId>,
    retention: &Retention,
    now: Timestamp,
) -> PrunePlan {
    let mut plan = PrunePlan::default();
    for branch in by_branch(seen).into_values() {
        let mut newest_first: Vec<(Timestamp, &SnapshotName)> =
            branch.into_iter().map(|(name, at)| (at, name)).collect();
        newest_first.sort_by(|a, b| b.cmp(a));
        for (rank, (made_at, name)) in newest_first.into_iter().enumerate() {
            let reason = if in_use.contains(&name.commit) {
                Some(KeepReason::InUse)
            } else if u32::try_from(rank).is_ok_and(|rank| rank < retention.keep_at_least) {
                Some(KeepReason::Newest)
            } else if is_young(made_at, retention.keep_for, now) {
                Some(KeepReason::Young)
            } else {
                None
            };
            match reason {
                Some(reason) => plan.keep.push((name.clone(), reason)),
                None => plan.drop.push(SnapshotDrop { name: name.clone(), expected: name.commit }),
            }
        }
    }
    plan.drop.sort();
    plan.keep.sort();
    plan
}

type Branch<'a> = (&'a RefPrefix, &'a GroupName, &'a BranchName);

fn by_branch(seen: &[SnapshotSeen]) -> BTreeMap<Branch<'_>, BTreeMap<&SnapshotName, Timestamp>> {
    let mut branches: BTreeMap<Branch<'_>, BTreeMap<&SnapshotName, Timestamp>> = BTreeMap::new();
    for SnapshotSeen { name, made_at } in seen {
        let branch = branches.entry((&name.prefix, &name.group, &name.branch)).or_default();
        let at = branch.entry(name).or_insert(*made_at);
        *at = (*at).max(*made_at);
    }
    branches
}

/// An age that cannot be told, because the snapshot is of the future, is a young one.
fn is_young(made_at: Timestamp, keep_for: Duration, now: Timestamp) -> bool {
    match Duration::try_from(now.duration_since(made_at)) {
        Ok(age) => age < keep_for,
        Err(_) => true,
    }
}
