//! One consistent view of branches and tags, and whether it still holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mirror_core::name::CommitId;
use mirror_store::{Cache, View};

use crate::sandbox::{Sandbox, create, id, name, update};

/// Reads until the view is settled: until the clock of the file system has moved on since the last change.
fn settled(cache: &Cache, mut view: View) -> View {
    while !view.is_current() {
        view = cache.view(Some(&view)).unwrap();
    }
    view
}

fn shown(view: &View) -> Vec<String> {
    let line = |name: &str, value: CommitId, peeled: Option<CommitId>| {
        format!("{value} {name} {}", peeled.map(|peeled| peeled.to_string()).unwrap_or_default())
    };
    view.refs().iter().map(|seen| line(seen.name.as_str(), seen.value, seen.peeled)).collect()
}

/// What git says of the branches and tags.
fn as_git_has_it(sandbox: &Sandbox, cache: &Cache) -> Vec<String> {
    let format = "--format=%(objectname) %(refname) %(*objectname)";
    let refs = sandbox.git(cache.path(), &["for-each-ref", format, "refs/heads", "refs/tags"]);
    // For a tag of a tag git gives the inner tag; a view gives what it is a tag of in the end.
    let peel = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        let peeled = match parts[2] {
            "" => String::new(),
            _ => sandbox.git(cache.path(), &["rev-parse", &format!("{}^{{}}", parts[1])]),
        };
        format!("{} {} {peeled}", parts[0], parts[1])
    };
    refs.lines().map(|line| peel(&format!("{line} "))).collect()
}

fn filled(sandbox: &Sandbox) -> (Cache, Vec<CommitId>) {
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 4);
    let operation = cache.begin("test").unwrap();
    sandbox.bring(&operation, &commits, &[]).unwrap();
    operation.apply(&[create("refs/heads/main", commits[3]), create("refs/heads/feature/deep/x", commits[0])]).unwrap();
    drop(operation);
    let git = |args: &[&str]| sandbox.git(cache.path(), args);
    git(&["tag", "light", &commits[1].to_string()]);
    git(&["tag", "-a", "-m", "t", "v1", &commits[1].to_string()]);
    git(&["tag", "-a", "-m", "t", "of-tag", "v1"]);
    git(&["tag", "-a", "-m", "t", "of-tree", &format!("{}^{{tree}}", commits[0])]);
    (cache, commits)
}

#[test]
fn a_view_is_what_git_lists() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let git = |args: &[&str]| sandbox.git(cache.path(), args);
    let snapshot = format!("refs/mirror/snapshots/app/main/{}", commits[0]);
    git(&["update-ref", &snapshot, &commits[0].to_string()]);
    git(&["update-ref", "refs/mirror-stage/heads/main", &commits[3].to_string()]);
    assert_eq!(shown(&cache.view(None).unwrap()), as_git_has_it(&sandbox, &cache));
    git(&["pack-refs", "--all", "--prune"]);
    assert_eq!(shown(&cache.view(None).unwrap()), as_git_has_it(&sandbox, &cache));
    // Loose refs hide packed ones; new ones stand between them.
    git(&["update-ref", "refs/heads/main", &commits[2].to_string()]);
    git(&["update-ref", "refs/heads/a/b", &commits[2].to_string()]);
    git(&["tag", "-f", "-a", "-m", "again", "v1", &commits[2].to_string()]);
    git(&["tag", "-d", "light"]);
    let view = cache.view(None).unwrap();
    assert_eq!(shown(&view), as_git_has_it(&sandbox, &cache));
    assert!(view.is_whole());
    assert_eq!(view.find("refs/heads/main").map(|seen| seen.value), Some(commits[2]));
    assert_eq!(view.find(&snapshot), None);
    assert_eq!(view.tags().len(), 3);
    // A writer that does not say what its tags peel to.
    git(&["pack-refs", "--all", "--prune"]);
    let packed = fs::read_to_string(cache.path().join("packed-refs")).unwrap();
    let plain: String =
        packed.lines().filter(|line| !line.starts_with(['#', '^'])).fold(String::new(), |all, line| all + line + "\n");
    fs::remove_file(cache.path().join("packed-refs")).unwrap();
    fs::write(cache.path().join("packed-refs"), plain).unwrap();
    assert_eq!(shown(&cache.view(None).unwrap()), as_git_has_it(&sandbox, &cache));
}

#[test]
fn a_settled_view_holds_until_a_ref_changes_anywhere_it_looks() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let git = |args: &[&str]| sandbox.git(cache.path(), args);
    let (old, new) = (commits[0].to_string(), commits[1].to_string());
    let changes: [&[&str]; 9] = [
        &["update-ref", "refs/heads/main", &old],
        &["update-ref", "refs/heads/feature/deep/x", &new],
        &["update-ref", "refs/heads/feature/deep/y", &new],
        &["update-ref", "refs/heads/other/z", &new],
        &["tag", "-f", "light", &new],
        &["pack-refs", "--all", "--no-prune"],
        &["pack-refs", "--all", "--prune"],
        &["update-ref", "-d", "refs/heads/feature/deep/y"],
        &["tag", "-d", "light"],
    ];
    let mut view = cache.view(None).unwrap();
    for change in changes {
        view = settled(&cache, view);
        // What is no branch and no tag matters not.
        fs::write(cache.path().join("refs/mirror-note"), "x").unwrap();
        assert!(view.is_current(), "before {change:?}");
        git(change);
        assert!(!view.is_current(), "after {change:?}");
        view = cache.view(Some(&view)).unwrap();
        assert_eq!(shown(&view), as_git_has_it(&sandbox, &cache), "after {change:?}");
    }
}

#[test]
fn a_view_that_was_read_right_after_a_change_is_not_trusted_twice() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let mut view = settled(&cache, cache.view(None).unwrap());
    // On a busy machine more time may pass between the change and the reading than a step of the clock takes.
    while view.is_current() {
        fs::write(cache.path().join("refs/heads/other"), format!("{}\n", commits[0])).unwrap();
        fs::remove_file(cache.path().join("refs/heads/other")).unwrap();
        view = cache.view(Some(&view)).unwrap();
    }
    assert!(view.is_whole());
    // Such a part is read again even though its stamp did not move.
    fs::write(cache.path().join("refs/heads/main"), format!("{}\n", commits[1])).unwrap();
    let view = cache.view(Some(&view)).unwrap();
    assert_eq!(view.find("refs/heads/main").map(|seen| seen.value), Some(commits[1]));
}

#[test]
fn what_cannot_be_read_is_named_and_hides_nothing_else() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    sandbox.git(cache.path(), &["update-ref", "refs/heads/torn", &commits[0].to_string()]);
    sandbox.git(cache.path(), &["pack-refs", "--all", "--no-prune"]);
    fs::write(cache.path().join("refs/heads/torn"), "").unwrap();
    fs::write(cache.path().join("refs/heads/symbolic"), "ref: refs/heads/main\n").unwrap();
    fs::write(cache.path().join("refs/heads/main.lock"), "").unwrap();
    let view = cache.view(None).unwrap();
    let mut unreadable: Vec<&str> = view.unreadable().iter().map(|name| name.as_str()).collect();
    unreadable.sort_unstable();
    assert_eq!(unreadable, ["refs/heads/symbolic", "refs/heads/torn"]);
    assert_eq!(view.find("refs/heads/torn"), None);
    assert_eq!(view.find("refs/heads/main").map(|seen| seen.value), Some(commits[3]));
    // No folder of branches or tags at all.
    fs::remove_dir_all(cache.path().join("refs/heads")).unwrap();
    fs::remove_dir_all(cache.path().join("refs/tags")).unwrap();
    fs::remove_file(cache.path().join("packed-refs")).unwrap();
    let view = cache.view(Some(&view)).unwrap();
    assert!(view.refs().is_empty() && view.unreadable().is_empty() && view.is_current());
    fs::write(cache.path().join("packed-refs"), "nonsense\n").unwrap();
    assert!(!view.is_current());
    assert!(cache.view(Some(&view)).is_err());
}

#[test]
fn a_packed_tag_that_cannot_be_read_is_named_and_hides_nothing_else() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let broken = "0123456789012345678901234567890123456789";
    fs::create_dir_all(cache.path().join("objects/01")).unwrap();
    fs::write(cache.path().join("objects/01").join(&broken[2..]), "no object").unwrap();
    fs::remove_dir_all(cache.path().join("refs/tags")).unwrap();
    // Written by who did not look at what tags are tags of.
    let good = commits[0];
    let packed = format!("{broken} refs/tags/broken\n{good} refs/tags/good\n{broken} refs/tags/moved\n");
    fs::write(cache.path().join("packed-refs"), packed).unwrap();
    fs::create_dir_all(cache.path().join("refs/tags")).unwrap();
    fs::write(cache.path().join("refs/tags/moved"), format!("{good}\n")).unwrap();
    let view = cache.view(None).unwrap();
    assert_eq!(view.unreadable().iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["refs/tags/broken"]);
    let tags: Vec<_> = view.tags().iter().map(|seen| (seen.name.as_str(), seen.value)).collect();
    assert_eq!(tags, [("refs/tags/good", good), ("refs/tags/moved", good)]);
}

#[test]
fn no_view_shows_a_pair_of_refs_that_never_was() {
    // Two branches move forward one after the other, and are packed now and then: `a` is never behind `b`, and never two ahead.
    let sandbox = Sandbox::new();
    let (cache, _) = filled(&sandbox);
    let commits = sandbox.commits("long", 60);
    let operation = cache.begin("test").unwrap();
    sandbox.bring(&operation, &commits, &[]).unwrap();
    let place: BTreeMap<CommitId, usize> =
        commits.iter().enumerate().map(|(number, commit)| (*commit, number)).collect();
    operation.apply(&[create("refs/heads/a", commits[0]), create("refs/heads/b", commits[0])]).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for pair in commits.windows(2) {
                operation.apply(&[update("refs/heads/a", pair[0], pair[1])]).unwrap();
                operation.apply(&[update("refs/heads/b", pair[0], pair[1])]).unwrap();
                if place[&pair[0]].is_multiple_of(5) {
                    sandbox.git(cache.path(), &["pack-refs", "--all", "--prune"]);
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut view = cache.view(None).unwrap();
        let mut last = 0;
        loop {
            let is_last = is_over.load(Ordering::Relaxed);
            if !view.is_current() {
                view = cache.view(Some(&view)).unwrap();
            }
            let at = |name: &str| place[&view.find(name).unwrap().value];
            let (a, b) = (at("refs/heads/a"), at("refs/heads/b"));
            assert!(a >= last, "a view went back from {last} to {a}");
            if view.is_whole() {
                assert!(a == b || a == b + 1, "a at {a}, b at {b}");
            }
            last = a;
            if is_last {
                assert_eq!((a, b), (59, 59));
                return;
            }
        }
    });
}

#[test]
fn a_run_gives_loose_and_packed_refs_in_order() {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let git = |args: &[&str]| sandbox.git(cache.path(), args);
    let below = |prefix: &str| -> Vec<String> {
        let found = cache.below(prefix).unwrap().map(Result::unwrap);
        found.map(|seen| format!("{} {}", seen.name, seen.value)).collect()
    };
    let mut expect = Vec::new();
    for (number, part) in ["a", "b", "b-c", "b/d", "bb", "c/x/y"].iter().enumerate() {
        let name = format!("refs/mirror/snapshots/{part}/{}", commits[0]);
        git(&["update-ref", &name, &commits[number % 2].to_string()]);
        if number == 2 {
            git(&["pack-refs", "--all", "--prune"]);
        }
        expect.push(format!("{name} {}", commits[number % 2]));
    }
    // One in both places: the loose one counts.
    git(&["update-ref", &format!("refs/mirror/snapshots/b/{}", commits[0]), &commits[3].to_string()]);
    expect[1] = format!("refs/mirror/snapshots/b/{} {}", commits[0], commits[3]);
    expect.sort();
    for prefix in [
        "refs/mirror/",
        "refs/mirror/snapshots/",
        "refs/mirror/snapshots/b",
        "refs/mirror/snapshots/b/",
        "refs/mirror/sn",
        "refs/mirror/x",
    ] {
        let expect: Vec<&String> = expect.iter().filter(|line| line.starts_with(prefix)).collect();
        assert_eq!(below(prefix).iter().collect::<Vec<_>>(), expect, "{prefix}");
    }
    assert_eq!(below(&format!("refs/mirror/snapshots/bb/{}", commits[0])).len(), 1);
    assert_eq!(below("").len(), sandbox.refs(&cache).len());
    assert_eq!(below("re"), below(""));
    // Texts that are no beginnings of ref names lead nowhere.
    for odd in [
        "/",
        "HEAD",
        "refs/mirror/../heads/",
        "refs/../",
        "/etc/",
        "refs/mirror/snapshots//",
        "refs/./heads/",
        "refs/mirror/snapshots/a\0/",
    ] {
        assert_eq!(below(odd), Vec::<String>::new(), "{odd}");
    }
}

/// The best of some rounds of: looking whether a view holds, and reading it anew after a push.
fn costs(snapshots: usize) -> (Duration, Duration) {
    let sandbox = Sandbox::new();
    let (cache, commits) = filled(&sandbox);
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for number in 1..=snapshots {
        writeln!(packed, "{} refs/mirror/snapshots/app/main/{number:040x}", commits[0]).unwrap();
    }
    fs::write(cache.path().join("packed-refs"), packed).unwrap();
    let mut view = settled(&cache, cache.view(None).unwrap());
    let rounds = |round: &mut dyn FnMut()| {
        (0..20)
            .map(|_| {
                let start = Instant::now();
                round();
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    let look = rounds(&mut || assert!(view.is_current()));
    let git = |value: CommitId| {
        fs::write(cache.path().join("refs/heads/main.new"), format!("{value}\n"))
            .and_then(|()| fs::rename(cache.path().join("refs/heads/main.new"), cache.path().join("refs/heads/main")))
            .unwrap()
    };
    let read = rounds(&mut || {
        git(commits[0]);
        view = cache.view(Some(&view)).unwrap();
    });
    assert_eq!(view.find("refs/heads/main").unwrap().value, id(&commits[0].to_string()));
    assert_eq!(name("refs/heads/main"), view.find("refs/heads/main").unwrap().name);
    (look, read)
}

#[test]
fn a_view_costs_the_same_beside_a_hundred_thousand_snapshots() {
    // A listing, or a scan of the file, would be a thousand times dearer; the factor leaves room for a busy machine.
    let (few, many) = (costs(100), costs(100_000));
    assert!(many.0 < few.0 * 10, "looking: {few:?} with 100, {many:?} with 100,000");
    assert!(many.1 < few.1 * 10, "reading: {few:?} with 100, {many:?} with 100,000");
}
