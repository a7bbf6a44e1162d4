//! States, derived: the design's example, every null, and what may not be claimed.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::name::{BranchName, CommitId, LaneName, RefName, RepositoryName};
use crate::operation::{Holder, Verb};
use crate::report::Finding;
use crate::report::status::{LaneStatus, OperationSummary, SnapshotValue, TransportMode, TransportView};
use crate::sync::Relation;

const SOURCE: CommitId = CommitId::from_bytes([0x11; 20]);
const OLD: CommitId = CommitId::from_bytes([0x22; 20]);
const NEW: CommitId = CommitId::from_bytes([0x33; 20]);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn observed(commit: Option<CommitId>) -> Option<ObservedTip> {
    Some(ObservedTip { commit, observed_at: at(0) })
}

/// A lane that nothing was ever read of.
fn unread() -> LaneFacts {
    let branch = |name| BranchFacts::unread(&BranchName::parse(name).unwrap());
    LaneFacts {
        lane: LaneName::parse("v03").unwrap(),
        repository: RepositoryName::parse("hwlab").unwrap(),
        transport: TransportView {
            mode: TransportMode::Ssh,
            endpoint: "ssh://git@ssh.github.com:443".to_owned(),
            proxy: Some("http://172.26.0.1:10808".to_owned()),
        },
        source: branch("v0.3"),
        gitops: Some(branch("v0.3-gitops")),
        gitops_relation: None,
        snapshot: None,
        last_sync: None,
        last_flush: None,
        running: None,
        drift: Vec::new(),
        origin: Origin::MirrorStage,
        sent_at: None,
        now: at(42),
        fault: None,
    }
}

/// A lane in sync.
fn settled() -> LaneFacts {
    let mut facts = unread();
    facts.source =
        BranchFacts { local: Some(SOURCE), staged: Some(SOURCE), observed: observed(Some(SOURCE)), ..facts.source };
    facts.gitops = Some(BranchFacts {
        local: Some(OLD),
        staged: Some(OLD),
        observed: observed(Some(OLD)),
        ..facts.gitops.unwrap()
    });
    facts.gitops_relation = Some(Relation::Same);
    let name = format!("refs/unidesk/snapshots/hwlab-node-runtime/v0.3/{SOURCE}");
    facts.snapshot = Some(SnapshotValue { name: RefName::parse(&name).unwrap(), commit: SOURCE });
    facts
}

/// A lane in sync but for GitOps commits that were accepted since.
fn pending() -> LaneFacts {
    let mut facts = settled();
    facts.gitops.as_mut().unwrap().local = Some(NEW);
    facts.gitops_relation = Some(Relation::LocalAhead { ahead: 2 });
    facts
}

fn findings(facts: &LaneFacts) -> Vec<Finding> {
    derive(facts).state.findings()
}

#[test]
fn r1_the_lane_object_is_the_one_of_the_design() {
    let mut facts = pending();
    facts.last_sync = Some(OperationSummary {
        operation: "01a".to_owned(),
        ended_at: at(0),
        ok: true,
        outcome: "fast-forwarded".to_owned(),
    });
    facts.running = Some(Holder {
        operation: "01b".to_owned(),
        verb: Verb::Flush.into(),
        pid: 7,
        host: "d601".to_owned(),
        since: at(40),
    });
    let expect = json!({
        "lane": "v03", "repository": "hwlab",
        "transport": { "mode": "ssh", "endpoint": "ssh://git@ssh.github.com:443", "proxy": "http://172.26.0.1:10808" },
        "localSource":  { "ref": "refs/heads/v0.3", "commit": SOURCE },
        "githubSource": { "ref": "refs/mirror-stage/heads/v0.3", "commit": SOURCE },
        "localGitops":  { "ref": "refs/heads/v0.3-gitops", "commit": NEW },
        "githubGitops": { "ref": "refs/mirror-stage/heads/v0.3-gitops", "commit": OLD },
        "ahead": 2, "behind": 0, "diverged": false, "pendingFlush": true, "githubInSync": false,
        "refSources": {
            "githubFieldsAreMirrorStageCache": true,
            "observedAt": "2023-11-14T22:13:20Z", "ageSeconds": 42
        },
        "snapshot": {
            "ref": format!("refs/unidesk/snapshots/hwlab-node-runtime/v0.3/{SOURCE}"), "commit": SOURCE
        },
        "lastSync": { "operation": "01a", "endedAt": "2023-11-14T22:13:20Z", "ok": true, "outcome": "fast-forwarded" },
        "lastFlush": null,
        "running": {
            "operation": "01b", "verb": "flush", "pid": 7, "host": "d601", "since": "2023-11-14T22:14:00Z"
        },
        "drift": []
    });
    let status = derive(&facts);
    assert_eq!(serde_json::to_value(&status).unwrap(), expect);
    assert_eq!(serde_json::from_value::<LaneStatus>(expect).unwrap(), status);
}

#[test]
fn what_is_absent_is_null_and_nothing_is_claimed_of_what_was_never_observed() {
    let state = derive(&unread()).state;
    assert!(!state.github_in_sync);
    let json = serde_json::to_value(&state).unwrap();
    for field in ["snapshot", "lastSync", "lastFlush", "running"] {
        assert_eq!(json[field], json!(null), "{field}");
    }
    for side in ["localSource", "githubSource", "localGitops", "githubGitops"] {
        assert_eq!(json[side]["commit"], json!(null), "{side}");
    }
    assert_eq!((&json["refSources"]["observedAt"], &json["refSources"]["ageSeconds"]), (&json!(null), &json!(null)));
    assert_eq!(findings(&unread()), [Finding::OutOfSync]);
}

#[test]
fn a_lane_in_sync_has_no_findings() {
    let state = derive(&settled()).state;
    assert!(state.github_in_sync && !state.pending_flush && !state.diverged);
    assert_eq!((state.ahead, state.behind), (Some(0), Some(0)));
    assert_eq!(state.findings(), []);
}

#[test]
fn i4_a_lane_whose_source_branch_exists_nowhere_is_not_as_wanted() {
    let mut facts = settled();
    facts.source = BranchFacts { local: None, staged: None, observed: observed(None), ..facts.source };
    facts.snapshot = None;
    assert_eq!(findings(&facts), [Finding::GoneUpstream]);
    // It was seen, and did not come yet.
    facts.source.observed = observed(Some(SOURCE));
    assert_eq!(findings(&facts), [Finding::OutOfSync]);
}

#[test]
fn a_lane_whose_gitops_branch_exists_nowhere_is_in_sync() {
    let mut facts = settled();
    facts.gitops = Some(BranchFacts { local: None, staged: None, observed: observed(None), ..facts.gitops.unwrap() });
    facts.gitops_relation = None;
    let state = derive(&facts).state;
    assert!(state.github_in_sync && !state.pending_flush);
    assert_eq!((state.ahead, state.behind), (Some(0), Some(0)));
}

#[test]
fn a_lane_that_only_builds_speaks_of_its_source_alone() {
    let built = |mut facts: LaneFacts| {
        facts.gitops = None;
        derive(&facts).state
    };
    for facts in [settled(), pending()] {
        let state = built(facts);
        assert!(state.github_in_sync && !state.pending_flush && !state.diverged);
        assert_eq!((&state.local_gitops, &state.github_gitops), (&None, &None));
        assert_eq!((state.ahead, state.behind), (None, None));
        assert_eq!(state.ref_sources.observed_at, settled().source.observed.map(|seen| seen.observed_at));
        assert!(state.findings().is_empty());
    }
    let mut moved = settled();
    moved.source.local = Some(NEW);
    let state = built(moved);
    assert!(!state.github_in_sync && !state.pending_flush);
    assert_eq!(state.findings(), [Finding::OutOfSync]);
    let state = built(unread());
    assert!(!state.github_in_sync && !state.pending_flush);
    assert_eq!(state.findings(), [Finding::OutOfSync]);
}

#[test]
fn relations_become_counts_flags_and_findings() {
    let check = |relation, ahead, behind, diverged, pending, expect: &[Finding]| {
        let mut facts = pending_with(relation);
        facts.gitops.as_mut().unwrap().local = Some(NEW);
        let state = derive(&facts).state;
        assert_eq!((state.ahead, state.behind), (ahead, behind), "{relation:?}");
        assert_eq!((state.diverged, state.pending_flush), (diverged, pending), "{relation:?}");
        assert!(!state.github_in_sync);
        assert_eq!(state.findings(), expect, "{relation:?}");
    };
    check(Some(Relation::LocalAhead { ahead: 2 }), Some(2), Some(0), false, true, &[Finding::PendingFlush]);
    check(Some(Relation::LocalBehind { behind: 3 }), Some(0), Some(3), false, false, &[Finding::OutOfSync]);
    let apart = Relation::Diverged { merge_base: None, ahead: 2, behind: 3 };
    check(Some(apart), Some(2), Some(3), true, true, &[Finding::Diverged]);
    // Where it cannot be told, the commits are pending: upstream is not known to have them.
    check(Some(Relation::NeedsObjects), None, None, false, true, &[Finding::PendingFlush]);
    check(None, None, None, false, true, &[Finding::PendingFlush]);
    check(Some(Relation::Same), None, None, false, true, &[Finding::PendingFlush]);
}

fn pending_with(relation: Option<Relation>) -> LaneFacts {
    LaneFacts { gitops_relation: relation, ..pending() }
}

#[test]
fn a_branch_that_upstream_lost_is_null_although_mirror_stage_remembers_it() {
    let mut facts = settled();
    facts.source.observed = observed(None);
    let state = derive(&facts).state;
    assert_eq!(state.github_source.commit, None);
    assert_eq!(findings(&facts), [Finding::GoneUpstream]);

    let mut facts = settled();
    facts.gitops.as_mut().unwrap().observed = observed(None);
    let state = derive(&facts).state;
    assert_eq!(state.github_gitops.unwrap().commit, None);
    assert!(state.pending_flush && !state.github_in_sync, "upstream no longer has the commits");
}

#[test]
fn i4_nothing_is_claimed_where_a_crash_came_between_the_ref_and_the_record() {
    let mut facts = settled();
    facts.gitops.as_mut().unwrap().observed = observed(Some(NEW));
    let state = derive(&facts).state;
    assert!(state.pending_flush && !state.github_in_sync);
    assert_eq!(state.github_gitops.unwrap().commit, Some(OLD), "the ref is shown");

    let mut facts = settled();
    facts.source.observed = None;
    let state = derive(&facts).state;
    assert!(!state.github_in_sync);
    assert_eq!(state.ref_sources.observed_at, None);
    assert_eq!(state.findings(), [Finding::OutOfSync]);
}

#[test]
fn i4_an_observation_older_than_what_was_sent_proves_nothing() {
    let mut facts = settled();
    facts.sent_at = Some(at(1));
    let state = derive(&facts).state;
    assert!(state.pending_flush && !state.github_in_sync);
    facts.sent_at = Some(at(0));
    let state = derive(&facts).state;
    assert!(!state.pending_flush && state.github_in_sync);
}

#[test]
fn r14_the_age_is_that_of_the_older_look_and_never_negative() {
    let mut facts = settled();
    let earlier = at(0).saturating_sub(Duration::from_secs(100)).unwrap();
    facts.source.observed = Some(ObservedTip { commit: Some(SOURCE), observed_at: earlier });
    assert_eq!(derive(&facts).state.ref_sources.age_seconds, Some(142));
    facts.now = earlier.saturating_sub(Duration::from_secs(5)).unwrap();
    assert_eq!(derive(&facts).state.ref_sources.age_seconds, Some(0));
}

#[test]
fn a_source_tip_without_its_snapshot_is_a_finding() {
    let mut facts = settled();
    facts.snapshot = None;
    assert_eq!(findings(&facts), [Finding::SnapshotMissing]);
}
