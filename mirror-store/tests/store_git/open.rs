//! Making, opening and refusing.

use std::fs;
use std::path::Path;

use mirror_core::name::BranchName;
use mirror_store::{Cache, OpenError};

use crate::sandbox::{Sandbox, listing};

fn main_branch() -> BranchName {
    BranchName::parse("main").unwrap()
}

#[test]
fn git_accepts_a_new_cache_as_its_own() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    sandbox.fsck(&cache);
    let ask = |args: &[&str]| sandbox.git(cache.path(), args);
    assert_eq!(ask(&["rev-parse", "--is-bare-repository"]), "true");
    assert_eq!(ask(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    for (key, value) in [
        ("core.bare", "true"),
        ("core.logallrefupdates", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("receive.denydeletes", "true"),
        ("receive.denynonfastforwards", "true"),
    ] {
        assert_eq!(ask(&["config", key]), value, "{key}");
    }
    assert_eq!(cache.head().unwrap(), Some(main_branch()));
}

#[test]
fn opening_writes_nothing() {
    let sandbox = Sandbox::new();
    let path = sandbox.cache().path().to_owned();
    let before = listing(&path);
    let cache = Cache::open(&path).unwrap();
    assert_eq!(cache.find(&main_branch().ref_name()).unwrap(), None);
    assert_eq!(cache.observed().unwrap().refs.len(), 0);
    assert_eq!(listing(&path), before);
}

#[test]
fn many_makers_at_once_make_one_cache() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("one.git");
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| Cache::create(&path, &main_branch()).map(|_| ()))).collect();
        for maker in makers {
            maker.join().unwrap().unwrap();
        }
    });
    let left: Vec<_> = fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only upstream.git and one.git: {left:?}");
    assert!(!path.join("making").exists());
    sandbox.fsck(&Cache::open(&path).unwrap());
}

#[test]
fn a_dead_maker_leaves_nothing_and_a_living_one_is_left_alone() {
    let sandbox = Sandbox::new();
    let (dead, living) = (sandbox.path(".cache.git.making-1-0"), sandbox.path(".cache.git.making-2-0"));
    for folder in [&dead, &living] {
        fs::create_dir_all(folder.join("objects")).unwrap();
        fs::write(folder.join("making"), "").unwrap();
    }
    let held = fs::File::open(living.join("making")).unwrap();
    held.lock().unwrap();
    sandbox.cache();
    assert!(!dead.exists() && living.exists());
}

#[test]
fn an_empty_folder_becomes_a_cache() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("cache.git")).unwrap();
    assert!(matches!(Cache::open(&sandbox.path("cache.git")), Err(OpenError::Missing { .. })));
    sandbox.fsck(&sandbox.cache());
}

/// Prepares a path, and checks that it is refused both for reading and for making, by its own error, without a change.
fn check(prepare: impl Fn(&Sandbox, &Path), expect: &str) {
    let sandbox = Sandbox::new();
    let path = sandbox.path("there");
    prepare(&sandbox, &path);
    let before = listing(&sandbox.path(""));
    for answer in [Cache::open(&path), Cache::create(&path, &main_branch())] {
        let error = answer.expect_err(expect);
        assert_eq!(error.to_string().replace(&path.display().to_string(), "PATH"), expect);
        assert!(miette::Diagnostic::help(&error).is_some() && miette::Diagnostic::code(&error).is_some());
    }
    assert_eq!(listing(&sandbox.path("")), before);
}

#[test]
fn what_is_not_a_cache_is_refused_by_its_own_error() {
    let ours = |path: &Path| drop(Cache::create(path, &main_branch()).unwrap());
    check(|_, path| fs::write(path, "x").unwrap(), "PATH is a file");
    check(
        |sandbox, path| drop(sandbox.git(Path::new("/"), &["init", "-q", path.to_str().unwrap()])),
        "PATH is a work tree",
    );
    check(
        |sandbox, path| drop(sandbox.git(Path::new("/"), &["init", "-q", "--bare", path.to_str().unwrap()])),
        "PATH is a bare repository that git-mirror did not make",
    );
    check(
        |_, path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join("notes"), "x").unwrap();
        },
        "PATH holds other files, such as `notes`",
    );
    check(
        |sandbox, path| {
            let args = ["init", "-q", "--bare", "--object-format=sha256", path.to_str().unwrap()];
            sandbox.git(Path::new("/"), &args);
        },
        "PATH is a repository in SHA-256 format",
    );
    check(
        |sandbox, path| {
            ours(path);
            sandbox.git(path, &["config", "extensions.partialClone", "origin"]);
        },
        "the repository at PATH uses the extension `partialclone`",
    );
    check(
        |_, path| {
            ours(path);
            fs::write(path.join("git-mirror/format"), "git-mirror cache 2\n").unwrap();
        },
        "the cache at PATH has format `2`; this build knows format 1",
    );
    check(
        |_, path| {
            ours(path);
            fs::write(path.join("shallow"), "1111111111111111111111111111111111111111\n").unwrap();
        },
        "the repository at PATH is shallow",
    );
    check(
        |_, path| {
            ours(path);
            fs::write(path.join("objects/info/alternates"), "/elsewhere\n").unwrap();
        },
        "the repository at PATH borrows objects from another one",
    );
    check(
        |_, path| {
            ours(path);
            fs::remove_file(path.join("HEAD")).unwrap();
        },
        "the cache at PATH has no `HEAD`",
    );
    check(
        |_, path| fs::create_dir(path).and_then(|()| fs::create_dir(path.join("git-mirror"))).unwrap(),
        "PATH holds other files, such as `git-mirror`",
    );
}
