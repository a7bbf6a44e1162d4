//! Snapshots, listed and pruned.

use mirror_core::report::snapshots::{DroppedSnapshot, KeptSnapshot, LanePrune, LaneSnapshots};
use mirror_core::snapshot::{KeepReason, PrunePlan, SnapshotSeen};

use super::*;

#[test]
fn snapshots_listed_and_pruned() {
    let seen = |digit, seconds| SnapshotSeen { name: snapshot_name("v0.3", digit), made_at: before(seconds) };
    let lanes = vec![
        LaneSnapshots::listed(&lane_name("v03"), &repository(), &[seen('1', 86_400 * 3), seen('2', 42)]),
        LaneSnapshots::listed(&lane_name("v02"), &repository(), &[]),
        LaneSnapshots::failed(&lane_name("broken"), &repository(), fault()),
    ];
    let listed = texts(&Report::of(node(), lanes));
    let mut pruned = LanePrune::pruned(&lane_name("v03"), &repository(), &PrunePlan::default());
    pruned.dropped = vec![DroppedSnapshot { name: snapshot_name("v0.3", '3').ref_name(), commit: commit('3') }];
    pruned.kept = [('1', KeepReason::Newest), ('2', KeepReason::InUse)]
        .map(|(digit, reason)| KeptSnapshot {
            name: snapshot_name("v0.3", digit).ref_name(),
            commit: commit(digit),
            reason,
        })
        .to_vec();
    let lanes = || {
        vec![
            pruned.clone(),
            LanePrune::pruned(&lane_name("v02"), &repository(), &PrunePlan::default()),
            LanePrune::failed(&lane_name("broken"), &repository(), fault()),
        ]
    };
    let dry = texts(&Report::of(node(), lanes()).in_mode(Mode::DryRun));
    let done = texts(&Report::of(node(), lanes()).in_mode(Mode::Confirm));
    insta::assert_snapshot!(format!("{listed}\n==== prune, dry run ====\n{dry}\n==== prune ====\n{done}"));
}
