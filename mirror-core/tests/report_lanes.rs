//! What reports say of lanes: the fields that programs read, exit codes, and the commands to run next.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use mirror_core::config;
use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::flush::{
    Effect, FlushMachine, FlushPlan, FlushPolicy, FlushVerdict, Input, PushEnding, Recovery, RejectionClass, Tip,
    decide,
};
use mirror_core::name::{BranchName, CommitId, GroupName, LaneName, NodeName, RefName, RefPrefix, RepositoryName};
use mirror_core::operation::{Holder, Mode, Verb};
use mirror_core::report::flush::{FlushReport, LaneFlush};
use mirror_core::report::resolve::LaneResolve;
use mirror_core::report::status::{LaneStatus, SnapshotValue, StatusReport};
use mirror_core::report::sync::{LaneSync, SyncReport};
use mirror_core::report::{ExitCode, LaneReport, Reported};
use mirror_core::status::{BranchFacts, LaneFacts, ObservedTip, derive};
use mirror_core::sync::{BranchSeen, LaneView, Observation, RefOutcome, Relation, plan_sync};
use serde_json::{Value, json};

const OLD: CommitId = CommitId::from_bytes([1; 20]);
const LOCAL: CommitId = CommitId::from_bytes([2; 20]);
const NEWER: CommitId = CommitId::from_bytes([3; 20]);
const OTHER: CommitId = CommitId::from_bytes([4; 20]);

fn node() -> NodeName {
    NodeName::parse("local").unwrap()
}

fn lane() -> LaneName {
    LaneName::parse("main").unwrap()
}

fn repository() -> RepositoryName {
    RepositoryName::parse("hwlab").unwrap()
}

fn gitops() -> BranchName {
    BranchName::parse("gitops").unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn fault(class: FaultClass) -> Fault {
    Fault { class, retry: Retry::Backoff, ..Fault::interrupted() }
}

fn relation(commit: CommitId) -> Relation {
    match commit {
        LOCAL => Relation::Same,
        OLD => Relation::LocalAhead { ahead: 1 },
        NEWER => Relation::LocalBehind { behind: 1 },
        _ => Relation::Diverged { merge_base: Some(OLD), ahead: 1, behind: 1 },
    }
}

fn tip(commit: Option<CommitId>, second: i64) -> Tip {
    Tip { commit, relation: commit.map(relation), observed_at: at(second) }
}

/// The text that only this program's name and verb open.
fn next(report: &impl Reported) -> Vec<String> {
    report.next().iter().map(|command| command.to_string().replacen("git-mirror ", "", 1)).collect()
}

fn on_lane(verb: &str, rest: &str) -> String {
    format!("{verb} --node local --lane main {rest}")
}

/// A sync of a lane whose branches stand thus.
fn synced(source: BranchSeen, gitops_seen: BranchSeen) -> LaneSync {
    let (source_branch, group) = (BranchName::parse("main").unwrap(), GroupName::parse("app").unwrap());
    let (gitops, prefix) = (gitops(), RefPrefix::parse("refs/mirror/snapshots").unwrap());
    let view = LaneView { source: &source_branch, snapshot_group: &group, gitops: Some(&gitops), prefix: &prefix };
    let plan = plan_sync(&Observation { source, gitops: gitops_seen, snapshot: None }, &view).unwrap();
    LaneSync::synced(&lane(), &repository(), &plan, Vec::new(), at(10))
}

fn seen(local: Option<CommitId>, upstream: Option<CommitId>) -> BranchSeen {
    let relation = local.zip(upstream).map(|(_, upstream)| relation(upstream));
    BranchSeen { upstream, local, staged: None, relation }
}

fn in_sync() -> BranchSeen {
    seen(Some(LOCAL), Some(LOCAL))
}

fn sync_report(lanes: Vec<LaneSync>, mode: Mode) -> SyncReport {
    SyncReport::of(node(), lanes).in_mode(mode)
}

fn without_objects() -> BranchSeen {
    BranchSeen { relation: Some(Relation::NeedsObjects), ..seen(Some(LOCAL), Some(OTHER)) }
}

#[test]
fn sync_names_refs_and_snapshots_as_the_design_does() {
    let report =
        sync_report(vec![synced(seen(Some(LOCAL), Some(NEWER)), seen(Some(LOCAL), Some(OTHER)))], Mode::Confirm);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["schema"], "git-mirror/sync/v1");
    assert_eq!((&json["ok"], &json["node"], &json["dryRun"]), (&json!(false), &json!("local"), &json!(false)));
    let line = &json["lanes"][0];
    assert_eq!(
        line["refs"],
        json!([
            {
                "ref": "refs/heads/main", "kind": "source", "before": LOCAL, "upstream": NEWER, "after": NEWER,
                "outcome": "fast-forwarded", "ahead": 0, "behind": 1
            },
            {
                "ref": "refs/heads/gitops", "kind": "gitops", "before": LOCAL, "upstream": OTHER, "after": LOCAL,
                "outcome": "diverged", "ahead": 1, "behind": 1, "mergeBase": OLD
            },
        ])
    );
    assert_eq!(
        line["snapshots"],
        json!([{ "ref": format!("refs/mirror/snapshots/app/main/{NEWER}"), "commit": NEWER, "outcome": "created" }])
    );
    assert_eq!(line["observedAt"], "1970-01-01T00:00:10Z");
    assert_eq!(line.get("fault"), None);
}

#[test]
fn sync_ends_with_the_code_and_the_next_command_that_its_worst_ref_asks_for() {
    let check = |source, gitops, exit, word: &str, commands: &[String]| {
        let line = synced(source, gitops);
        assert_eq!(line.word(), word);
        assert_eq!(line.ok, exit == ExitCode::Done);
        let report = sync_report(vec![line], Mode::Confirm);
        assert_eq!((report.exit(), report.ok()), (exit, exit == ExitCode::Done));
        assert_eq!(report.ok, report.ok());
        assert_eq!(next(&report), commands);
    };
    let absent = BranchSeen::default();
    let resolve = on_lane("lane resolve", "--adopt-upstream --dry-run");
    let flush = on_lane("flush", "--confirm --wait");
    check(in_sync(), in_sync(), ExitCode::Done, "up-to-date", &[]);
    check(in_sync(), absent, ExitCode::Done, "up-to-date", &[]);
    check(seen(None, Some(LOCAL)), absent, ExitCode::Done, "created", &[]);
    check(seen(Some(LOCAL), Some(OTHER)), in_sync(), ExitCode::Done, "rewound", &[]);
    check(in_sync(), seen(Some(LOCAL), Some(OLD)), ExitCode::Finding, "pending-flush", &[flush]);
    check(in_sync(), seen(Some(LOCAL), Some(OTHER)), ExitCode::Finding, "diverged", &[resolve]);
    check(seen(Some(LOCAL), None), in_sync(), ExitCode::Finding, "gone-upstream", &[]);
}

#[test]
fn a_dry_run_of_sync_offers_the_real_one_and_guesses_nothing() {
    let confirm = on_lane("sync", "--confirm --wait");
    let unknown = synced(without_objects(), in_sync());
    assert_eq!(unknown.word(), "needs-objects");
    let report = sync_report(vec![unknown], Mode::DryRun);
    assert_eq!((report.exit(), next(&report)), (ExitCode::Done, vec![confirm.clone()]));
    assert_eq!(serde_json::to_value(&report).unwrap()["dryRun"], json!(true));

    let moves = synced(seen(None, Some(LOCAL)), in_sync());
    assert_eq!(next(&sync_report(vec![moves], Mode::DryRun)), [confirm]);
}

#[test]
fn i4_a_confirmed_sync_that_could_not_decide_is_not_ok() {
    let line = synced(without_objects(), in_sync()).with_state(derive(&facts(LOCAL, LOCAL)).state);
    let report = sync_report(vec![line], Mode::Confirm);
    assert_eq!((report.ok, report.exit()), (false, ExitCode::Failed));
    assert_eq!(report.faults()[0].code, "mirror::sync::undecided");
    assert_eq!(next(&report), [on_lane("sync", "--confirm --wait")]);
}

#[test]
fn one_failing_lane_never_hides_the_others() {
    let failed = LaneSync::failed(&LaneName::parse("v02").unwrap(), &repository(), fault(FaultClass::Upstream));
    let report = sync_report(vec![failed, synced(in_sync(), in_sync())], Mode::Confirm);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["lanes"][0]["ok"], &json["lanes"][1]["ok"]), (&json!(false), &json!(true)));
    assert_eq!(json["lanes"][0]["fault"]["class"], "upstream");
    assert_eq!(report.exit(), ExitCode::Upstream);
    assert_eq!(next(&report), ["doctor --node local --lane v02", "sync --node local --lane v02 --confirm --wait"]);
}

#[test]
fn the_worst_lane_decides_the_exit_code() {
    let check = |classes: &[FaultClass], expect| {
        let line = |class: &FaultClass| LaneSync::failed(&lane(), &repository(), fault(*class));
        let report = sync_report(classes.iter().map(line).collect(), Mode::Confirm);
        assert_eq!(report.exit(), expect, "{classes:?}");
    };
    use FaultClass::{Busy, Cluster, Failed, Finding, Upstream, Usage};
    check(&[], ExitCode::Done);
    check(&[Finding, Busy], ExitCode::Busy);
    check(&[Busy, Upstream], ExitCode::Upstream);
    check(&[Upstream, Cluster], ExitCode::Cluster);
    check(&[Cluster, Failed], ExitCode::Failed);
    check(&[Failed, Usage], ExitCode::Usage);
    let beside = sync_report(vec![synced(in_sync(), in_sync())], Mode::Confirm).with_fault(Some(fault(Failed)));
    assert_eq!((beside.exit(), beside.ok), (ExitCode::Failed, false));
}

#[test]
fn exit_codes_are_the_documented_numbers() {
    assert_eq!(ExitCode::ALL.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 6]);
    let mut precedence = ExitCode::PRECEDENCE;
    precedence.sort_unstable();
    assert_eq!(precedence, ExitCode::ALL);
}

/// Runs a flush by answers, in order.
fn flushed(answers: &[Result<Option<CommitId>, Fault>], ending: &PushEnding) -> FlushVerdict {
    let plan = FlushPlan { branch: gitops(), local: LOCAL };
    let mut machine = FlushMachine::new(plan, FlushPolicy { observe_attempts: 1, ..FlushPolicy::default() }, 0);
    let mut now = std::time::Duration::ZERO;
    let mut answers = answers.iter().cloned().zip(1..).map(|(answer, second)| answer.map(|commit| tip(commit, second)));
    machine.handle(now, Input::Start);
    while machine.verdict().is_none() {
        match machine.poll_effect() {
            Some(Effect::Look { id }) => machine.handle(now, Input::Looked { id, seen: answers.next().unwrap() }),
            Some(Effect::Push { id, .. }) => machine.handle(now, Input::Pushed { id, ending: ending.clone() }),
            Some(Effect::Recover { id }) => {
                let result = answers.next().unwrap().map(|tip| Recovery { tip, outcome: RefOutcome::UpToDate });
                machine.handle(now, Input::Recovered { id, result });
            }
            None => {
                now = machine.poll_timeout().unwrap();
                machine.handle(now, Input::Tick);
            }
        }
    }
    machine.verdict().cloned().unwrap()
}

fn flush_line(answers: &[Result<Option<CommitId>, Fault>], ending: &PushEnding) -> LaneFlush {
    LaneFlush::ended(&lane(), &repository(), &gitops(), LOCAL, &flushed(answers, ending))
}

fn flush_report(line: LaneFlush, mode: Mode) -> FlushReport {
    FlushReport::of(node(), vec![line]).in_mode(mode)
}

fn lane_json(report: &FlushReport) -> Value {
    serde_json::to_value(report).unwrap()["lanes"][0].clone()
}

#[test]
fn r15_r16_a_recovered_partial_success_reads_as_the_mission_says() {
    let cannot = Fault { retry: Retry::Never, ..fault(FaultClass::Upstream) };
    let line = flush_line(&[Ok(Some(OLD)), Err(cannot.clone()), Ok(Some(LOCAL))], &PushEnding::Accepted);
    let report = flush_report(line, Mode::Confirm);
    let json = lane_json(&report);
    assert_eq!(json["partialSuccess"], "push-succeeded-fetch-failed");
    assert_eq!((&json["partialSuccessRecovered"], &json["ok"]), (&json!(true), &json!(true)));
    assert_eq!(
        json["postPushRecovery"],
        json!({ "ok": true, "outcome": "up-to-date", "tip": LOCAL, "observedAt": "1970-01-01T00:00:03Z" })
    );
    assert_eq!(json["push"], json!({ "outcome": "accepted", "attempts": 1, "expected": OLD, "new": LOCAL }));
    assert_eq!((report.exit(), next(&report)), (ExitCode::Done, vec![]));

    let line = flush_line(&[Ok(Some(OLD)), Err(cannot.clone()), Err(cannot)], &PushEnding::Accepted);
    let report = flush_report(line, Mode::Confirm);
    let json = lane_json(&report);
    assert_eq!(json["partialSuccess"], "push-succeeded-fetch-failed");
    assert_eq!((&json["partialSuccessRecovered"], &json["ok"]), (&json!(false), &json!(false)));
    assert_eq!(json["postPushRecovery"]["ok"], json!(false));
    assert_eq!((report.exit(), next(&report)), (ExitCode::Upstream, vec![on_lane("sync", "--confirm --wait")]));
}

#[test]
fn flush_ends_with_the_code_and_the_next_command_of_its_outcome() {
    let check =
        |answers: &[Option<CommitId>], ending: PushEnding, word: &str, push: &str, exit, commands: &[String]| {
            let answers: Vec<_> = answers.iter().copied().map(Ok).collect();
            let report = flush_report(flush_line(&answers, &ending), Mode::Confirm);
            let json = lane_json(&report);
            assert_eq!((&json["outcome"], &json["push"]["outcome"]), (&json!(word), &json!(push)));
            assert_eq!(json["ok"], json!(exit == ExitCode::Done));
            assert_eq!((report.exit(), next(&report).as_slice()), (exit, commands), "{word}");
        };
    let sync = on_lane("sync", "--confirm --wait");
    let flush = on_lane("flush", "--confirm --wait");
    let resolve = on_lane("lane resolve", "--adopt-upstream --dry-run");
    let rejected = |class| PushEnding::Rejected { class, words: "protected branch hook declined".to_owned() };
    let taken = || PushEnding::Accepted;
    check(&[Some(LOCAL)], taken(), "up-to-date", "not-sent", ExitCode::Done, &[]);
    check(&[Some(OLD), Some(LOCAL)], taken(), "flushed", "accepted", ExitCode::Done, &[]);
    check(&[Some(OLD), Some(NEWER)], taken(), "contained", "accepted", ExitCode::Done, std::slice::from_ref(&sync));
    check(&[Some(NEWER)], taken(), "behind", "not-sent", ExitCode::Finding, &[sync]);
    check(&[Some(OTHER)], taken(), "diverged", "not-sent", ExitCode::Finding, &[resolve]);
    let protected = rejected(RejectionClass::Protected);
    check(&[Some(OLD)], protected, "rejected", "rejected", ExitCode::Failed, std::slice::from_ref(&flush));
    let refused = flush_report(flush_line(&[Ok(Some(OLD))], &rejected(RejectionClass::Protected)), Mode::Confirm);
    assert_eq!(
        lane_json(&refused)["push"]["rejection"],
        json!({ "class": "protected", "words": "protected branch hook declined" })
    );
    let cannot = flush_report(flush_line(&[Err(fault(FaultClass::Upstream))], &taken()), Mode::Confirm);
    assert_eq!(cannot.exit(), ExitCode::Upstream);
    assert_eq!(next(&cannot), [on_lane("doctor", "").trim_end().to_owned(), flush]);
}

#[test]
fn a_dry_run_of_flush_shows_what_would_be_pushed() {
    let line = |commit| {
        let seen = tip(commit, 5);
        LaneFlush::planned(&lane(), &repository(), &gitops(), LOCAL, &seen, decide(LOCAL, &seen))
    };
    let check = |commit, word: &str, exit| {
        let report = flush_report(line(commit), Mode::DryRun);
        assert_eq!((lane_json(&report)["outcome"].as_str(), report.exit()), (Some(word), exit));
        next(&report)
    };
    let flush = vec![on_lane("flush", "--confirm --wait")];
    assert_eq!(check(Some(OLD), "would-push", ExitCode::Done), flush);
    assert_eq!(check(None, "would-push", ExitCode::Done), flush);
    assert_eq!(check(Some(LOCAL), "up-to-date", ExitCode::Done), Vec::<String>::new());
    check(Some(NEWER), "behind", ExitCode::Finding);
    check(Some(OTHER), "diverged", ExitCode::Finding);
}

#[test]
fn a_lane_without_a_gitops_branch_has_nothing_to_flush() {
    let report = flush_report(LaneFlush::nothing(&lane(), &repository(), &gitops()), Mode::Confirm);
    let json = lane_json(&report);
    assert_eq!((&json["outcome"], &json["push"], report.exit()), (&json!("absent"), &Value::Null, ExitCode::Done));
}

#[test]
fn a_lane_that_only_builds_is_flushed_and_resolved_without_doing_anything() {
    for mode in [Mode::DryRun, Mode::Confirm] {
        let line = LaneFlush::no_gitops(&lane(), &repository());
        assert_eq!((line.word(), line.ok, line.name.clone()), ("no-gitops", true, None));
        let report = flush_report(line, mode);
        assert_eq!((report.exit(), report.next.as_slice()), (ExitCode::Done, [].as_slice()));
    }
    let line = LaneResolve::no_gitops(&lane(), &repository());
    assert_eq!((line.word(), line.ok, line.exit()), ("no-gitops", true, ExitCode::Done));
    assert!(line.next(&node(), Some(Mode::Confirm)).is_empty());
}

fn facts(gitops_local: CommitId, gitops_upstream: CommitId) -> LaneFacts {
    let text = "apiVersion: git-mirror/v1\nkind: MirrorConfig\nrepositories:\n  hwlab: { upstream: \"ssh://git@ssh.github.com:443/pikasTech/HWLAB.git\" }\n\
                nodes:\n  local:\n    cache: ./cache\n    githubTransport: { mode: ssh, identity: { file: ./key } }\n    lanes:\n      \
                main: { repository: hwlab, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }\n";
    let config = config::parse("git-mirror.yaml", text).unwrap();
    let node = &config.nodes[&node()];
    let mut facts =
        LaneFacts::unread(&node.lanes[&lane()], &config.repositories[&repository()], &node.transport, at(100));
    let branch = |facts: &BranchFacts, local, upstream| BranchFacts {
        branch: facts.branch.clone(),
        local: Some(local),
        staged: Some(upstream),
        observed: Some(ObservedTip { commit: Some(upstream), observed_at: at(50) }),
    };
    facts.source = branch(&facts.source, OLD, OLD);
    facts.gitops = Some(branch(facts.gitops.as_ref().unwrap(), gitops_local, gitops_upstream));
    facts.gitops_relation = Some(relation(gitops_upstream));
    facts.snapshot = Some(SnapshotValue {
        name: RefName::parse(&format!("refs/mirror/snapshots/app/main/{OLD}")).unwrap(),
        commit: OLD,
    });
    facts
}

#[test]
fn status_ends_with_the_findings_of_its_lanes() {
    let check = |facts: LaneFacts, exit, commands: &[String]| {
        let report = StatusReport::of(node(), vec![derive(&facts)]);
        assert_eq!((report.exit(), next(&report).as_slice()), (exit, commands));
        assert_eq!(serde_json::to_value(&report).unwrap().get("dryRun"), None);
    };
    check(facts(LOCAL, LOCAL), ExitCode::Done, &[]);
    check(facts(LOCAL, OLD), ExitCode::Finding, &[on_lane("flush", "--confirm --wait")]);
    check(facts(LOCAL, NEWER), ExitCode::Finding, &[on_lane("sync", "--confirm --wait")]);
    check(facts(LOCAL, OTHER), ExitCode::Finding, &[on_lane("lane resolve", "--adopt-upstream --dry-run")]);
    let failed = LaneFacts { fault: Some(fault(FaultClass::Failed)), ..facts(LOCAL, LOCAL) };
    check(failed, ExitCode::Failed, &[on_lane("status", "--refresh")]);
}

#[test]
fn i4_a_flush_whose_state_still_shows_commits_pending_is_not_ok() {
    let line = flush_line(&[Ok(Some(OLD)), Ok(Some(LOCAL))], &PushEnding::Accepted);
    assert!(line.ok);
    let pending = line.clone().with_state(derive(&facts(LOCAL, OLD)).state);
    assert!(!pending.ok);
    assert_eq!(pending.exit(), ExitCode::Finding);
    let settled = line.with_state(derive(&facts(LOCAL, LOCAL)).state);
    assert!(settled.ok);
    let json = serde_json::to_value(&settled).unwrap();
    assert_eq!((&json["pendingFlush"], &json["githubInSync"]), (&json!(false), &json!(true)));
}

#[test]
fn i4_a_commit_that_was_accepted_while_the_sync_ran_is_told() {
    let check = |local, upstream, code, command: &str| {
        let report = sync_report(
            vec![synced(in_sync(), in_sync()).with_state(derive(&facts(local, upstream)).state)],
            Mode::Confirm,
        );
        assert_eq!((report.ok(), report.exit()), (code == ExitCode::Done, code));
        assert_eq!(next(&report).join(" "), command);
    };
    check(LOCAL, LOCAL, ExitCode::Done, "");
    check(LOCAL, OLD, ExitCode::Finding, &on_lane("flush", "--confirm --wait"));
    check(LOCAL, OTHER, ExitCode::Finding, &on_lane("lane resolve", "--adopt-upstream --dry-run"));
}

#[test]
fn a_busy_cache_names_its_holder() {
    let holder = Holder {
        operation: "01a".to_owned(),
        verb: Verb::Flush.into(),
        pid: 7,
        host: "d601".to_owned(),
        since: at(90),
    };
    let mut facts = facts(LOCAL, LOCAL);
    facts.running = Some(holder);
    let line = LaneSync::failed(&lane(), &repository(), fault(FaultClass::Busy)).with_state(derive(&facts).state);
    let report = sync_report(vec![line], Mode::Confirm);
    assert_eq!(report.exit(), ExitCode::Busy);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["lanes"][0]["running"],
        json!({ "operation": "01a", "verb": "flush", "pid": 7, "host": "d601", "since": "1970-01-01T00:01:30Z" })
    );
    assert_eq!(next(&report), [on_lane("sync", "--confirm --wait")]);
}

#[test]
fn reports_survive_their_json() {
    let busy = LaneSync::failed(&lane(), &repository(), fault(FaultClass::Busy));
    let report = sync_report(
        vec![busy, synced(in_sync(), in_sync()).with_state(derive(&facts(LOCAL, LOCAL)).state)],
        Mode::Confirm,
    );
    let text = serde_json::to_string(&report).unwrap();
    let read: SyncReport = serde_json::from_str(&text).unwrap();
    assert_eq!((&read, read.exit()), (&report, report.exit()));

    let line = flush_line(&[Ok(Some(OLD)), Ok(Some(LOCAL))], &PushEnding::Accepted);
    let report = flush_report(line, Mode::Confirm);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<FlushReport>(&text).unwrap(), report);

    let status: LaneStatus = derive(&facts(LOCAL, OLD));
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<LaneStatus>(&text).unwrap(), status);
}

#[test]
fn global_arguments_reach_every_next_command() {
    let mut report = sync_report(vec![synced(in_sync(), seen(Some(LOCAL), Some(OLD)))], Mode::Confirm);
    report.add_global_args(&["-f".to_owned(), "my file.yaml".to_owned()]);
    assert_eq!(
        serde_json::to_value(&report).unwrap()["next"],
        json!(["git-mirror -f 'my file.yaml' flush --node local --lane main --confirm --wait"])
    );
}
