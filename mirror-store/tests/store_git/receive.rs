//! Packs that git indexes into a quarantine, and operations that begin while others are swept.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use mirror_core::name::CommitId;
use mirror_core::sync::Relation;
use mirror_store::{Cache, Receiving};

use crate::sandbox::{Sandbox, create, name};

/// What a client sends that pushes `new` to a server that has `old`.
fn thin_pack(sandbox: &Sandbox, new: CommitId, old: CommitId) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(["pack-objects", "-q", "--revs", "--thin", "--stdout"])
        .current_dir(sandbox.upstream())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{new}\n^{old}\n").as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    out.stdout
}

/// Runs git as the server does; gives the checksum, or what git says.
fn index(cache: &Cache, receiving: &Receiving, pack: &[u8]) -> Result<CommitId, String> {
    let mut child = Command::new("git")
        .args(["index-pack", "--stdin", "--strict", "--fix-thin"])
        .env("GIT_DIR", cache.path())
        .env("GIT_OBJECT_DIRECTORY", receiving.objects())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A git that refuses early does not read to the end.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), pack);
    let out = child.wait_with_output().unwrap();
    match out.status.success() {
        true => {
            Ok(CommitId::from_hex(String::from_utf8(out.stdout).unwrap().trim_start_matches("pack\t").trim()).unwrap())
        }
        false => Err(String::from_utf8(out.stderr).unwrap()),
    }
}

fn packs(cache: &Cache) -> usize {
    fs::read_dir(cache.path().join("objects/pack")).unwrap().count()
}

#[test]
fn a_thin_pack_is_seen_in_quarantine_and_becomes_part_of_the_store() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 6);
    sandbox.bring(&cache.begin("sync").unwrap(), &commits[..3], &[]).unwrap();
    let before = packs(&cache);
    let operation = cache.begin("push").unwrap();
    let receiving = operation.receive().unwrap();
    let checksum = index(&cache, &receiving, &thin_pack(&sandbox, commits[5], commits[2])).unwrap();
    let seen = receiving.indexed(checksum).unwrap();
    assert!(seen.has_commit(commits[5]).unwrap() && seen.has_commit(commits[0]).unwrap());
    assert!(!cache.has_commit(commits[5]).unwrap(), "nobody else sees it");
    assert_eq!(seen.relation(commits[2], commits[5]).unwrap(), Relation::LocalBehind { behind: 3 });
    assert_eq!(seen.relation(commits[5], commits[2]).unwrap(), Relation::LocalAhead { ahead: 3 });
    assert_eq!(seen.relation(commits[2], commits[2]).unwrap(), Relation::Same);
    assert_eq!(seen.relation(commits[2], CommitId::from_bytes([9; 20])).unwrap(), Relation::NeedsObjects);
    let closed = seen.close(&[commits[5]]).unwrap();
    operation.install(closed).unwrap();
    operation.apply(&[create("refs/heads/gitops", commits[5])]).unwrap();
    drop(operation);
    assert_eq!(packs(&cache), before + 2);
    sandbox.fsck(&cache);
    assert_eq!(fs::read_dir(cache.path().join("git-mirror/op")).unwrap().count(), 0);
}

#[test]
fn what_is_not_closed_or_no_commit_does_not_come_in() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 4);
    sandbox.bring(&cache.begin("sync").unwrap(), &commits[..1], &[]).unwrap();
    let before = packs(&cache);
    let operation = cache.begin("push").unwrap();
    // It stands on a commit that is not here: git itself says so, which is what the closed store rests on.
    let said = index(&cache, &operation.receive().unwrap(), &thin_pack(&sandbox, commits[3], commits[2])).unwrap_err();
    assert!(said.contains("did not receive expected object") || said.contains("unresolved delta"), "{said}");

    let receiving = operation.receive().unwrap();
    let checksum = index(&cache, &receiving, &thin_pack(&sandbox, commits[1], commits[0])).unwrap();
    let tree = sandbox.git(&sandbox.upstream(), &["rev-parse", &format!("{}^{{tree}}", commits[1])]);
    let tree = CommitId::from_hex(&tree).unwrap();
    let opened = || receiving.indexed(checksum).unwrap();
    assert!(!opened().has_commit(tree).unwrap());
    assert!(opened().close(&[tree]).is_err());
    assert!(opened().close(&[commits[3]]).is_err());
    assert!(receiving.indexed(commits[0]).is_err(), "no pack has that name");
    drop(operation);
    assert_eq!(packs(&cache), before, "nothing came in");
}

#[test]
fn i7_operations_begin_and_end_while_dead_ones_are_swept() {
    const BEGUN: usize = 150;
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let commits = sandbox.commits("main", 1);
    sandbox.bring(&cache.begin("sync").unwrap(), &commits, &[]).unwrap();
    let is_over = AtomicBool::new(false);
    let stand = |folder: &Path| {
        assert!(
            folder.join("alive").exists() && folder.join("quarantine").is_dir(),
            "{} was swept alive",
            folder.display()
        );
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    cache.recover().unwrap();
                }
            });
        }
        // What a killed one leaves at its worst moments: a folder without anything, one with its file, one with all.
        let dying = scope.spawn(|| {
            for number in 0..BEGUN {
                let folder = cache.path().join(format!("git-mirror/op/push-0-0-{number}"));
                fs::create_dir(&folder).unwrap();
                // It may be swept at any of these steps.
                let _ = fs::write(folder.join("alive"), "").and_then(|()| fs::create_dir(folder.join("quarantine")));
            }
        });
        let living: Vec<_> = (0..2)
            .map(|writer| {
                let (cache, commits, stand) = (&cache, &commits, &stand);
                scope.spawn(move || {
                    for number in 0..BEGUN {
                        let operation = cache.begin("push").unwrap();
                        let folder = operation.quarantine().parent().unwrap().to_owned();
                        stand(&folder);
                        assert!(cache.is_under_way(&operation.name()).unwrap());
                        if number % 10 == 0 {
                            let at = format!("refs/heads/{writer}/{number}");
                            operation.apply(&[create(&at, commits[0])]).unwrap();
                        }
                        stand(&folder);
                        let name = operation.name();
                        drop(operation);
                        assert!(!folder.exists() && !cache.is_under_way(&name).unwrap());
                    }
                })
            })
            .collect();
        let ended: Vec<_> = living.into_iter().chain([dying]).map(|thread| thread.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    cache.recover().unwrap();
    assert_eq!(fs::read_dir(cache.path().join("git-mirror/op")).unwrap().count(), 0);
    assert_eq!(cache.find(&name("refs/heads/1/140")).unwrap(), Some(commits[0]));
    assert!(!cache.path().join("refs/heads/1/140.lock").exists());
}
