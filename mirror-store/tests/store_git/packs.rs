//! Received packs: whole ones enter the store, others say what is missing.

use std::fs;

use mirror_core::name::{BranchName, CommitId};
use mirror_store::{Cache, ClosureError, Tip};

use crate::sandbox::{Sandbox, id};

#[test]
fn whole_packs_enter_the_store_one_on_another() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let first = sandbox.commits("main", 200);
    let operation = cache.begin("sync").unwrap();
    assert!(!cache.has_commit(first[199]).unwrap());
    sandbox.bring(&operation, &[first[199]], &[]).unwrap();
    assert!(cache.has_commit(first[199]).unwrap(), "the open store finds the new pack");
    let second = sandbox.commits("main", 40);
    sandbox.bring(&operation, &[second[39]], &[first[199]]).unwrap();
    cache.verify_tips(&[Tip::Branch(first[0]), Tip::Branch(second[39])]).unwrap();
    sandbox.fsck(&cache);
    let count = sandbox.git(cache.path(), &["rev-list", "--objects", "--count", &second[39].to_string()]);
    assert_eq!(count, sandbox.git(&sandbox.upstream(), &["rev-list", "--objects", "--count", "main"]));
    // The same pack again is not an error.
    sandbox.bring(&operation, &[second[39]], &[first[199]]).unwrap();
    assert_eq!(fs::read_dir(cache.path().join("objects/pack")).unwrap().count(), 4);
    assert_eq!(fs::read_dir(operation.quarantine()).unwrap().count(), 0);
}

#[test]
fn a_cache_that_was_moved_away_and_made_anew_has_the_objects_of_the_new_one() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let old = sandbox.commits("old", 3)[2];
    sandbox.bring(&cache.begin("sync").unwrap(), &[old], &[]).unwrap();
    assert!(cache.has_commit(old).unwrap());
    fs::rename(cache.path(), cache.path().with_extension("away")).unwrap();
    let again = Cache::create(cache.path(), &BranchName::parse("main").unwrap()).unwrap();
    assert!(!cache.has_commit(old).unwrap(), "it went with the old one");
    let new = sandbox.commits("new", 3)[2];
    sandbox.bring(&again.begin("sync").unwrap(), &[new], &[]).unwrap();
    assert!(cache.has_commit(new).unwrap());
}

fn objects(sandbox: &Sandbox, tip: CommitId) -> Vec<String> {
    let list = sandbox.git(&sandbox.upstream(), &["rev-list", "--objects", "--no-object-names", &tip.to_string()]);
    list.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn whatever_is_missing_is_named() {
    let sandbox = Sandbox::new();
    let cache: Cache = sandbox.cache();
    let tip = sandbox.commits("main", 12)[11];
    let all = objects(&sandbox, tip);
    for missing in all.iter().filter(|missing| **missing != tip.to_string()) {
        let operation = cache.begin("sync").unwrap();
        let sent: String = all.iter().filter(|one| *one != missing).map(|one| format!("{one}\n")).collect();
        let (pack, index) = sandbox.pack_of(&operation, &sent);
        match operation.verify_closed(&pack, &index, &[Tip::Branch(tip)]) {
            Err(ClosureError::MissingObject { id, referenced_by, .. }) => {
                assert_eq!(id.to_string(), *missing);
                let kind = sandbox.git(&sandbox.upstream(), &["cat-file", "-t", &referenced_by.to_string()]);
                let names = sandbox.git(&sandbox.upstream(), &["cat-file", "-p", &referenced_by.to_string()]);
                assert!(names.contains(missing.as_str()), "{kind} {names}");
            }
            other => panic!("without {missing}: {other:?}"),
        }
    }
    // The tip itself.
    let operation = cache.begin("sync").unwrap();
    let sent: String = all.iter().filter(|one| **one != tip.to_string()).map(|one| format!("{one}\n")).collect();
    let (pack, index) = sandbox.pack_of(&operation, &sent);
    let error = operation.verify_closed(&pack, &index, &[Tip::Branch(tip)]).unwrap_err();
    assert!(matches!(&error, ClosureError::TipMissing { id } if *id == tip), "{error}");
    assert!(cache.verify_tips(&[Tip::Branch(tip)]).is_err());
    assert_eq!(fs::read_dir(cache.path().join("objects/pack")).unwrap().count(), 0, "nothing became visible");
}

/// Writes an object upstream as it is, however malformed.
fn raw(sandbox: &Sandbox, kind: &str, content: &[u8]) -> String {
    sandbox.git_with(&sandbox.upstream(), &["hash-object", "-t", kind, "-w", "--literally", "--stdin"], content)
}

fn entry(mode: &str, name: &str, hex: &str) -> Vec<u8> {
    let id = *CommitId::from_hex(hex).unwrap().as_bytes();
    [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &id].concat()
}

/// Sends a list of raw objects, and compares the end with what is expected.
fn check(sandbox: &Sandbox, sent: &[&str], tips: &[Tip], expect: &str) {
    let cache = sandbox.cache();
    let operation = cache.begin("sync").unwrap();
    let (pack, index) = sandbox.pack_of(&operation, &sent.iter().map(|id| format!("{id}\n")).collect::<String>());
    let said = match operation.verify_closed(&pack, &index, tips) {
        Ok(closed) => format!("{} objects", closed.objects),
        Err(error) => error.to_string(),
    };
    assert_eq!(said, expect);
}

#[test]
fn objects_of_every_form_are_understood() {
    let sandbox = Sandbox::new();
    let blob = raw(&sandbox, "blob", b"content");
    let empty = raw(&sandbox, "tree", b"");
    let elsewhere = "1".repeat(40);
    let tree = [entry("100644", "a", &blob), entry("160000", "module", &elsewhere), entry("40000", "nothing", &empty)]
        .concat();
    let tree = raw(&sandbox, "tree", &tree);
    let who = "C <c@example.org> 1 +0000";
    let commit = raw(&sandbox, "commit", format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nm").as_bytes());
    let tag = raw(&sandbox, "tag", format!("object {commit}\ntype commit\ntag t\ntagger {who}\n\nm").as_bytes());
    let outer = raw(&sandbox, "tag", format!("object {tag}\ntype tag\ntag u\ntagger {who}\n\nm").as_bytes());
    let all = [&*blob, &*empty, &*tree, &*commit, &*tag, &*outer];
    check(&sandbox, &all, &[Tip::Branch(id(&commit)), Tip::Tag(id(&outer)), Tip::Tag(id(&blob))], "6 objects");
    check(&sandbox, &all, &[Tip::Branch(id(&tag))], &format!("upstream's branch is at {tag}, which is a tag"));
    check(&sandbox, &all[..5], &[Tip::Tag(id(&outer))], &format!("upstream announced {outer} and did not send it"));
}

#[test]
fn malformed_objects_are_refused() {
    let sandbox = Sandbox::new();
    let blob = raw(&sandbox, "blob", b"content");
    let wrong = raw(&sandbox, "tree", &entry("40000", "a", &blob));
    check(&sandbox, &[&blob, &wrong], &[], &format!("{wrong} refers to {blob} as a tree, but it is a blob"));
    let cut = raw(&sandbox, "tree", &entry("100644", "a", &blob)[..20]);
    check(&sandbox, &[&blob, &cut], &[], &format!("tree {cut} is malformed: an entry has no id"));
    let nowhere = "0".repeat(40);
    let null = raw(&sandbox, "tree", &[b"100644 a\0".as_slice(), &[0; 20]].concat());
    check(&sandbox, &[&null], &[], &format!("upstream sent {null} without the blob {nowhere} that it refers to"));
    let treeless = raw(&sandbox, "commit", b"author x");
    check(&sandbox, &[&treeless], &[], &format!("commit {treeless} is malformed: it names no tree"));
}

#[test]
fn a_damaged_pack_is_refused() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache();
    let tip = sandbox.commits("main", 30)[29];
    let operation = cache.begin("sync").unwrap();
    let list: String = objects(&sandbox, tip).iter().map(|one| format!("{one}\n")).collect();
    let (pack, index) = sandbox.pack_of(&operation, &list);
    let whole = fs::read(&pack).unwrap();
    for length in [10, 40, whole.len() / 2, whole.len() - 30] {
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, &whole[..length]).unwrap();
        let error = operation.verify_closed(&pack, &index, &[Tip::Branch(tip)]).unwrap_err();
        assert!(matches!(error, ClosureError::Corrupt { .. }), "cut to {length}: {error}");
    }
    // A pack that is whole beside the index of another one.
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, &whole).unwrap();
    let (_, other) = sandbox.pack_of(&operation, &format!("{tip}\n"));
    assert!(matches!(operation.verify_closed(&pack, &other, &[]), Err(ClosureError::Corrupt { .. })));
}
