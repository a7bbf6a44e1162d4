//! What became of each push.

use mirror_core::flush::{PartialSuccess, PushOutcome, PushRecord, Recheck, Rejection, RejectionClass};
use mirror_core::report::flush::{FlushWord, LaneFlush};

use super::*;

fn flush(lane: &str, outcome: FlushWord) -> LaneFlush {
    let mut line = LaneFlush::nothing(&lane_name(lane), &repository(), &branch_name("v0.3-gitops"));
    line.outcome = outcome;
    line.local = Some(commit('2'));
    line.upstream = Some(match outcome {
        FlushWord::WouldPush | FlushWord::Rejected | FlushWord::NotFlushed => commit('1'),
        FlushWord::Contained | FlushWord::Behind | FlushWord::Diverged | FlushWord::NeedsObjects => commit('3'),
        _ => commit('2'),
    });
    line.observed_at = Some(before(1));
    line
}

fn pushed(mut line: LaneFlush, outcome: PushOutcome, rejection: Option<Rejection>) -> LaneFlush {
    line.push = Some(PushRecord {
        outcome,
        attempts: 1,
        expected: Some(commit('1')),
        new: commit('2'),
        rejection,
        fault: None,
    });
    line
}

#[test]
fn flush_done() {
    let mut flushed = pushed(flush("flushed", FlushWord::Flushed), PushOutcome::Accepted, None);
    flushed.recheck = Some(Recheck {
        looks: 1,
        tip: Some(commit('2')),
        observed_at: Some(before(1)),
        contains_local: true,
        fault: None,
    });
    let mut recovered = pushed(flush("recovered", FlushWord::Recovered), PushOutcome::Accepted, None);
    recovered.partial_success = Some(PartialSuccess::PushSucceededFetchFailed);
    recovered.partial_success_recovered = true;
    let lanes = vec![
        LaneFlush::nothing(&lane_name("absent"), &repository(), &branch_name("v0.3-gitops")),
        LaneFlush::no_gitops(&lane_name("built"), &repository()),
        flush("clean", FlushWord::UpToDate),
        flushed,
        pushed(flush("contained", FlushWord::Contained), PushOutcome::Accepted, None),
        recovered,
    ];
    insta::assert_snapshot!(texts(&Report::of(node(), lanes).in_mode(Mode::Confirm)));
}

#[test]
fn flush_not_done() {
    let rejection = Rejection {
        class: RejectionClass::Protected,
        words: "GH006: Protected branch update failed\nfor refs/heads/v0.3-gitops.".to_owned(),
    };
    let rejected = pushed(flush("rejected", FlushWord::Rejected), PushOutcome::Rejected, Some(rejection));
    let mut rejected = rejected.with_fault(Fault {
        code: "mirror::flush::rejected".to_owned(),
        message: "upstream refused the push".to_owned(),
        causes: Vec::new(),
        location: None,
        help: Some("allow this key to push to v0.3-gitops in the branch protection of upstream".to_owned()),
        class: FaultClass::Failed,
        retry: Retry::Never,
    });
    rejected.ok = false;
    let mut unproved = pushed(flush("unproved", FlushWord::Unproved), PushOutcome::Accepted, None).with_fault(fault());
    unproved.partial_success = Some(PartialSuccess::PushSucceededFetchFailed);
    let lanes = vec![
        flush("behind", FlushWord::Behind),
        flush("diverged", FlushWord::Diverged),
        rejected,
        LaneFlush::failed(&lane_name("broken"), &repository(), fault()),
        unproved,
        pushed(flush("unknown", FlushWord::Unknown), PushOutcome::Unknown, None).with_fault(fault()),
    ];
    insta::assert_snapshot!(texts(&Report::of(node(), lanes).in_mode(Mode::Confirm)));
}

#[test]
fn flush_dry_run_says_would() {
    let lanes = vec![
        flush("one", FlushWord::WouldPush),
        flush("two", FlushWord::NeedsObjects),
        flush("three", FlushWord::UpToDate),
    ];
    insta::assert_snapshot!(texts(&Report::of(node(), lanes).in_mode(Mode::DryRun)));
}
