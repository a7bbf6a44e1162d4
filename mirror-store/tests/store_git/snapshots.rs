//! Snapshots: listed with their times, packed when they grow many, dropped by plan.

use std::collections::BTreeSet;
use std::fs;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RefPrefix};
use mirror_core::snapshot::{Retention, SnapshotSeen, plan_prune};
use mirror_core::sync::RefEdit;
use mirror_store::{Cache, Observed, ObservedRef};

use crate::sandbox::{Sandbox, create, id, name};

const PREFIX: &str = "refs/unidesk/snapshots";

fn prefix() -> RefPrefix {
    RefPrefix::parse(PREFIX).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A cache with a snapshot of each of so many commits, made one second after the other.
fn with_snapshots(count: usize) -> (Sandbox, Cache, Vec<CommitId>) {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", count);
    let operation = cache.begin("sync").unwrap();
    sandbox.bring(&operation, &commits, &[]).unwrap();
    let edits: Vec<RefEdit> = commits.iter().map(|id| create(&format!("{PREFIX}/app/main/{id}"), *id)).collect();
    for (second, edit) in edits.iter().enumerate() {
        operation.note_made(&[edit.name().clone()], at(second as i64)).unwrap();
    }
    operation.apply(&edits).unwrap();
    drop(operation);
    (sandbox, cache, commits)
}

#[test]
fn snapshots_are_listed_with_the_time_they_were_made() {
    let (sandbox, cache, commits) = with_snapshots(5);
    sandbox.git(cache.path(), &["update-ref", &format!("{PREFIX}/app/other/{}", commits[0]), &commits[0].to_string()]);
    sandbox.git(cache.path(), &["update-ref", &format!("{PREFIX}/stranger"), &commits[0].to_string()]);
    for is_packed in [false, true] {
        if is_packed {
            sandbox.git(cache.path(), &["pack-refs", "--all", "--prune"]);
        }
        let snapshots = cache.snapshots(&prefix()).unwrap();
        assert_eq!(snapshots.strangers, [name(&format!("{PREFIX}/stranger"))]);
        assert_eq!(snapshots.found.len(), 6);
        for found in &snapshots.found {
            assert_eq!(found.value, found.name.commit);
            let expected = commits.iter().position(|id| *id == found.value).map(|second| at(second as i64));
            let is_ours = found.name.branch.as_str() == "main";
            assert_eq!(found.made_at, expected.filter(|_| is_ours));
        }
    }
}

#[test]
fn a_torn_line_of_the_log_spoils_only_itself() {
    let (_sandbox, cache, commits) = with_snapshots(3);
    let log = cache.path().join("git-mirror/snapshots.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, &text[..text.len() - 20]).unwrap();
    let late = name(&format!("{PREFIX}/app/main/{}", commits[2]));
    cache.begin("sync").unwrap().note_made(&[late], at(100)).unwrap();
    let times: BTreeSet<_> = cache.snapshots(&prefix()).unwrap().found.into_iter().map(|found| found.made_at).collect();
    assert_eq!(times, BTreeSet::from([Some(at(0)), Some(at(1)), Some(at(100))]));
}

#[test]
fn i1_a_snapshot_is_as_young_as_its_latest_line() {
    // A sync died between the line and the ref, or a prune between the ref and the line; the snapshot was made later.
    let (_sandbox, cache, commits) = with_snapshots(2);
    let again = name(&format!("{PREFIX}/app/main/{}", commits[0]));
    cache.begin("sync").unwrap().note_made(&[again], at(1_000)).unwrap();
    let found = cache.snapshots(&prefix()).unwrap().found;
    let made = |commit| found.iter().find(|found| found.value == commit).and_then(|found| found.made_at);
    assert_eq!((made(commits[0]), made(commits[1])), (Some(at(1_000)), Some(at(1))));
}

#[test]
fn many_loose_snapshots_are_packed_and_git_agrees() {
    let (sandbox, cache, commits) = with_snapshots(40);
    let operation = cache.begin("sync").unwrap();
    let before = sandbox.refs(&cache);
    assert_eq!(operation.pack_loose(&prefix(), 40).unwrap(), 0, "not more than that");
    assert_eq!(operation.pack_loose(&prefix(), 39).unwrap(), 40);
    assert_eq!(sandbox.refs(&cache), before);
    assert_eq!(fs::read_dir(cache.path().join(PREFIX).join("app/main")).unwrap().count(), 0);
    for commit in &commits {
        assert_eq!(cache.find(&name(&format!("{PREFIX}/app/main/{commit}"))).unwrap(), Some(*commit));
    }
    // A second time, into a file that has others, an annotated tag among them, before and behind.
    let tag = |at: &str| drop(sandbox.git(cache.path(), &["tag", "-a", "-m", "t", at, &commits[0].to_string()]));
    tag("v1");
    sandbox.git(cache.path(), &["update-ref", "refs/zzz", &commits[0].to_string()]);
    sandbox.git(cache.path(), &["pack-refs", "--all", "--prune"]);
    let more = sandbox.commits("main", 3);
    sandbox.bring(&operation, &more, &commits).unwrap();
    let edits: Vec<RefEdit> = more.iter().map(|id| create(&format!("{PREFIX}/app/main/{id}"), *id)).collect();
    operation.apply(&edits).unwrap();
    let before = sandbox.git(cache.path(), &["show-ref", "-d"]);
    assert_eq!(operation.pack_loose(&prefix(), 2).unwrap(), 3);
    assert_eq!(sandbox.git(cache.path(), &["show-ref", "-d"]), before, "the tag's peeled value included");
    let packed = fs::read_to_string(cache.path().join("packed-refs")).unwrap();
    sandbox.git(cache.path(), &["pack-refs", "--all"]);
    assert_eq!(packed, fs::read_to_string(cache.path().join("packed-refs")).unwrap(), "byte for byte what git writes");
    sandbox.fsck(&cache);
}

#[test]
fn a_file_of_an_old_writer_gets_its_peeled_values() {
    let (sandbox, cache, commits) = with_snapshots(3);
    sandbox.git(cache.path(), &["tag", "-a", "-m", "t", "v1", &commits[0].to_string()]);
    let tag = sandbox.git(cache.path(), &["rev-parse", "refs/tags/v1"]);
    sandbox.git(cache.path(), &["update-ref", "-d", "refs/tags/v1"]);
    fs::write(cache.path().join("packed-refs"), format!("{tag} refs/tags/v1\n{} refs/heads/a\n", commits[1])).unwrap();
    let before = sandbox.git(cache.path(), &["show-ref", "-d"]);
    cache.begin("sync").unwrap().pack_loose(&prefix(), 0).unwrap();
    assert_eq!(sandbox.git(cache.path(), &["show-ref", "-d"]), before);
    let packed = fs::read_to_string(cache.path().join("packed-refs")).unwrap();
    assert!(packed.contains(&format!("{tag} refs/tags/v1\n^{}\n", commits[0])), "{packed}");
    assert_eq!(cache.find(&name("refs/heads/a")).unwrap(), Some(commits[1]));
}

#[test]
fn i1_dropped_snapshots_are_gone_from_everywhere_and_others_stay() {
    let (sandbox, cache, commits) = with_snapshots(10);
    // All packed, and all but three loose as well.
    sandbox.git(cache.path(), &["pack-refs", "--all", "--no-prune"]);
    for commit in &commits[..3] {
        fs::remove_file(cache.path().join(PREFIX).join("app/main").join(commit.to_string())).unwrap();
    }
    let seen: Vec<SnapshotSeen> = cache
        .snapshots(&prefix())
        .unwrap()
        .found
        .into_iter()
        .map(|found| SnapshotSeen { made_at: found.made_at.unwrap(), name: found.name })
        .collect();
    let retention = Retention { keep_at_least: 4, keep_for: std::time::Duration::from_secs(60) };
    let plan = plan_prune(&seen, &BTreeSet::from([commits[1]]), &retention, at(1_000_000));
    assert_eq!(plan.drop.len(), 5);
    let operation = cache.begin("prune").unwrap();
    assert_eq!(operation.drop_refs(&plan.drop).unwrap(), 5);
    assert_eq!(operation.drop_refs(&plan.drop).unwrap(), 0, "and again changes nothing");
    let left: BTreeSet<CommitId> =
        sandbox.refs(&cache).iter().map(|line| id(line.split(' ').nth(1).unwrap())).collect();
    let kept: BTreeSet<CommitId> = commits[6..].iter().chain([&commits[1]]).copied().collect();
    assert_eq!(left, kept);
    let log = fs::read_to_string(cache.path().join("git-mirror/snapshots.log")).unwrap();
    assert_eq!(log.lines().count(), 5, "the log forgets what is gone:\n{log}");
    assert!(cache.snapshots(&prefix()).unwrap().found.iter().all(|found| found.made_at.is_some()));
    sandbox.fsck(&cache);
}

#[test]
fn i1_a_snapshot_that_was_moved_by_a_stranger_is_not_dropped() {
    let (sandbox, cache, commits) = with_snapshots(3);
    let found = cache.snapshots(&prefix()).unwrap().found;
    let seen: Vec<SnapshotSeen> =
        found.into_iter().map(|found| SnapshotSeen { made_at: found.made_at.unwrap(), name: found.name }).collect();
    let retention = Retention { keep_at_least: 0, keep_for: std::time::Duration::ZERO };
    let plan = plan_prune(&seen, &BTreeSet::new(), &retention, at(1_000_000));
    let moved = format!("{PREFIX}/app/main/{}", commits[0]);
    sandbox.git(cache.path(), &["update-ref", &moved, &commits[2].to_string()]);
    let before = sandbox.refs(&cache);
    assert!(cache.begin("prune").unwrap().drop_refs(&plan.drop).is_err());
    assert_eq!(sandbox.refs(&cache), before, "and no other one either");
}

#[test]
fn the_record_of_what_was_observed_comes_back() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    assert_eq!(cache.observed().unwrap(), Observed::default());
    let seen = |commit| ObservedRef { commit, observed_at: at(5) };
    let refs = [(name("refs/heads/main"), seen(Some(id(&"2".repeat(40))))), (name("refs/heads/gone"), seen(None))];
    let observed = Observed { refs: refs.into() };
    cache.begin("sync").unwrap().record_observed(&observed).unwrap();
    assert_eq!(cache.observed().unwrap(), observed);
    let path = cache.path().join("git-mirror/observed.json");
    for malformed in ["", "{", "{\"refs\":{},\"more\":1}", "{\"refs\":{\"nonsense\":{}}}"] {
        fs::write(&path, malformed).unwrap();
        let error = cache.observed().unwrap_err();
        assert!(error.to_string().ends_with("observed.json is malformed"), "{malformed}: {error}");
    }
}
