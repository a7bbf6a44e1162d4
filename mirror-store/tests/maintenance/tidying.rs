//! Garbage, loose objects, the commit-graph, and refs.

use std::fs;

use mirror_core::report::maintain::{TaskOutcome, UpkeepTask};
use mirror_core::sync::Relation;

use crate::rig::{PREFIX, Rig, step};
use crate::sandbox::{create, id, name};

#[test]
fn unfinished_files_go_after_a_day_and_locks_never() {
    let rig = Rig::new();
    rig.feed("main", 1);
    let put = |path: &str| {
        let path = rig.cache.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "half").unwrap();
        path
    };
    let garbage = [
        "objects/pack/tmp_pack_Ab12Cd",
        "objects/pack/tmp_idx_Ab12Cd",
        "objects/pack/.tmp-123-pack-0123.pack",
        "objects/pack/pack-0123456789012345678901234567890123456789.pack",
        "objects/pack/pack-1123456789012345678901234567890123456789.idx",
        "objects/aa/tmp_obj_x",
        "objects/tmp_objdir-incoming-abc/pack/tmp_pack_x",
        "objects/info/commit-graphs/tmp_graph_x",
    ]
    .map(put);
    let kept = [
        "objects/info/commit-graph.lock",
        "objects/pack/multi-pack-index.lock",
        "objects/pack/pack-2123456789012345678901234567890123456789.keep",
        "refs/heads/x.lock",
        "packed-refs.lock",
    ]
    .map(put);
    let young = rig.maintain(2);
    assert_eq!(step(&young, UpkeepTask::Garbage).outcome, TaskOutcome::Waiting);
    assert!(garbage.iter().all(|path| path.exists()));
    assert_eq!(rig.cache.plan_upkeep(&rig.rules(25)).unwrap().before.garbage_files, garbage.len() as u64);
    let old = step(&rig.maintain(25), UpkeepTask::Garbage).clone();
    assert_eq!(
        (old.outcome, old.items, old.bytes_before),
        (TaskOutcome::Done, garbage.len() as u64, 4 * garbage.len() as u64)
    );
    assert!(garbage.iter().all(|path| !path.exists()));
    assert!(!rig.cache.path().join("objects/tmp_objdir-incoming-abc").exists());
    assert!(kept.iter().all(|path| path.exists()), "whose a lock is, nobody can tell");
}

#[test]
fn loose_objects_are_packed_and_their_files_go_when_the_pack_is_old_enough() {
    let rig = Rig::new();
    rig.feed("main", 2);
    let blob = rig.sandbox.git_with(rig.cache.path(), &["hash-object", "-w", "--stdin"], b"by hand");
    let file = rig.cache.path().join("objects").join(&blob[..2]).join(&blob[2..]);
    let objects = rig.objects();
    assert_eq!(step(&rig.maintain(0), UpkeepTask::LooseObjects).outcome, TaskOutcome::Waiting);
    let packed = rig.maintain(2);
    assert_eq!(
        (step(&packed, UpkeepTask::LooseObjects).outcome, step(&packed, UpkeepTask::LooseObjects).items),
        (TaskOutcome::Done, 1)
    );
    assert!(file.exists());
    assert_eq!(rig.objects(), objects);
    let removed = rig.maintain(4);
    assert_eq!(step(&removed, UpkeepTask::LooseObjects).outcome, TaskOutcome::Done);
    assert!(!file.exists());
    assert_eq!(removed.after.unwrap().loose_objects, 0);
    assert_eq!(rig.sandbox.git(rig.cache.path(), &["cat-file", "blob", &blob]), "by hand");
    rig.fsck();
}

#[test]
fn the_commit_graph_is_written_when_packs_changed_and_read_though_it_is_old() {
    let rig = Rig::new();
    let first = rig.feed("main", 30);
    let written = rig.maintain(0);
    let graph = step(&written, UpkeepTask::CommitGraph);
    assert_eq!((graph.outcome, graph.items), (TaskOutcome::Done, 30));
    assert!(written.after.unwrap().commit_graph_at.is_some());
    rig.sandbox.git(rig.cache.path(), &["commit-graph", "verify"]);
    assert!(!rig.cache.path().join("objects/info/commit-graph.lock").exists());
    // Nothing changed: it stays.
    assert_eq!(step(&rig.maintain(0), UpkeepTask::CommitGraph).outcome, TaskOutcome::Nothing);
    // Commits that it does not know are found all the same.
    let second = rig.feed("main", 7);
    let relation = |local, upstream| rig.cache.relation(local, upstream).unwrap();
    assert_eq!(relation(first[29], second[6]), Relation::LocalBehind { behind: 7 });
    assert_eq!(relation(second[6], first[0]), Relation::LocalAhead { ahead: 36 });
    assert_eq!(step(&rig.maintain(0), UpkeepTask::CommitGraph).items, 37);
    assert_eq!(relation(first[29], second[6]), Relation::LocalBehind { behind: 7 });
    // One that somebody cut is passed over.
    let path = rig.cache.path().join("objects/info/commit-graph");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(relation(first[29], second[6]), Relation::LocalBehind { behind: 7 });
}

#[test]
fn refs_that_never_change_are_packed_and_branches_stay() {
    let rig = Rig::new();
    let tip = *rig.feed("main", 1).last().unwrap();
    let mut edits = Vec::new();
    for number in 0..70 {
        edits.push(create(&format!("refs/tags/v{number}"), tip));
        edits.push(create(&format!("refs/heads/b{number}"), tip));
    }
    for number in 0..3 {
        edits.push(create(&format!("{PREFIX}/app/b{number}/{tip}"), tip));
    }
    rig.operation("sync").apply(&edits).unwrap();
    // An annotated tag is told with what it peels to.
    let tag = format!("object {tip}\ntype commit\ntag a\ntagger T <t@example.org> 1700000000 +0000\n\nm\n");
    let tag = id(&rig.sandbox.git_with(rig.cache.path(), &["mktag"], tag.as_bytes()));
    rig.operation("sync").apply(&[create("refs/tags/annotated", tag)]).unwrap();
    let before = (rig.sandbox.refs(&rig.cache), rig.sandbox.git(rig.cache.path(), &["show-ref", "-d"]));
    let upkeep = rig.maintain(0);
    let refs = step(&upkeep, UpkeepTask::Refs);
    assert_eq!((refs.outcome, refs.items), (TaskOutcome::Done, 71));
    assert_eq!(before, (rig.sandbox.refs(&rig.cache), rig.sandbox.git(rig.cache.path(), &["show-ref", "-d"])));
    let loose = |name: &str| rig.cache.path().join(name).exists();
    assert!(!loose("refs/tags/v1") && !loose("refs/tags/annotated") && loose("refs/heads/b1"));
    assert!(loose(&format!("{PREFIX}/app/b1/{tip}")), "a few stay where they are");
    assert_eq!(rig.cache.find(&name("refs/tags/v69")).unwrap(), Some(tip));
    let after = upkeep.after.unwrap();
    assert_eq!((after.packed_refs, after.loose_refs), (71, 74));
}
