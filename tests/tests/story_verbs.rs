//! The mission's sentences on verbs, snapshots and nodes, one story each: R3–R9, R14, R24–R26.
//!
//! The real program against the embedded host behind the embedded proxy, so that it runs wherever git is.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use mirror_core::name::CommitId;
use mirror_tests::footprint::Footprint;
use mirror_tests::product;
use mirror_tests::sandbox::Repository;
use mirror_tests::sshhost::embedded::HostFault;
use mirror_tests::world::{ProxyKind, Run, World};
use serde_json::{Value, json};

/// A world as the seed describes it: prefix, group, branches and lane have the names from there.
fn hwlab(nodes: &[&str]) -> World {
    let mut world = World::builder().proxy(ProxyKind::Embedded).build();
    let folder = world.sandbox().path().to_owned();
    world.configure(|config| {
        config["snapshots"] = json!({ "prefix": "refs/unidesk/snapshots" });
        let lane = |branch: &str| {
            json!({
                "repository": "app",
                "source": { "branch": branch, "snapshotGroup": "hwlab-node-runtime" },
                "gitops": { "branch": format!("{branch}-gitops") },
            })
        };
        let node = |name: &&str| {
            let node = json!({ "cache": folder.join(format!("cache-{name}")), "lanes": { "v03": lane("v0.3"), "v02": lane("v0.2") } });
            ((*name).to_owned(), node)
        };
        config["nodes"] = nodes.iter().map(node).collect();
    });
    for branch in ["v0.2", "v0.3"] {
        world.upstream().commit(branch).root().file("source", branch).make();
        world.upstream().commit(&format!("{branch}-gitops")).root().file("deployed", branch).make();
    }
    world
}

/// The cache of one node.
fn cache(world: &World, node: &str) -> Repository {
    let path = world.sandbox().path().join(format!("cache-{node}/app.git"));
    Repository::at(&path, world.sandbox().git())
}

/// A world in sync, with `main` and `gitops`.
fn synced() -> World {
    let world = World::builder().proxy(ProxyKind::Embedded).build();
    world.upstream().commit("main").file("source", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    world
}

fn hex(commit: CommitId) -> Value {
    json!(commit.to_string())
}

fn next(run: &Run) -> Vec<&str> {
    run.report["next"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn r3_sync_fetches_declared_refs_and_makes_snapshots() {
    let world = hwlab(&["D601"]);
    world.upstream().commit("undeclared").root().file("f", "no\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    let cache = cache(&world, "D601");
    let branches: Vec<_> = cache.refs_under("refs/heads/").into_keys().collect();
    assert_eq!(branches, ["v0.2", "v0.2-gitops", "v0.3", "v0.3-gitops"].map(|name| format!("refs/heads/{name}")));
    let tips = ["v0.2", "v0.3"].map(|branch| (branch, world.upstream().branch(branch).expect("because it was made")));
    let wanted = tips.map(|(branch, tip)| (format!("refs/unidesk/snapshots/hwlab-node-runtime/{branch}/{tip}"), tip));
    assert_eq!(cache.refs_under("refs/unidesk/"), wanted.into());
    cache.fsck();
}

#[test]
fn r4_flush_fast_forwards_upstream_and_never_forces() {
    let world = synced();
    let first = world.cache().commit("gitops").file("deployed", "two\n").make();
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.upstream().branch("gitops"), Some(first), "exactly the local tip");

    // Upstream goes elsewhere; nothing forbids a force push there, and none comes.
    world.cache().commit("gitops").file("deployed", "three\n").make();
    let theirs = world.upstream().commit("gitops").file("deployed", "other\n").make();
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(3);
    assert_eq!(run.lane("main")["outcome"], "diverged");
    assert_eq!(world.upstream().branch("gitops"), Some(theirs));
    assert_eq!(run.lane("main")["push"]["attempts"], 0, "it was not even asked for");
}

#[test]
fn r5_the_command_lines_of_the_seed_work() {
    let world = hwlab(&["G14", "D601", "JD01"]);
    let tip = world.upstream().branch("v0.3").expect("because it was made");
    // (line, exit code, whether it changes anything)
    let lines = [
        ("hwlab g14 git-mirror sync", 0, false),
        ("hwlab g14 git-mirror sync --dry-run", 0, false),
        ("hwlab g14 git-mirror sync --confirm", 0, true),
        ("hwlab g14 git-mirror status", 0, false),
        ("hwlab g14 git-mirror flush", 0, false),
        ("hwlab g14 git-mirror flush --dry-run", 0, false),
        ("hwlab g14 git-mirror flush --confirm", 0, true),
        ("hwlab nodes git-mirror sync --node D601 --lane v03 --confirm --wait", 0, true),
        ("hwlab nodes git-mirror flush --node D601 --lane v03 --confirm --wait", 0, true),
        ("hwlab nodes git-mirror status --node D601 --lane v03", 0, false),
    ];
    for (line, exit, changes) in lines {
        let before = Footprint::of(world.sandbox().path());
        let words: Vec<_> = line.split(' ').collect();
        let run = world.mirror(&words).expect(exit);
        let node = if line.contains("g14") { "G14" } else { "D601" };
        assert_eq!(run.report["node"], node, "{line}");
        assert_eq!(run.report["lanes"].as_array().map(Vec::len), Some(if node == "G14" { 2 } else { 1 }), "{line}");
        if !changes {
            before.expect_unchanged(world.sandbox().path());
        }
    }
    assert_eq!(cache(&world, "G14").branch("v0.3"), Some(tip));
    assert_eq!((cache(&world, "D601").branch("v0.3"), cache(&world, "D601").branch("v0.2")), (Some(tip), None));

    // Under the name `hwlab` the program takes the same arguments, without the first.
    let mut command = Command::new(product::git_mirror());
    command.arg0("hwlab").args([
        "nodes",
        "git-mirror",
        "sync",
        "--node",
        "jd01",
        "--lane",
        "V03",
        "--confirm",
        "--wait",
    ]);
    command.env("GIT_MIRROR_CONFIG", world.config_file()).current_dir(world.sandbox().path()).stdin(Stdio::null());
    Run::of(&mut command).expect(0);
    assert_eq!(cache(&world, "JD01").branch("v0.3"), Some(tip));
}

#[test]
fn r5_git_finds_the_program_as_subcommand() {
    let world = synced();
    let program = product::git_mirror();
    let folder = program.parent().expect("because a file is in a folder");
    let path = std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")])
        .expect("because no folder has a colon");
    let mut command = world.sandbox().git().command(world.sandbox().path(), ["mirror", "status"]);
    command.env("PATH", path).env("GIT_MIRROR_CONFIG", world.config_file());
    let run = Run::of(&mut command).expect(0);
    assert!(run.stdout.contains("main"), "{}", run.stdout);
}

#[test]
fn r6_without_confirm_verbs_change_nothing() {
    let world = synced();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    world.upstream().commit("main").file("source", "two\n").make();
    let everything = Footprint::of(world.sandbox().path());
    let check = |words: &[&str], exit: i32, shown: &str| {
        let run = world.mirror_as_text(words).expect(exit);
        assert!(run.stdout.contains(shown), "{words:?} does not show `{shown}`:\n{}", run.stdout);
        everything.expect_unchanged(world.sandbox().path());
    };
    check(&["sync"], 3, "dry run: nothing was changed");
    check(&["sync", "--dry-run"], 3, "dry run: nothing was changed");
    check(&["flush"], 0, &format!("would push gitops: {}", short_way(&world, local)));
    check(&["snapshots", "prune"], 0, "dry run");
    check(&["lane", "resolve", "--adopt-upstream"], 0, "dry run");
    for verb in [&["sync"] as &[&str], &["flush"], &["snapshots", "prune"], &["lane", "resolve", "--adopt-upstream"]] {
        let run = world.mirror_as_text(&[verb, &["--dry-run", "--confirm"]].concat()).expect(2);
        assert!(run.stderr.contains("exclude each other"), "{verb:?}: {}", run.stderr);
    }
    everything.expect_unchanged(world.sandbox().path());
}

fn short_way(world: &World, local: CommitId) -> String {
    let theirs = world.upstream().branch("gitops").expect("because it was made");
    format!("{} → {}", theirs.short(), local.short())
}

#[test]
fn r7_wait_returns_at_the_end_with_its_code() {
    let world = synced();
    let source = world.upstream().commit("main").file("source", "two\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.cache().branch("main"), Some(source), "done when it returned");
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.upstream().branch("gitops"), Some(local), "done when it returned");
    let recheck = &run.lane("main")["recheck"];
    assert_eq!((&recheck["tip"], &recheck["containsLocal"]), (&hex(local), &json!(true)), "and verified");

    // A finding, a failure, and an upstream that cannot be reached have each their own.
    world.cache().commit("gitops").file("deployed", "three\n").make();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(3);
    world.upstream().configure("receive.procReceiveRefs", "refs/heads/gitops");
    world.mirror(&["flush", "--confirm", "--wait"]).expect(1);
    world.host().inject_once(HostFault::RefuseLogin);
    world.mirror(&["sync", "--confirm", "--wait"]).expect(5);
    world.mirror(&["sync", "--confirm", "--wait", "--lane", "nowhere"]).expect(2);
}

#[test]
fn r8_snapshots_are_named_as_in_the_seed() {
    let world = hwlab(&["D601"]);
    let tip = world.upstream().branch("v0.3").expect("because it was made");
    let run = world.mirror(&["sync", "--node", "D601", "--lane", "v03", "--confirm"]).expect(0);
    let name = format!("refs/unidesk/snapshots/hwlab-node-runtime/v0.3/{tip}");
    assert_eq!(run.lane("v03")["snapshots"], json!([{ "ref": name, "commit": tip.to_string(), "outcome": "created" }]));
    assert_eq!(cache(&world, "D601").refs_under("refs/unidesk"), [(name, tip)].into());
}

#[test]
fn r9_a_snapshot_never_moves() {
    let world = synced();
    let built = world.upstream().branch("main").expect("because it was made");
    let name = format!("refs/mirror/snapshots/app/main/{built}");
    world.upstream().commit("main").root().file("source", "rewritten\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    assert_ne!(world.cache().branch("main"), Some(built), "the branch has moved on");
    let build = world.sandbox().bare("build");
    build.run(["fetch", "--quiet", "--depth=1", &world.cache().path().to_string_lossy(), &name]);
    assert_eq!(build.rev("FETCH_HEAD"), Some(built));
    assert_eq!(build.file("FETCH_HEAD", "source"), Some(b"one\n".to_vec()));

    // A snapshot that was moved by hand blocks the lane that would be built from it; the commit is not published.
    let next = world.upstream().commit("main").file("source", "next\n").make();
    world.cache().set_ref(&format!("refs/mirror/snapshots/app/main/{next}"), built);
    let before = world.cache().refs();
    let run = world.mirror(&["sync", "--confirm"]).expect(1);
    assert!(run.lane("main")["fault"]["help"].is_string(), "{}", run.stdout);
    assert_eq!(world.cache().refs(), before);
}

#[test]
fn r14_status_marks_github_fields_as_cached() {
    let world = synced();
    let seen = world.upstream().branch("main").expect("because it was made");
    let tunnels = world.proxy().record().tunnels.len();
    let moved = world.upstream().commit("main").file("source", "two\n").make();
    let lane = world.mirror(&["status"]).expect(0).lane("main").clone();
    assert_eq!(lane["githubSource"], json!({ "ref": "refs/mirror-stage/heads/main", "commit": seen.to_string() }));
    assert_eq!(lane["refSources"]["githubFieldsAreMirrorStageCache"], true);
    assert!(lane["refSources"]["observedAt"].is_string() && lane["refSources"]["ageSeconds"].is_u64(), "{lane}");
    assert_eq!(world.proxy().record().tunnels.len(), tunnels, "a status opens no connection");

    // With --refresh it observes upstream first, and reports what it has now.
    let lane = world.mirror(&["status", "--refresh"]).expect(3).lane("main").clone();
    assert_eq!(lane["githubSource"]["commit"], hex(moved));
    assert_eq!(
        (&lane["refSources"]["githubFieldsAreMirrorStageCache"], &lane["githubInSync"]),
        (&json!(false), &json!(false))
    );
}

#[test]
fn r24_a_leftover_flush_is_completed_or_explained() {
    let world = synced();
    let local = world.cache().commit("gitops").file("deployed", "two\n").make();
    assert_eq!(world.mirror(&["status"]).expect(3).lane("main")["pendingFlush"], true);

    // It cannot: upstream's login is refused. It reports that, and what to do; nothing is lost.
    world.host().inject_once(HostFault::RefuseLogin);
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(5);
    let fault = &run.lane("main")["fault"];
    assert!(fault["message"].is_string() && fault["help"].is_string(), "{fault}");
    assert_eq!(run.lane("main")["pendingFlush"], true);

    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!((&run.lane("main")["pendingFlush"], &run.lane("main")["githubInSync"]), (&json!(false), &json!(true)));
    assert_eq!(world.upstream().branch("gitops"), Some(local));
    assert_eq!(world.mirror(&["status"]).expect(0).lane("main")["pendingFlush"], false);

    // Diverged, no flush can end it. Adopting upstream's tip does, with the own commits set aside.
    let aside = world.cache().commit("gitops").file("deployed", "three\n").make();
    let theirs = world.upstream().commit("gitops").file("deployed", "other\n").make();
    let run = world.mirror(&["flush", "--confirm", "--wait"]).expect(3);
    assert!(next(&run)[0].contains("lane resolve --node local --lane main --adopt-upstream"), "{:?}", next(&run));
    world.mirror(&["lane", "resolve", "--adopt-upstream", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.cache().branch("gitops"), Some(theirs));
    assert!(
        world.cache().refs_under("refs/mirror-rescue/main/").values().any(|tip| *tip == aside),
        "no commit is lost"
    );
    assert_eq!(world.mirror(&["flush", "--confirm", "--wait"]).expect(0).lane("main")["pendingFlush"], false);
}

#[test]
fn r25_one_file_separates_nodes_and_lanes() {
    let world = hwlab(&["D601", "G14"]);
    let tip = |branch: &str| world.upstream().branch(branch);
    world.mirror(&["sync", "--node", "D601", "--lane", "v03", "--confirm"]).expect(0);
    assert_eq!((cache(&world, "D601").branch("v0.3"), cache(&world, "D601").branch("v0.2")), (tip("v0.3"), None));
    assert!(!cache(&world, "G14").path().exists(), "the other node is not touched");
    world.mirror(&["sync", "--node", "g14", "--confirm"]).expect(0);
    assert_eq!((cache(&world, "G14").branch("v0.3"), cache(&world, "G14").branch("v0.2")), (tip("v0.3"), tip("v0.2")));

    // A commit accepted on one node is pending there only.
    cache(&world, "G14").commit("v0.2-gitops").file("deployed", "new\n").make();
    let pending = |node: &str, lane: &str| {
        world.mirror(&["status", "--node", node, "--lane", lane]).lane(lane)["pendingFlush"].clone()
    };
    assert_eq!(
        [pending("D601", "v03"), pending("G14", "v03"), pending("G14", "v02")],
        [false, false, true].map(Value::from)
    );
    world.mirror(&["flush", "--node", "G14", "--confirm"]).expect(0);
    assert_eq!(tip("v0.2-gitops"), cache(&world, "G14").branch("v0.2-gitops"));

    // With two nodes to choose from, none is chosen.
    let run = world.mirror_as_text(&["status"]).expect(2);
    assert!(run.stderr.contains("D601") && run.stderr.contains("G14"), "{}", run.stderr);
}

#[test]
fn r26_a_local_node_needs_no_cluster() {
    let world = synced();
    let promoted = world.cache().commit("gitops").file("deployed", "two\n").make();
    let status = world.mirror(&["status"]).expect(3);
    assert_eq!(status.report["schema"], "git-mirror/status/v1");
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.upstream().branch("gitops"), Some(promoted));
    world.mirror(&["status"]).expect(0);
    for verb in [
        &["doctor"] as &[&str],
        &["history"],
        &["snapshots", "list"],
        &["snapshots", "prune", "--confirm"],
        &["config", "check"],
    ] {
        let run = world.mirror(verb).expect(0);
        assert_eq!(run.report["ok"], true, "{verb:?}: {}", run.stdout);
    }
    // The same guarantees: git itself finds the cache in order, and may read it.
    world.cache().fsck();
    let clone = world.sandbox().bare_clone(world.cache().path(), "clone");
    assert_eq!(clone.branch("gitops"), Some(promoted));
}
