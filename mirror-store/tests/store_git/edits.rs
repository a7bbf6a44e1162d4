//! The transaction: all or nothing, in order, honouring and honoured by git's locks.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mirror_core::name::CommitId;
use mirror_core::sync::RefEdit;
use mirror_store::{ApplyError, Cache, Edited, LockError};

use crate::sandbox::{Sandbox, create, id, listing, name, update};

fn with_commits(count: usize) -> (Sandbox, Cache, Vec<CommitId>) {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", count);
    sandbox.bring(&cache.begin("fetch").unwrap(), &commits, &[]).unwrap();
    (sandbox, cache, commits)
}

#[test]
fn edits_are_made_in_order_and_git_sees_them() {
    let (sandbox, cache, commits) = with_commits(2);
    let operation = cache.begin("sync").unwrap();
    let snapshot = format!("refs/unidesk/snapshots/app/v0.3/{}", commits[0]);
    let edits = [
        create(&snapshot, commits[0]),
        create("refs/heads/v0.3", commits[0]),
        create("refs/mirror-stage/heads/v0.3", commits[0]),
    ];
    assert_eq!(operation.apply(&edits).unwrap(), [Edited::Changed; 3]);
    assert_eq!(operation.apply(&edits).unwrap(), [Edited::AlreadyThere; 3], "the same edits again change nothing");
    let moved = operation.apply(&[create(&snapshot, commits[0]), update("refs/heads/v0.3", commits[0], commits[1])]);
    assert_eq!(moved.unwrap(), [Edited::AlreadyThere, Edited::Changed]);
    drop(operation);
    assert_eq!(
        sandbox.refs(&cache),
        [
            format!("refs/heads/v0.3 {}", commits[1]),
            format!("refs/mirror-stage/heads/v0.3 {}", commits[0]),
            format!("{snapshot} {}", commits[0]),
        ]
    );
    sandbox.fsck(&cache);
    assert_eq!(fs::read_dir(cache.path().join("git-mirror/op")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_value_that_is_not_as_expected_changes_nothing() {
    let (sandbox, cache, commits) = with_commits(3);
    let operation = cache.begin("sync").unwrap();
    operation.apply(&[create("refs/heads/a", commits[0]), create("refs/heads/b", commits[0])]).unwrap();
    let before = sandbox.refs(&cache);
    let stale = [
        [update("refs/heads/a", commits[0], commits[1]), update("refs/heads/b", commits[2], commits[1])],
        [update("refs/heads/a", commits[0], commits[1]), update("refs/heads/none", commits[0], commits[1])],
        [update("refs/heads/a", commits[0], commits[1]), create("refs/heads/b", commits[1])],
    ];
    for edits in stale {
        let error = operation.apply(&edits).unwrap_err();
        assert!(matches!(error, ApplyError::Stale { .. }), "{error}");
        assert_eq!(sandbox.refs(&cache), before);
    }
    let error = operation.apply(&[update("refs/heads/b", commits[2], commits[1])]).unwrap_err().to_string();
    let (found, expected) = (commits[0].short(), commits[2].short());
    assert_eq!(error, format!("refs/heads/b is {found}, not {expected} as it was when the operation looked"));
}

#[test]
fn a_lock_of_gits_is_waited_for_and_never_broken() {
    let (sandbox, cache, commits) = with_commits(1);
    let operation = cache.begin("sync").unwrap().with_patience(Duration::from_millis(30));
    let lock = cache.path().join("refs/heads/b.lock");
    fs::write(&lock, "git's").unwrap();
    let edits =
        [create("refs/heads/a", commits[0]), create("refs/heads/b", commits[0]), create("refs/heads/c", commits[0])];
    let error = operation.apply(&edits).unwrap_err();
    assert!(matches!(&error, ApplyError::Lock(LockError::Held { path, .. }) if *path == lock), "{error}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), "git's");
    assert_eq!(sandbox.refs(&cache), [""; 0], "and no other ref was changed");
    let left = listing(&cache.path().join("refs"));
    assert_eq!(left.iter().filter(|line| line.contains(".lock")).count(), 1, "our own locks are gone: {left:?}");
    // Released while we wait, it is ours.
    let operation = cache.begin("sync").unwrap().with_patience(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let applier = scope.spawn(|| operation.apply(&edits));
        // The first lock is held once the second is waited for.
        while !cache.path().join("refs/heads/a.lock").exists() {
            std::thread::yield_now();
        }
        fs::remove_file(&lock).unwrap();
        assert_eq!(applier.join().unwrap().unwrap(), [Edited::Changed; 3]);
    });
}

#[test]
fn names_that_need_each_other_as_folders_conflict() {
    let (sandbox, cache, commits) = with_commits(1);
    let operation = cache.begin("sync").unwrap();
    let one = |at: &str| operation.apply(&[create(at, commits[0])]);
    one("refs/heads/a").unwrap();
    one("refs/heads/dir/b").unwrap();
    for is_packed in [false, true] {
        if is_packed {
            sandbox.git(cache.path(), &["pack-refs", "--all", "--prune"]);
        }
        for (wanted, existing) in [("refs/heads/a/x", "refs/heads/a"), ("refs/heads/dir", "refs/heads/dir/b")] {
            let before = sandbox.refs(&cache);
            let error = one(wanted).unwrap_err();
            match &error {
                ApplyError::NameConflict { existing: found, .. } => assert_eq!(found, existing),
                ApplyError::Lock(LockError::Conflict { name }) => assert_eq!(name.as_str(), wanted),
                _ => panic!("{error}"),
            }
            assert_eq!(sandbox.refs(&cache), before);
        }
    }
    let both =
        operation.apply(&[create("refs/heads/n/o", commits[0]), create("refs/heads/n", commits[0])]).unwrap_err();
    assert!(matches!(both, ApplyError::NameConflict { .. }), "{both}");
    // What stays where a ref was deleted are empty folders, which stand in nobody's way.
    sandbox.git(cache.path(), &["update-ref", "-d", "refs/heads/dir/b"]);
    fs::create_dir_all(cache.path().join("refs/heads/dir/empty/er")).unwrap();
    assert_eq!(one("refs/heads/dir").unwrap(), [Edited::Changed]);
    sandbox.fsck(&cache);
}

#[test]
fn a_value_that_is_not_in_the_store_is_never_written() {
    let (sandbox, cache, commits) = with_commits(1);
    let operation = cache.begin("sync").unwrap();
    let absent = id(&"1".repeat(40));
    let error = operation.apply(&[create("refs/heads/a", commits[0]), create("refs/heads/b", absent)]).unwrap_err();
    assert!(matches!(&error, ApplyError::MissingObject { id, .. } if *id == absent), "{error}");
    let tree = id(&sandbox.git(&sandbox.upstream(), &["rev-parse", "main^{tree}"]));
    let error = operation.apply(&[create("refs/heads/a", tree)]).unwrap_err();
    assert!(matches!(&error, ApplyError::NotACommit { id, .. } if *id == tree), "{error}");
    let error = operation.apply(&[create("refs/heads/a", commits[0]), create("refs/heads/a", commits[0])]).unwrap_err();
    assert!(matches!(error, ApplyError::EditedTwice { .. }), "{error}");
    assert_eq!(sandbox.refs(&cache), [""; 0]);
}

#[test]
fn of_two_appliers_exactly_one_wins_each_round() {
    let (sandbox, cache, commits) = with_commits(9);
    cache
        .begin("first")
        .unwrap()
        .apply(&[create("refs/heads/x", commits[0]), create("refs/heads/y", commits[0])])
        .unwrap();
    for pair in commits.windows(2) {
        let wins = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for order in [["refs/heads/x", "refs/heads/y"], ["refs/heads/y", "refs/heads/x"]] {
                let (cache, wins) = (cache.clone(), &wins);
                scope.spawn(move || {
                    let operation = cache.begin("race").unwrap().with_patience(Duration::from_secs(60));
                    let edits = order.map(|at| update(at, pair[0], pair[1]));
                    let edited = operation.apply(&edits).unwrap();
                    wins.fetch_add(usize::from(edited == [Edited::Changed; 2]), Ordering::Relaxed);
                });
            }
        });
        // The other one found the values there already.
        assert_eq!(wins.into_inner(), 1);
    }
    assert_eq!(sandbox.refs(&cache).len(), 2);
    sandbox.fsck(&cache);
}

#[test]
fn git_and_we_never_both_change_a_ref() {
    let (sandbox, cache, commits) = with_commits(9);
    cache.begin("first").unwrap().apply(&[create("refs/heads/x", commits[0])]).unwrap();
    for pair in commits.windows(2) {
        let (ours, gits) = std::thread::scope(|scope| {
            let ours = scope.spawn(|| {
                let operation = cache.begin("race").unwrap().with_patience(Duration::from_secs(60));
                operation.apply(&[RefEdit::Update { name: name("refs/heads/x"), expected: pair[0], new: pair[1] }])
            });
            let (old, new) = (pair[0].to_string(), pair[1].to_string());
            let gits = sandbox.try_git(cache.path(), &["update-ref", "refs/heads/x", &new, &old], b"");
            (ours.join().unwrap().unwrap(), gits.0)
        });
        assert_eq!(ours == [Edited::Changed], !gits, "one changes it, the other finds it changed");
        assert_eq!(cache.find(&name("refs/heads/x")).unwrap(), Some(pair[1]));
    }
}

#[test]
fn many_refs_go_in_one_transaction() {
    let (sandbox, cache, commits) = with_commits(1);
    let edits: Vec<RefEdit> = (0..300).map(|number| create(&format!("refs/tags/v{number}"), commits[0])).collect();
    let operation = cache.begin("sync").unwrap();
    assert_eq!(operation.apply(&edits).unwrap().len(), 300);
    assert_eq!(sandbox.refs(&cache).len(), 300);
}

#[test]
fn head_follows_the_first_source_branch() {
    let (sandbox, cache, _) = with_commits(1);
    let operation = cache.begin("sync").unwrap();
    operation.point_head(&mirror_core::name::BranchName::parse("release/1").unwrap()).unwrap();
    assert_eq!(sandbox.git(cache.path(), &["symbolic-ref", "HEAD"]), "refs/heads/release/1");
}
