//! The text of every report in its notable states.

use std::collections::BTreeMap;

use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::flush::{PartialSuccess, PushOutcome, PushRecord, Recheck, Rejection, RejectionClass};
use mirror_core::name::{BranchName, CommitId, LaneName, NodeName, RefName, RefPrefix, RepositoryName};
use mirror_core::report::doctor::{DoctorStep, LaneDoctor, RoadStep};
use mirror_core::report::flush::{FlushWord, LaneFlush};
use mirror_core::report::history::{HistoryEntry, HistoryState, LaneHistory};
use mirror_core::report::maintain::{LaneMaintain, StoreFacts, TaskOutcome, Upkeep, UpkeepStep, UpkeepTask};
use mirror_core::report::resolve::{LaneResolve, Resolution, ResolveOutcome};
use mirror_core::report::snapshots::{DroppedSnapshot, KeptSnapshot, LanePrune, LaneSnapshots};
use mirror_core::report::status::{LaneStatus, OperationSummary, SnapshotValue, TransportMode, TransportView};
use mirror_core::report::sync::{LaneSync, RefLine, SnapshotLine};
use mirror_core::report::token::{ShownToken, TokenEntry, TokenListReport, TokenNewReport, TokenRevokeReport};
use mirror_core::report::{Holder, Mode, Report};
use mirror_core::snapshot::{KeepReason, PrunePlan, SnapshotName, SnapshotSeen};
use mirror_core::status::{BranchFacts, LaneFacts, ObservedTip, Origin, derive};
use mirror_core::sync::{RefChange, RefKind, RefOutcome, Relation, SnapshotOutcome};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_760_000_000).unwrap()
}

fn before(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 - seconds).unwrap()
}

fn commit(digit: char) -> CommitId {
    CommitId::from_hex(&digit.to_string().repeat(40)).unwrap()
}

fn branch_name(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn lane_name(name: &str) -> LaneName {
    LaneName::parse(name).unwrap()
}

fn repository() -> RepositoryName {
    RepositoryName::parse("hwlab").unwrap()
}

fn node() -> NodeName {
    NodeName::parse("D601").unwrap()
}

fn snapshot_name(branch: &str, digit: char) -> SnapshotName {
    let name = format!("refs/unidesk/snapshots/hwlab-node-runtime/{branch}/{}", commit(digit));
    SnapshotName::parse(&RefPrefix::parse("refs/unidesk/snapshots").unwrap(), &RefName::parse(&name).unwrap()).unwrap()
}

fn road() -> TransportView {
    TransportView {
        mode: TransportMode::Ssh,
        endpoint: "ssh://git@ssh.github.com:443".to_owned(),
        proxy: Some("http://172.26.0.1:10808".to_owned()),
    }
}

fn fault() -> Fault {
    Fault {
        code: "mirror::tunnel::proxy_auth".to_owned(),
        message: "proxy 172.26.0.1:10808 refused the tunnel to ssh.github.com:443: 407".to_owned(),
        causes: vec!["Proxy Authentication Required\u{1b}[31m".to_owned()],
        place: None,
        help: Some("set githubTransport.proxyCredentials for node D601".to_owned()),
        class: FaultClass::Upstream,
        retry: Retry::Never,
    }
}

/// The text as it stands in a file: brief, then with `-v`.
fn texts<R: Shown>(report: &R) -> String {
    let text = |detail| render(report, Look::PLAIN, &View { detail, now: now() });
    let (brief, full) = (text(Detail::Brief), text(Detail::Full));
    if brief == full { brief } else { format!("{brief}\n---- with -v ----\n{full}") }
}

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
        gitops: branch("v0.3-gitops"),
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
    insta::assert_snapshot!(texts(&status(vec![facts("v03"), facts("v02"), looked])));
}

#[test]
fn status_with_findings_and_a_running_operation() {
    let mut pending = facts("pending");
    pending.gitops.local = Some(commit('2'));
    pending.gitops_relation = Some(Relation::LocalAhead { ahead: 2 });
    pending.running = Some(Holder {
        operation: "8".to_owned(),
        verb: "flush".to_owned(),
        pid: 4711,
        host: "node-a".to_owned(),
        since: before(5),
    });
    let mut diverged = facts("diverged");
    diverged.gitops.local = Some(commit('2'));
    diverged.gitops_relation = Some(Relation::Diverged { merge_base: Some(commit('a')), ahead: 2, behind: 3 });
    let mut behind = facts("behind");
    behind.gitops.staged = Some(commit('3'));
    behind.gitops.observed = Some(ObservedTip { commit: Some(commit('3')), observed_at: before(7200) });
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
    fresh.gitops = BranchFacts::unread(&branch_name("v0.3-gitops"));
    fresh.gitops_relation = None;
    fresh.snapshot = None;
    fresh.last_sync = None;
    let mut broken = facts("broken");
    broken.fault = Some(fault());
    insta::assert_snapshot!(texts(&status(vec![fresh, broken])));
}

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
        place: None,
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

fn resolution(outcome: ResolveOutcome) -> Resolution {
    let rescue = format!("refs/mirror-rescue/v03/20251009T085320Z-{}", commit('1'));
    let adopted = outcome == ResolveOutcome::Adopted;
    Resolution {
        name: RefName::parse("refs/heads/v0.3-gitops").unwrap(),
        before: Some(commit('1')),
        upstream: (outcome != ResolveOutcome::NothingUpstream).then(|| commit('2')),
        after: Some(if adopted { commit('2') } else { commit('1') }),
        rescue: adopted.then(|| RefName::parse(&rescue).unwrap()),
        observed_at: before(1),
        outcome,
    }
}

#[test]
fn resolve_done_and_dry() {
    use ResolveOutcome::*;
    let lane = |name: &str, outcome| LaneResolve::resolved(&lane_name(name), &repository(), resolution(outcome));
    let lanes = || {
        vec![
            lane("adopted", Adopted),
            lane("fine", NothingToResolve),
            lane("gone", NothingUpstream),
            LaneResolve::failed(&lane_name("broken"), &repository(), fault()),
        ]
    };
    let done = texts(&Report::of(node(), lanes()).in_mode(Mode::Confirm));
    let mut dry = lanes();
    dry.push(lane("unknown", NeedsObjects));
    let dry = texts(&Report::of(node(), dry).in_mode(Mode::DryRun));
    insta::assert_snapshot!(format!("{done}\n==== dry run ====\n{dry}"));
}

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

#[test]
fn history_newest_first() {
    let entry = |operation: &str, verb: &str, seconds: i64, state, lanes: &[(&str, &str)]| HistoryEntry {
        operation: operation.to_owned(),
        verb: verb.to_owned(),
        lanes: lanes.iter().map(|(lane, _)| (*lane).to_owned()).collect(),
        started_at: Some(before(seconds)),
        ended_at: matches!(state, HistoryState::Ok | HistoryState::NotOk).then(|| before(seconds - 2)),
        pid: Some(4711),
        host: Some("node-a".to_owned()),
        writer: (verb == "push").then(|| "ci-promoter".to_owned()),
        state,
        outcomes: match state {
            HistoryState::Ok | HistoryState::NotOk => {
                lanes.iter().map(|(lane, outcome)| ((*lane).to_owned(), (*outcome).to_owned())).collect()
            }
            HistoryState::Running | HistoryState::Died => BTreeMap::new(),
        },
        recovered: if operation == "3" { vec!["refs/heads/v0.3.lock".to_owned()] } else { Vec::new() },
        report: None,
    };
    let both: &[(&str, &str)] = &[("v02", "up-to-date"), ("v03", "fast-forwarded")];
    let shared = entry("3", "sync", 600, HistoryState::Ok, both);
    let entries = vec![
        entry("5", "flush", 4, HistoryState::Running, &[("v03", "")]),
        entry("4b", "push", 50, HistoryState::Ok, &[("v03", "pushed")]),
        entry("4", "flush", 60, HistoryState::NotOk, &[("v03", "diverged")]),
        shared.clone(),
        entry("2", "sync", 7200, HistoryState::Died, both),
    ];
    let lane = |name: &str, entries| LaneHistory {
        lane: lane_name(name),
        repository: repository(),
        entries,
        unreadable_lines: 1,
        fault: None,
    };
    let lanes = vec![
        lane("v03", entries),
        lane("v02", vec![shared]),
        LaneHistory::failed(&lane_name("broken"), &repository(), fault()),
    ];
    insta::assert_snapshot!(texts(&Report::of(node(), lanes)));
}

#[test]
fn doctor_open_and_blocked() {
    let step = |step, ms, detail: &str| DoctorStep { step, ok: true, ms, detail: detail.to_owned(), fault: None };
    let good = vec![
        step(RoadStep::Cache, 1, "mirror-cache/hwlab.git"),
        step(RoadStep::Resolve, 3, "172.26.0.1"),
        step(RoadStep::Tcp, 12, "172.26.0.1:10808"),
        step(RoadStep::Connect, 1840, "ssh.github.com:443"),
    ];
    let mut bad = good[..3].to_vec();
    bad.push(DoctorStep { step: RoadStep::Connect, ok: false, ms: 31, detail: String::new(), fault: Some(fault()) });
    let lane = |name: &str, steps| LaneDoctor::walked(&lane_name(name), &repository(), road(), steps);
    let open = texts(&Report::of(node(), vec![lane("v02", good.clone()), lane("v03", good)]));
    let unwalked = LaneDoctor::failed(&lane_name("v04"), &repository(), road(), fault());
    let blocked = texts(&Report::of(node(), vec![lane("v03", bad), unwalked]));
    insta::assert_snapshot!(format!("{open}\n==== blocked ====\n{blocked}"));
}

#[test]
fn a_journal_that_could_not_be_written_is_told_beside_the_lanes() {
    let lanes = vec![synced("v03", RefOutcome::UpToDate, (RefOutcome::UpToDate, None), SnapshotOutcome::Present)];
    let mut full = fault();
    full.message = "cannot write the journal".to_owned();
    full.class = FaultClass::Failed;
    insta::assert_snapshot!(texts(&Report::of(node(), lanes).in_mode(Mode::Confirm).with_fault(Some(full))));
}

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

#[test]
fn tokens_made_listed_and_revoked() {
    let entry = |name: &str, limited: &[&str], expires: Option<i64>| TokenEntry {
        name: name.to_owned(),
        limited_to: (!limited.is_empty()).then(|| limited.iter().map(|lane| lane_name(lane)).collect()),
        created_at: before(3600),
        expires_at: expires.map(before),
        expired: expires.is_some_and(|seconds| seconds >= 0),
    };
    let lanes = [lane_name("v02"), lane_name("v03")];
    let limited = || entry("ci-promoter", &["v03"], Some(-86_400 * 90));
    let token = ShownToken::new("gmt_0123456789abcdefghijABCDEFGHIJ0123456789-_A");
    let made = texts(&TokenNewReport::made(node(), &lanes, token, limited(), "/srv/mirror/tokens.yaml"));
    assert_eq!(made.lines().filter(|line| line.starts_with("gmt_")).count(), 1, "one line to copy:\n{made}");
    let all = vec![limited(), entry("everybody", &[], None), entry("old", &["v02", "v03"], Some(42))];
    let listed = texts(&TokenListReport::listed(node(), lanes.to_vec(), all, "/srv/mirror/tokens.yaml"));
    let revoked = texts(&TokenRevokeReport::revoked(node(), &lanes, limited(), "/srv/mirror/tokens.yaml"));
    insta::assert_snapshot!([made, listed, revoked].join("\n====\n"));
}

#[test]
fn colour_adds_nothing_but_colour() {
    let mut report = status(vec![facts("v03")]);
    mirror_core::report::Reported::add_global_args(&mut report, &["-f".to_owned(), "x.yaml".to_owned()]);
    let mut pending = facts("pending");
    pending.gitops.local = Some(commit('2'));
    pending.gitops_relation = Some(Relation::LocalAhead { ahead: 2 });
    for report in [report, status(vec![pending])] {
        let view = View { detail: Detail::Full, now: now() };
        let plain = render(&report, Look::PLAIN, &view);
        let painted = render(&report, Look { colour: crate::show::Colour::On, ..Look::PLAIN }, &view);
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
