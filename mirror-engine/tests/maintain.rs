//! `maintain` from the verb to the disk: under the lock, in the journal, told by a report, and without a cache where there is none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::config;
use mirror_core::name::BranchName;
use mirror_core::operation::{Holder, Mode, Verb, WaitForTurn};
use mirror_core::report::history::HistoryState;
use mirror_core::report::maintain::{MaintainReport, TaskOutcome, UpkeepTask};
use mirror_core::report::{ExitCode, Reported};
use mirror_engine::drive::Terms;
use mirror_engine::lock;
use mirror_engine::node::{Base, LocalNode};
use mirror_engine::stop::Stop;
use mirror_engine::verbs;
use mirror_engine::watch::Silent;
use mirror_store::Cache;

/// A node with two lanes of one repository. No key is there, and none is needed.
fn node(folder: &Path) -> LocalNode {
    let text = "
apiVersion: git-mirror/v1
kind: MirrorConfig
repositories: { app: { upstream: 'git@github.com:octo/app.git' } }
nodes:
  here:
    cache: ./caches
    githubTransport: { identity: { file: ./no-key } }
    lanes:
      main: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
      next: { repository: app, source: { branch: v2, snapshotGroup: app }, gitops: { branch: v2-gitops } }
";
    let config = config::parse("git-mirror.yaml", text).unwrap();
    let base = Base { folder: folder.to_owned(), home: None, agent: None };
    LocalNode::resolve(&config, &base, "here").unwrap()
}

fn git(cache: &Path, args: &[&str]) -> String {
    let ran = Command::new("git")
        .args(args)
        .current_dir(cache)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "C"), ("GIT_COMMITTER_EMAIL", "c@example.org")])
        .output()
        .unwrap();
    assert!(ran.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// Makes the cache, with some packs of a commit each.
fn fill(cache: &Path) {
    std::fs::create_dir_all(cache.parent().unwrap()).unwrap();
    Cache::create(cache, &BranchName::parse("main").unwrap()).unwrap();
    let tree = git(cache, &["mktree"]);
    let mut tip: Option<String> = None;
    for number in 0..4 {
        let message = format!("{number}");
        let parent: Vec<&str> = tip.iter().flat_map(|tip| ["-p", tip.as_str()]).collect();
        tip = Some(git(cache, &[&["commit-tree", &tree, "-m", &message], parent.as_slice()].concat()));
        git(cache, &["update-ref", "refs/heads/main", tip.as_deref().unwrap()]);
        git(cache, &["repack", "-d", "-q"]);
    }
}

fn terms(mode: Mode, stop: Stop) -> Terms {
    Terms { mode, wait: WaitForTurn::No, watch: Arc::new(Silent), stop }
}

async fn maintain(node: &LocalNode, mode: Mode) -> MaintainReport {
    verbs::maintain(node, &node.lanes::<&str>(&[]).unwrap(), &terms(mode, Stop::new())).await
}

fn packs(cache: &Path) -> usize {
    let entries = std::fs::read_dir(cache.join("objects/pack")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "pack")).count()
}

#[tokio::test]
async fn a_cache_that_was_never_made_stays_unmade() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    for mode in [Mode::DryRun, Mode::Confirm] {
        let report = maintain(&node, mode).await;
        assert!(report.ok() && report.next().is_empty());
        assert!(report.lanes.iter().all(|lane| lane.word() == "no-cache"));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_done_and_told_to_each_lane_and_to_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    let cache = folder.path().join("caches/app.git");
    fill(&cache);
    let planned = maintain(&node, Mode::DryRun).await;
    assert!(planned.ok());
    assert_eq!(planned.lanes.iter().map(|lane| lane.word()).collect::<Vec<_>>(), ["planned", "planned"]);
    let [next] = planned.next() else { panic!("both lanes tell the same upkeep: {:?}", planned.next()) };
    assert!(next.to_string().ends_with("maintain --node here --lane main --confirm"));
    assert!(verbs::history(&node, &node.lanes::<&str>(&[]).unwrap(), 9).lanes[0].entries.is_empty());

    let report = maintain(&node, Mode::Confirm).await;
    assert!(report.ok() && report.faults().is_empty(), "{:?}", report.faults());
    let [main, next] = report.lanes.as_slice() else { panic!("two lanes") };
    assert_eq!((main.word(), &main.upkeep), ("maintained", &next.upkeep));
    let upkeep = main.upkeep.as_ref().unwrap();
    let rolled = upkeep.steps.iter().find(|step| step.task == UpkeepTask::RollUp).unwrap();
    assert_eq!((rolled.outcome, rolled.items), (TaskOutcome::Done, 4));
    let after = upkeep.after.as_ref().unwrap();
    assert_eq!((after.packs, after.superseded_packs, packs(&cache)), (1, 4, 5));
    git(&cache, &["fsck", "--strict"]);

    let history = verbs::history(&node, &node.lanes::<&str>(&[]).unwrap(), 9);
    let entry = &history.lanes[1].entries[0];
    assert_eq!((entry.verb.as_str(), entry.state), ("maintain", HistoryState::Ok));
    assert_eq!(entry.outcomes["next"], "maintained");
    assert_eq!(maintain(&node, Mode::Confirm).await.lanes[0].word(), "nothing-to-do");
    assert_eq!(std::fs::read_dir(cache.join("git-mirror/op")).unwrap().count(), 0);
}

#[tokio::test]
async fn i6_maintenance_is_busy_behind_another_operation_and_a_dry_run_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    let cache = folder.path().join("caches/app.git");
    fill(&cache);
    let holder = Holder {
        operation: "sync-1".to_owned(),
        verb: Verb::Sync.into(),
        pid: 1,
        host: "here".to_owned(),
        since: Timestamp::UNIX_EPOCH,
    };
    let held = lock::try_acquire(&cache.join("git-mirror").join(lock::FILE_NAME), &holder).unwrap();
    let busy = maintain(&node, Mode::Confirm).await;
    assert_eq!((busy.exit(), packs(&cache)), (ExitCode::Busy, 4));
    assert!(maintain(&node, Mode::DryRun).await.ok());
    drop(held);
    assert!(maintain(&node, Mode::Confirm).await.ok());
}

#[tokio::test]
async fn i7_a_maintenance_that_is_abandoned_is_taken_up_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    let cache = folder.path().join("caches/app.git");
    fill(&cache);
    // Whoever waits goes away; the lock goes with the work.
    let lanes = node.lanes::<&str>(&[]).unwrap();
    let terms = terms(Mode::Confirm, Stop::new());
    let abandoned = tokio::time::timeout(Duration::from_millis(1), verbs::maintain(&node, &lanes, &terms)).await;
    let report =
        verbs::maintain(&node, &lanes, &Terms { wait: WaitForTurn::UpTo(Duration::from_secs(600)), ..terms }).await;
    assert!(report.ok(), "{abandoned:?} {:?}", report.faults());
    git(&cache, &["fsck", "--strict"]);
    assert_eq!(git(&cache, &["rev-list", "--count", "refs/heads/main"]), "4");
}
