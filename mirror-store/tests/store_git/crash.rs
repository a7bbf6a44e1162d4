//! What an operation leaves that was killed, built by hand, and what its successor makes of it.

use std::fs::{self, File};
use std::path::PathBuf;

use mirror_store::{Cache, Edited};

use crate::sandbox::{Sandbox, create, listing, name};

/// The folder of an operation whose process is gone, with one batch of locks.
fn dead_operation(cache: &Cache, id: &str, locks: &[(&str, &str)]) -> PathBuf {
    let folder = cache.path().join("git-mirror/op").join(id);
    let batch = folder.join("locks-0");
    fs::create_dir_all(&batch).unwrap();
    fs::create_dir(folder.join("quarantine")).unwrap();
    File::create(folder.join("alive")).unwrap();
    let mut intent = String::new();
    for (number, (at, value)) in locks.iter().enumerate() {
        fs::write(batch.join(number.to_string()), format!("{value}\n")).unwrap();
        intent += &format!("{number} {at}.lock\n");
    }
    fs::write(batch.join("intent"), intent).unwrap();
    folder
}

#[test]
fn i7_a_dead_operations_locks_go_and_foreign_ones_stay() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 2);
    sandbox.bring(&cache.begin("fetch").unwrap(), &commits, &[]).unwrap();
    let value = commits[0].to_string();
    let at = |path: &str| cache.path().join(path);
    let wanted = ["refs/heads/done", "refs/heads/held", "refs/heads/foreign", "refs/heads/not-yet"];
    let folder = dead_operation(&cache, "sync-1-1-0", &wanted.map(|name| (name, value.as_str())));
    // It died after the first rename, with the second lock held. The third is git's, the fourth was never taken.
    fs::hard_link(folder.join("locks-0/0"), at("refs/heads/done")).unwrap();
    fs::hard_link(folder.join("locks-0/1"), at("refs/heads/held.lock")).unwrap();
    fs::write(at("refs/heads/foreign.lock"), format!("{value}\n")).unwrap();
    fs::write(at("packed-refs.lock"), "").unwrap();
    let recovered = cache.recover().unwrap();
    assert_eq!(recovered.operations, ["sync-1-1-0"]);
    assert_eq!(recovered.locks, [at("refs/heads/held.lock")]);
    assert!(
        at("refs/heads/foreign.lock").exists() && at("packed-refs.lock").exists(),
        "a lock of git's is never touched"
    );
    assert_eq!(cache.find(&name("refs/heads/done")).unwrap(), Some(commits[0]), "what was made stays");
    assert!(!folder.exists());
    assert_eq!(cache.recover().unwrap(), Default::default(), "and there is nothing more to do");
    // The same verb converges.
    fs::remove_file(at("refs/heads/foreign.lock")).unwrap();
    fs::remove_file(at("packed-refs.lock")).unwrap();
    let edits = wanted.map(|at| create(at, commits[0]));
    let edited = cache.begin("sync").unwrap().apply(&edits).unwrap();
    assert_eq!(edited, [Edited::AlreadyThere, Edited::Changed, Edited::Changed, Edited::Changed]);
    sandbox.fsck(&cache);
}

#[test]
fn i7_one_folder_that_cannot_be_swept_stands_in_the_way_of_no_other() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let operations = cache.path().join("git-mirror/op");
    // What is a folder cannot be opened as a file, whoever tries.
    let spoilt = dead_operation(&cache, "sync-2-2-0", &[]);
    fs::remove_file(spoilt.join("alive")).unwrap();
    fs::create_dir(spoilt.join("alive")).unwrap();
    let torn = dead_operation(&cache, "sync-4-4-0", &[]);
    fs::remove_file(torn.join("locks-0/intent")).unwrap();
    fs::create_dir(torn.join("locks-0/intent")).unwrap();
    for id in ["sync-1-1-0", "sync-3-3-0", "sync-5-5-0"] {
        dead_operation(&cache, id, &[]);
    }
    let mut recovered = cache.recover().unwrap();
    recovered.operations.sort();
    recovered.stuck.sort();
    assert_eq!(recovered.operations, ["sync-1-1-0", "sync-3-3-0", "sync-5-5-0"]);
    assert_eq!(recovered.stuck, ["sync-2-2-0", "sync-4-4-0"]);
    assert_eq!(fs::read_dir(operations).unwrap().count(), 2);
}

#[test]
fn a_torn_intent_means_that_no_lock_was_taken() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let folder = dead_operation(&cache, "sync-1-1-0", &[]);
    fs::write(folder.join("locks-0/intent"), "0 refs/heads/a.lock\n1 refs/hea").unwrap();
    fs::write(folder.join("locks-0/0"), "x").unwrap();
    // A bare folder, killed before its first file.
    fs::create_dir(cache.path().join("git-mirror/op/sync-2-2-0")).unwrap();
    let recovered = cache.recover().unwrap();
    assert_eq!((recovered.operations.len(), recovered.locks.len()), (2, 0));
}

#[test]
fn a_living_operation_is_left_alone() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let living = cache.begin("sync").unwrap();
    let before = listing(living.quarantine().parent().unwrap());
    assert_eq!(cache.recover().unwrap(), Default::default());
    assert_eq!(listing(living.quarantine().parent().unwrap()), before);
}

#[test]
fn half_a_pack_goes_and_a_whole_one_stays() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 2);
    let folder = dead_operation(&cache, "sync-1-1-0", &[]);
    let packs = cache.path().join("objects/pack");
    for (name, parts) in [("pack-half", &["pack"][..]), ("pack-whole", &["pack", "idx"]), ("pack-waiting", &[])] {
        for part in ["pack", "idx"] {
            let file = folder.join("quarantine").join(format!("{name}.{part}"));
            fs::write(&file, name).unwrap();
            if parts.contains(&part) {
                fs::hard_link(&file, packs.join(format!("{name}.{part}"))).unwrap();
            }
        }
    }
    // Another writer's pack in the same state, and one of ours that was cut in the middle of the transfer.
    fs::write(packs.join("pack-foreign.pack"), "x").unwrap();
    fs::write(folder.join("quarantine/tmp_pack_x"), "x").unwrap();
    let recovered = cache.recover().unwrap();
    assert_eq!(recovered.packs, [packs.join("pack-half.pack")]);
    let mut left: Vec<_> = fs::read_dir(&packs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["pack-foreign.pack", "pack-whole.idx", "pack-whole.pack"]);
    assert!(!folder.exists());
    for left in left {
        fs::remove_file(packs.join(left)).unwrap();
    }
    sandbox.bring(&cache.begin("sync").unwrap(), &commits, &[]).unwrap();
    sandbox.fsck(&cache);
}

#[test]
fn a_dropped_operation_leaves_nothing() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let before = listing(cache.path()).len();
    let operation = cache.begin("sync").unwrap();
    fs::write(operation.quarantine().join("tmp_pack_1"), "half").unwrap();
    drop(operation);
    assert_eq!(listing(cache.path()).len(), before);
}
