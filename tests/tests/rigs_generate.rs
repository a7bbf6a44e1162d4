//! The generator by itself: the same for the same seed, of the size that was asked for.

use mirror_tests::generate::{History, Shape, snapshots};
use mirror_tests::sandbox::GitSandbox;

#[test]
fn a_seed_determines_the_history() {
    let sandbox = GitSandbox::new();
    let tip = |name: &str, seed: u64| History::new(Shape::small(seed)).write(&sandbox.bare(name), "main", 20);
    let first = tip("first", 7);
    assert_eq!(first, tip("second", 7));
    assert_ne!(first, tip("third", 8));
}

#[test]
fn a_history_continues_where_it_stopped() {
    let sandbox = GitSandbox::new();
    let (whole, parts) = (sandbox.bare("whole"), sandbox.bare("parts"));
    let expected = History::new(Shape::small(1)).write(&whole, "main", 12);
    let mut history = History::new(Shape::small(1));
    history.write(&parts, "main", 5);
    assert_eq!(history.write(&parts, "main", 7), expected);
    assert_eq!(parts.run(["rev-list", "--count", "main"]), "12");
    let changed = parts.run(["diff-tree", "--no-commit-id", "--name-only", "-r", "main"]);
    assert_eq!(changed.lines().count(), 2, "a commit changes as many files as its shape defines");
    parts.fsck();
}

#[test]
fn a_commit_changes_the_given_number_of_files() {
    let sandbox = GitSandbox::new();
    let repository = sandbox.bare("wide");
    let mut history = History::new(Shape::small(1));
    history.write(&repository, "main", 2);
    history.changing(9).write(&repository, "main", 1);
    let changed = repository.run(["diff-tree", "--no-commit-id", "--name-only", "-r", "main"]);
    assert_eq!(changed.lines().count(), 9);
}

#[test]
fn snapshots_are_refs_that_git_accepts() {
    let sandbox = GitSandbox::new();
    let repository = sandbox.bare("cache");
    let tip = History::new(Shape::small(3)).write(&repository, "main", 50);
    repository.run(["tag", "-a", "-m", "a tag", "v1", "main"]);
    let commits = snapshots(&repository, "refs/mirror/snapshots", "app", "main", 30);
    assert_eq!(commits[0], tip);
    let refs = repository.refs_under("refs/mirror/snapshots/");
    assert_eq!(refs.len(), 30);
    for commit in commits {
        assert_eq!(refs[&format!("refs/mirror/snapshots/app/main/{commit}")], commit);
    }
    assert_eq!(repository.rev("refs/tags/v1"), Some(tip), "tags keep their peeled value");
    assert_eq!(repository.branch("main"), Some(tip));
    repository.fsck();
}
