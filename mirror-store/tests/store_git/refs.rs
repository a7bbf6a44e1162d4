//! Looking refs up where git has written them.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use mirror_store::RefError;

use crate::sandbox::{Sandbox, create, id, name};

#[test]
fn refs_that_git_wrote_are_found_loose_and_packed() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 3);
    let operation = cache.begin("test").unwrap();
    sandbox.bring(&operation, &commits, &[]).unwrap();
    let git = |args: &[&str]| sandbox.git(cache.path(), args);
    for (number, commit) in commits.iter().enumerate() {
        git(&["update-ref", &format!("refs/heads/feature/{number}"), &commit.to_string()]);
    }
    git(&["tag", "-a", "-m", "t", "v1", &commits[0].to_string()]);
    let tag = id(&git(&["rev-parse", "refs/tags/v1"]));
    for is_packed in [false, true] {
        if is_packed {
            git(&["pack-refs", "--all", "--prune"]);
            assert!(!cache.path().join("refs/tags/v1").exists());
        }
        for (number, commit) in commits.iter().enumerate() {
            assert_eq!(cache.find(&name(&format!("refs/heads/feature/{number}"))).unwrap(), Some(*commit));
        }
        assert_eq!(cache.find(&name("refs/tags/v1")).unwrap(), Some(tag));
        for absent in ["refs/heads/feature", "refs/heads/feature/0/x", "refs/heads/zzz", "refs/aaa"] {
            assert_eq!(cache.find(&name(absent)).unwrap(), None, "{absent}");
        }
    }
    // A loose ref hides the packed one, and a replaced file of packed refs is noticed.
    git(&["update-ref", "refs/heads/feature/0", &commits[2].to_string()]);
    assert_eq!(cache.find(&name("refs/heads/feature/0")).unwrap(), Some(commits[2]));
    git(&["pack-refs", "--all", "--prune"]);
    assert_eq!(cache.find(&name("refs/heads/feature/0")).unwrap(), Some(commits[2]));
}

#[test]
fn refs_that_hold_no_value_say_so() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    fs::write(cache.path().join("refs/heads/symbolic"), "ref: refs/heads/main\n").unwrap();
    fs::write(cache.path().join("refs/heads/empty"), "").unwrap();
    fs::write(cache.path().join("refs/heads/long"), "1".repeat(300)).unwrap();
    assert!(matches!(cache.find(&name("refs/heads/symbolic")), Err(RefError::Symbolic { .. })));
    for malformed in ["refs/heads/empty", "refs/heads/long"] {
        assert!(matches!(cache.find(&name(malformed)), Err(RefError::MalformedLoose { .. })), "{malformed}");
    }
    fs::write(cache.path().join("packed-refs"), "# pack-refs with: peeled fully-peeled sorted \nnonsense\n").unwrap();
    assert!(matches!(cache.find(&name("refs/heads/nonsense")), Err(RefError::MalformedPacked { .. })));
}

/// The best of some rounds of looking up one branch, one snapshot, and one snapshot that is not there.
fn lookups(snapshots: usize) -> Duration {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commit = sandbox.commits("main", 1)[0];
    let operation = cache.begin("test").unwrap();
    sandbox.bring(&operation, &[commit], &[]).unwrap();
    operation.apply(&[create("refs/heads/main", commit)]).unwrap();
    let snapshot = |number: usize| format!("refs/mirror/snapshots/app/main/{number:040x}");
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 1..=snapshots {
        writeln!(packed, "{commit} {}", snapshot(number)).unwrap();
    }
    fs::write(cache.path().join("packed-refs"), packed).unwrap();
    let names = [name("refs/heads/main"), name(&snapshot(snapshots / 2)), name(&snapshot(snapshots + 1))];
    let round = || {
        let start = Instant::now();
        for _ in 0..200 {
            let found = names.each_ref().map(|name| cache.find(name).unwrap());
            assert_eq!(found, [Some(commit), Some(commit), None]);
        }
        start.elapsed()
    };
    (0..5).map(|_| round()).min().unwrap()
}

#[test]
fn a_lookup_costs_the_same_beside_a_hundred_thousand_snapshots() {
    // A listing, or a scan of the file, would be a thousand times dearer; the factor leaves room for a busy machine.
    let (few, many) = (lookups(100), lookups(100_000));
    assert!(many < few * 10, "{few:?} with 100, {many:?} with 100,000");
}
