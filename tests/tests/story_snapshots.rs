//! What becomes of snapshots as they grow many: R9's retention, and the folder that a sync packs.
//!
//! The real program against the embedded host behind the embedded proxy, so that it runs wherever git is.

use mirror_core::name::CommitId;
use mirror_tests::footprint::Footprint;
use mirror_tests::generate::{History, Shape};
use mirror_tests::sandbox::Repository;
use mirror_tests::world::{ProxyKind, World};
use serde_json::json;

/// Below this are the snapshots of the lane.
const SNAPSHOTS: &str = "refs/mirror/snapshots/app/main/";
/// More loose snapshots than a sync leaves.
const MANY: usize = 1001;

/// A world in sync, with `main` and `gitops`.
fn synced() -> World {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    world
}

fn snapshot(of: CommitId) -> String {
    format!("{SNAPSHOTS}{of}")
}

fn main_of(repository: &Repository) -> CommitId {
    repository.branch("main").expect("because it was made")
}

#[test]
fn i1_r9_prune_drops_only_old_unused_snapshots() {
    let mut world = synced();
    let first = main_of(world.upstream());
    let mut made = vec![first];
    for number in 0..3 {
        made.push(world.upstream().commit("main").file("source", format!("{number}\n")).make());
        world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    }
    // Upstream goes back: what is in use is not what is newest.
    world.upstream().set_ref("refs/heads/main", first);
    world.mirror(&["sync", "--confirm", "--wait"]);
    let (cache, newest) = (world.cache(), made[3]);
    let before = cache.refs();
    assert!(made.iter().all(|commit| before.contains_key(&snapshot(*commit))), "{before:?}");

    // As it is by default, nothing is old enough.
    world.mirror(&["snapshots", "prune", "--confirm"]).expect(0);
    assert_eq!(cache.refs(), before);
    world.configure(|config| config["snapshots"] = json!({ "retention": { "keepAtLeast": 1, "keepFor": "0s" } }));
    let unchanged = Footprint::of(cache.path());
    world.mirror(&["snapshots", "prune"]).expect(0);
    unchanged.expect_unchanged(cache.path());

    world.mirror(&["snapshots", "prune", "--confirm"]).expect(0);
    let mut expected = before;
    for dropped in &made[1..3] {
        expected.remove(&snapshot(*dropped));
    }
    assert_eq!(cache.refs(), expected, "the newest and what is in use stay, and every other ref");
    cache.fsck();
    for retained in [first, newest] {
        let reader = world.sandbox().bare(&format!("reader-{retained}"));
        reader.run(["fetch", "--quiet", "--depth=1", &cache.path().to_string_lossy(), &snapshot(retained)]);
        assert!(reader.has(retained));
    }
}

#[test]
fn r9_sync_packs_many_snapshots() {
    let world = synced();
    let loose = world.cache().path().join(SNAPSHOTS);
    let count = || std::fs::read_dir(&loose).map_or(0, Iterator::count);
    History::new(Shape::small(7)).write(world.upstream(), "main", MANY as u64);
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    for commit in world.cache().run(["rev-list", "main"]).lines() {
        std::fs::write(loose.join(commit), format!("{commit}\n")).expect("because the folder is there");
    }
    let before = world.cache().refs_under(SNAPSHOTS);
    assert!(count() >= MANY && before.len() >= MANY, "{} in {} files", before.len(), count());

    let tip = world.upstream().commit("main").file("source", "two\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    assert!(count() <= 1, "{} files are left", count());
    let mut expected = before;
    expected.insert(snapshot(tip), tip);
    assert_eq!(world.cache().refs_under(SNAPSHOTS), expected);
    world.cache().fsck();
}
