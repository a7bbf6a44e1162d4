//! What stands where, in sync and not; and that colour changes no word.

use mirror_core::operation::{Holder, Verb};
use mirror_core::report::status::{LaneStatus, OperationSummary, SnapshotValue};
use mirror_core::status::{BranchFacts, LaneFacts, ObservedTip, Origin, derive};
use mirror_core::sync::Relation;

use super::*;

fn facts(lane: &str) -> LaneFacts {
    let branch = |name: &str| BranchFacts {
        branch: branch_name(name),
        local: Some(commit('1')),
        staged: Some(commit('1')),
        observed: Some(ObservedTip { commit: Some(commit('1')), observed_at: before(42) }),
    };
    let snapshot = snapshot_name("v0.3", '1');
    LaneFacts {
        lane: lane_name(lane),
        repository: repository(),
        transport: road(),
        source: branch("v0.3"),
        gitops: Some(branch("v0.3-gitops")),
        origin: Origin::MirrorStage,
        gitops_relation: Some(Relation::Same),
        snapshot: Some(SnapshotValue { name: snapshot.ref_name(), commit: snapshot.commit }),
        last_sync: Some(OperationSummary {
            operation: "7".to_owned(),
            ended_at: before(42),
            ok: true,
            outcome: "up-to-date".to_owned(),
        }),
        last_flush: None,
        running: None,
        drift: Vec::new(),
        sent_at: None,
        now: now(),
        fault: None,
    }
}

fn status(lanes: Vec<LaneFacts>) -> Report<LaneStatus> {
    Report::of(node(), lanes.iter().map(derive).collect())
}

#[test]
fn status_in_sync() {
    let mut looked = facts("v01");
    looked.origin = Origin::Upstream;
    let mut built = facts("v04");
    built.gitops = None;
    insta::assert_snapshot!(texts(&status(vec![facts("v03"), facts("v02"), looked, built])));
}

#[test]
fn status_with_findings_and_a_running_operation() {
    let mut pending = facts("pending");
    pending.gitops.as_mut().unwrap().local = Some(commit('2'));
    pending.gitops_relation = Some(Relation::LocalAhead { ahead: 2 });
    pending.running = Some(Holder {
        operation: "8".to_owned(),
        verb: Verb::Flush.into(),
        pid: 4711,
        host: "node-a".to_owned(),
        since: before(5),
    });
    let mut diverged = facts("diverged");
    diverged.gitops.as_mut().unwrap().local = Some(commit('2'));
    diverged.gitops_relation = Some(Relation::Diverged { merge_base: Some(commit('a')), ahead: 2, behind: 3 });
    let mut behind = facts("behind");
    behind.gitops.as_mut().unwrap().staged = Some(commit('3'));
    behind.gitops.as_mut().unwrap().observed =
        Some(ObservedTip { commit: Some(commit('3')), observed_at: before(7200) });
    behind.gitops_relation = Some(Relation::LocalBehind { behind: 1 });
    let mut gone = facts("gone");
    gone.source.observed = Some(ObservedTip { commit: None, observed_at: before(90) });
    let mut bare = facts("bare");
    bare.snapshot = None;
    insta::assert_snapshot!(texts(&status(vec![facts("good"), pending, diverged, behind, gone, bare])));
}

#[test]
fn status_of_a_lane_that_was_never_synced_and_of_one_that_cannot_be_read() {
    let mut fresh = facts("fresh");
    fresh.source = BranchFacts::unread(&branch_name("v0.3"));
    fresh.gitops = Some(BranchFacts::unread(&branch_name("v0.3-gitops")));
    fresh.gitops_relation = None;
    fresh.snapshot = None;
    fresh.last_sync = None;
    let mut broken = facts("broken");
    broken.fault = Some(fault());
    insta::assert_snapshot!(texts(&status(vec![fresh, broken])));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let mut report = status(vec![facts("v03")]);
    mirror_core::report::Reported::add_global_args(&mut report, &["-f".to_owned(), "x.yaml".to_owned()]);
    let mut pending = facts("pending");
    pending.gitops.as_mut().unwrap().local = Some(commit('2'));
    pending.gitops_relation = Some(Relation::LocalAhead { ahead: 2 });
    for report in [report, status(vec![pending])] {
        let view = View { detail: Detail::Full, now: now() };
        let plain = render(&report, Look::PLAIN, &view);
        let painted = render(&report, Look { colour: crate::output::Colour::On, ..Look::PLAIN }, &view);
        assert_ne!(plain, painted);
        let mut stripped = String::new();
        let mut rest = painted.as_str();
        while let Some(start) = rest.find('\u{1b}') {
            stripped.push_str(&rest[..start]);
            let end = rest[start..].find('m').expect("because every escape ends with m");
            rest = &rest[start + end + 1..];
        }
        stripped.push_str(rest);
        assert_eq!(plain, stripped);
    }
}
