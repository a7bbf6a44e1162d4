//! An upkeep, planned and done.

use mirror_core::report::maintain::{LaneMaintain, StoreFacts, TaskOutcome, Upkeep, UpkeepStep, UpkeepTask};

use super::*;

#[test]
fn maintain_done_and_dry() {
    use TaskOutcome::*;
    let before = StoreFacts {
        packs: 41,
        pack_bytes: 157 << 20,
        packed_objects: 126_000,
        loose_objects: 12,
        loose_refs: 230,
        packed_refs: 1000,
        free_bytes: 100 << 30,
        ..StoreFacts::default()
    };
    let after = StoreFacts {
        packs: 3,
        pack_bytes: 155 << 20,
        superseded_packs: 39,
        superseded_bytes: 9 << 20,
        loose_objects: 0,
        loose_refs: 0,
        packed_refs: 1230,
        commit_graph_at: Some(now()),
        ..before.clone()
    };
    let upkeep = |outcome: TaskOutcome, after: Option<StoreFacts>| Upkeep {
        before: before.clone(),
        steps: vec![
            UpkeepStep::nothing(UpkeepTask::Garbage),
            UpkeepStep::new(UpkeepTask::Superseded, Waiting, 2).with_bytes(3 << 20, 0),
            UpkeepStep::new(UpkeepTask::LooseObjects, outcome, 12).with_bytes(48 << 10, 9 << 10),
            UpkeepStep::new(UpkeepTask::RollUp, outcome, 39).with_bytes(11 << 20, 9 << 20),
            UpkeepStep::new(UpkeepTask::CommitGraph, Skipped, 8000).because("the disk has no room for it"),
            UpkeepStep::new(UpkeepTask::Refs, outcome, 230),
        ],
        after,
    };
    let lanes = |outcome, after: Option<StoreFacts>| {
        let kept = |lane: &str, repository: &str, upkeep| {
            LaneMaintain::kept(&lane_name(lane), &RepositoryName::parse(repository).unwrap(), upkeep)
        };
        let idle = Upkeep {
            before: before.clone(),
            steps: vec![UpkeepStep::nothing(UpkeepTask::Garbage)],
            after: after.clone(),
        };
        vec![
            kept("v02", "hwlab", Some(upkeep(outcome, after.clone()))),
            kept("v03", "hwlab", Some(upkeep(outcome, after))),
            kept("idle", "second", Some(idle)),
            kept("new", "third", None),
            LaneMaintain::failed(&lane_name("broken"), &RepositoryName::parse("fourth").unwrap(), None, fault()),
        ]
    };
    let dry = texts(&Report::of(node(), lanes(Planned, None)).in_mode(Mode::DryRun));
    let done = texts(&Report::of(node(), lanes(Done, Some(after))).in_mode(Mode::Confirm));
    insta::assert_snapshot!(format!("{dry}\n==== confirmed ====\n{done}"));
}
