//! Both tables of sync, row by row: the real program against OpenSSH's `sshd` through tinyproxy.
//!
//! Every row is run dry first, and not a byte of the cache may differ; then twice in earnest from the same cache, once for programs and
//! once with text output, and both have to leave the same refs.

use std::collections::BTreeMap;
use std::process::Command;

use mirror_core::name::CommitId;
use mirror_tests::footprint::Footprint;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::{Run, World};
use serde_json::{Value, json};

/// What a sync reports of one ref: `refs/…`, its outcome.
type Word = (&'static str, &'static str);

const MAIN: &str = "refs/heads/main";
const GITOPS: &str = "refs/heads/gitops";
const MAIN_SEEN: &str = "refs/mirror-stage/heads/main";
const GITOPS_SEEN: &str = "refs/mirror-stage/heads/gitops";

/// What is to come of one row.
struct Row {
    /// What the dry run reports of the branches and of the snapshot, and its exit code.
    would: ([&'static str; 2], Option<&'static str>, i32),
    /// What the sync itself reports.
    did: ([&'static str; 2], Option<&'static str>, i32),
    /// The refs that move, and to what; no other may.
    moves: Vec<(String, CommitId)>,
    /// The lane's line of the text output.
    line: String,
}

/// A world behind the real proxy and the real `sshd`; upstream is empty.
fn world() -> World {
    World::builder().real().build()
}

/// A world whose upstream has both branches, and whose cache is in sync with it.
fn synced() -> (World, CommitId, CommitId) {
    let world = world();
    let main = world.upstream().commit("main").file("a.txt", "one\n").make();
    let gitops = world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    (world, main, gitops)
}

fn snapshot(commit: CommitId) -> String {
    format!("refs/mirror/snapshots/app/main/{commit}")
}

/// Runs one row dry and in earnest and proves what it is to bring, and that it brings nothing else.
#[track_caller]
fn check(world: &World, row: &Row) {
    let upstream = world.upstream().refs();
    let tunnels = world.tunnels();
    let cache = world.cache_folder();
    let before = Footprint::of(&cache);
    let mut refs = refs_of(&world.cache());

    let dry = world.mirror(&["sync"]);
    let (words, made, exit) = &row.would;
    let dry = dry.expect(*exit);
    assert_eq!(said(&dry), (words.map(str::to_owned), made.map(str::to_owned)), "dry run");
    assert_eq!(dry.report["dryRun"], true);
    before.expect_unchanged(&cache);

    copy(world, "cache", "cache-before");
    let done = world.mirror(&["sync", "--confirm", "--wait"]);
    let (words, made, exit) = &row.did;
    let done = done.expect(*exit);
    assert_eq!(said(&done), (words.map(str::to_owned), made.map(str::to_owned)));
    assert_eq!((&done.report["dryRun"], &done.report["ok"]), (&json!(false), &json!(*exit == 0)));
    for line in done.lane("main")["refs"].as_array().into_iter().flatten() {
        let name = line["ref"].as_str().unwrap_or_default();
        assert_eq!(line["before"], as_json(refs.get(name)), "before of {name}");
        assert_eq!(line["after"], as_json(world.cache().refs().get(name)), "after of {name}");
        assert_eq!(line["upstream"], as_json(upstream.get(name)), "upstream of {name}");
    }
    let changes = dry.lane("main")["refs"] == done.lane("main")["refs"];
    assert_eq!(changes, row.would.0 == row.did.0, "a dry run that knows enough predicts exactly what is done");
    refs.extend(row.moves.iter().cloned());
    assert_eq!(refs_of(&world.cache()), refs);
    world.cache().fsck();

    // The same again from the same cache, with text output.
    std::fs::remove_dir_all(&cache).expect("because the cache is there");
    copy(world, "cache-before", "cache");
    let result = world.mirror_as_text(&["sync", "--confirm", "--wait"]).expect(*exit);
    assert!(result.stdout.lines().any(|line| line == row.line), "no line\n{}\nin\n{}", row.line, result.stdout);
    assert_eq!(refs_of(&world.cache()), refs);

    assert_eq!(world.upstream().refs(), upstream, "a sync never changes upstream");
    assert_eq!(world.tinyproxy().wait_for_targets(tunnels + 3).len(), tunnels + 3, "one tunnel a run");
}

/// The refs of a cache, which may not be there.
fn refs_of(cache: &Repository) -> BTreeMap<String, CommitId> {
    if cache.path().exists() { cache.refs() } else { BTreeMap::new() }
}

/// What a run reports of the lane's branches and of its snapshot.
#[track_caller]
fn said(run: &Run) -> ([String; 2], Option<String>) {
    let lane = run.lane("main");
    let word = |of: &Value| of["outcome"].as_str().map(str::to_owned);
    let of_kind = |kind: &str| {
        let lines = lane["refs"].as_array().map(Vec::as_slice).unwrap_or_default();
        lines.iter().find(|line| line["kind"] == kind).and_then(word).unwrap_or_default()
    };
    ([of_kind("source"), of_kind("gitops")], lane["snapshots"].get(0).and_then(word))
}

fn as_json(commit: Option<&CommitId>) -> Value {
    commit.map_or(Value::Null, |commit| json!(commit.to_string()))
}

fn copy(world: &World, from: &str, to: &str) {
    let folder = world.sandbox().path();
    if folder.join(from).exists() {
        let copied = Command::new("cp").arg("-a").arg(folder.join(from)).arg(folder.join(to)).status();
        assert!(copied.is_ok_and(|status| status.success()), "{from} cannot be copied");
    } else {
        drop(std::fs::remove_dir_all(folder.join(to)));
    }
}

#[test]
fn source_up_to_date_with_its_snapshot() {
    let (world, _, _) = synced();
    let still = (["up-to-date", "up-to-date"], Some("present"), 0);
    check(
        &world,
        &Row {
            would: still, did: still, moves: vec![], line: "✓ main  main up to date; gitops up to date".to_owned()
        },
    );
}

#[test]
fn source_up_to_date_without_its_snapshot() {
    let (world, main, _) = synced();
    world.cache().delete_ref(&snapshot(main));
    let made = (["up-to-date", "up-to-date"], Some("created"), 0);
    let line = "✓ main  main up to date; gitops up to date; snapshot made".to_owned();
    check(&world, &Row { would: made, did: made, moves: vec![(snapshot(main), main)], line });
}

#[test]
fn source_and_gitops_created_in_a_new_cache() {
    let world = world();
    let main = world.upstream().commit("main").file("a.txt", "one\n").make();
    let gitops = world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    let created = (["created", "created"], Some("created"), 0);
    let moves = [(MAIN, main), (MAIN_SEEN, main), (GITOPS, gitops), (GITOPS_SEEN, gitops)];
    let mut moves: Vec<_> = moves.map(|(name, to)| (name.to_owned(), to)).into();
    moves.push((snapshot(main), main));
    let line = format!("✓ main  main created at {}; gitops created at {}; snapshot made", main.short(), gitops.short());
    check(&world, &Row { would: created, did: created, moves, line });
}

#[test]
fn source_fast_forwarded() {
    let (world, old, _) = synced();
    world.upstream().commit("main").file("a.txt", "two\n").make();
    let new = world.upstream().commit("main").file("a.txt", "three\n").make();
    check(
        &world,
        &Row {
            would: (["needs-objects", "up-to-date"], Some("needs-objects"), 0),
            did: (["fast-forwarded", "up-to-date"], Some("created"), 0),
            moves: vec![(snapshot(new), new), (MAIN.to_owned(), new), (MAIN_SEEN.to_owned(), new)],
            line: format!(
                "✓ main  main forwarded {} → {} (2 commits); gitops up to date; snapshot made",
                old.short(),
                new.short()
            ),
        },
    );
}

#[test]
fn source_rewound_to_an_older_commit() {
    let (world, old, _) = synced();
    let new = world.upstream().commit("main").file("a.txt", "two\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    world.upstream().set_ref(MAIN, old);
    let rewound = (["rewound", "up-to-date"], Some("present"), 0);
    let moves = vec![(MAIN.to_owned(), old), (MAIN_SEEN.to_owned(), old)];
    let line = format!(
        "✓ main  main rewound {} → {} as upstream was (its snapshot keeps the old tip); gitops up to date",
        new.short(),
        old.short()
    );
    check(&world, &Row { would: rewound, did: rewound, moves, line });
    assert_eq!(world.cache().rev(&snapshot(new)), Some(new), "the old tip stays readable");
}

#[test]
fn source_rewound_to_another_history() {
    let (world, old, _) = synced();
    let new = world.upstream().commit("main").root().file("a.txt", "rewritten\n").make();
    check(
        &world,
        &Row {
            would: (["needs-objects", "up-to-date"], Some("needs-objects"), 0),
            did: (["rewound", "up-to-date"], Some("created"), 0),
            moves: vec![(snapshot(new), new), (MAIN.to_owned(), new), (MAIN_SEEN.to_owned(), new)],
            line: format!(
                "✓ main  main rewound {} → {} as upstream was (its snapshot keeps the old tip); gitops up to date; snapshot made",
                old.short(),
                new.short()
            ),
        },
    );
    assert_eq!(world.cache().rev(&snapshot(old)), Some(old), "the old tip stays readable");
}

#[test]
fn source_gone_upstream() {
    let (world, _, _) = synced();
    world.upstream().delete_ref(MAIN);
    let gone = (["gone-upstream", "up-to-date"], None, 3);
    let line = "! main  upstream has no main; nothing is deleted here; gitops up to date".to_owned();
    check(&world, &Row { would: gone, did: gone, moves: vec![], line });
    let status = world.mirror(&["status"]);
    assert_eq!(status.lane("main")["githubSource"]["commit"], Value::Null, "a status does not show a deleted branch");
}

#[test]
fn gitops_absent_on_both_sides() {
    let world = world();
    let main = world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    assert_eq!(world.cache().branch("main"), Some(main));
    let absent = (["up-to-date", "absent"], Some("present"), 0);
    let line = "✓ main  main up to date; gitops is neither here nor upstream".to_owned();
    check(&world, &Row { would: absent, did: absent, moves: vec![], line });
}

#[test]
fn gitops_created() {
    let world = world();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let gitops = world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    let created = (["up-to-date", "created"], Some("present"), 0);
    let moves = vec![(GITOPS.to_owned(), gitops), (GITOPS_SEEN.to_owned(), gitops)];
    let line = format!("✓ main  gitops created at {}; main up to date", gitops.short());
    check(&world, &Row { would: created, did: created, moves, line });
}

#[test]
fn gitops_pending_where_upstream_has_none() {
    let world = world();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    world.cache().commit("gitops").file("deployed", "one\n").make();
    let pending = (["up-to-date", "pending-flush"], Some("present"), 3);
    let line = "! main  gitops has commits to flush; main up to date".to_owned();
    check(&world, &Row { would: pending, did: pending, moves: vec![], line });
}

#[test]
fn gitops_pending_where_upstream_is_behind() {
    let (world, _, _) = synced();
    world.cache().commit("gitops").file("deployed", "two\n").make();
    world.cache().commit("gitops").file("deployed", "three\n").make();
    let pending = (["up-to-date", "pending-flush"], Some("present"), 3);
    let line = "! main  gitops has 2 commits to flush; main up to date".to_owned();
    check(&world, &Row { would: pending, did: pending, moves: vec![], line });
}

#[test]
fn gitops_fast_forwarded() {
    let (world, _, old) = synced();
    let new = world.upstream().commit("gitops").file("deployed", "two\n").make();
    check(
        &world,
        &Row {
            would: (["up-to-date", "needs-objects"], Some("present"), 0),
            did: (["up-to-date", "fast-forwarded"], Some("present"), 0),
            moves: vec![(GITOPS.to_owned(), new), (GITOPS_SEEN.to_owned(), new)],
            line: format!("✓ main  gitops forwarded {} → {} (1 commit); main up to date", old.short(), new.short()),
        },
    );
}

#[test]
fn gitops_fast_forwarded_to_known_commits() {
    let (world, _, old) = synced();
    let new = world.upstream().commit("gitops").file("deployed", "two\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    world.cache().set_ref(GITOPS, old);
    let forwarded = (["up-to-date", "fast-forwarded"], Some("present"), 0);
    let line = format!("✓ main  gitops forwarded {} → {} (1 commit); main up to date", old.short(), new.short());
    check(&world, &Row { would: forwarded, did: forwarded, moves: vec![(GITOPS.to_owned(), new)], line });
}

#[test]
fn gitops_diverged() {
    let (world, _, base) = synced();
    let local = world.cache().commit("gitops").file("deployed", "here\n").make();
    world.cache().commit("gitops").file("deployed", "here again\n").make();
    let theirs = world.upstream().commit("gitops").file("deployed", "there\n").make();
    let row = Row {
        would: (["up-to-date", "needs-objects"], Some("present"), 0),
        did: (["up-to-date", "diverged"], Some("present"), 3),
        moves: vec![(GITOPS_SEEN.to_owned(), theirs)],
        line: "! main  gitops diverged: 2 only here, 1 only upstream; left as it is; main up to date".to_owned(),
    };
    check(&world, &row);
    // Now that upstream's commits are here, a dry run can predict it as well.
    let diverged = (["up-to-date", "diverged"], Some("present"), 3);
    check(&world, &Row { would: diverged, did: diverged, moves: vec![], line: row.line });

    let run = world.mirror(&["sync"]).expect(3);
    let line = &run.lane("main")["refs"][1];
    assert_eq!((&line["ahead"], &line["behind"]), (&json!(2), &json!(1)));
    assert_eq!(line["mergeBase"], json!(base.to_string()));
    assert!(world.cache().has(local));
}

#[test]
fn every_combination_of_declared_further_refs() {
    let (mut world, main, _) = synced();
    world.configure(|config| {
        config["repositories"]["app"]["tags"] = json!(["v*"]);
        config["repositories"]["app"]["branches"] = json!(["docs", "gone", "moved"]);
    });
    let upstream = world.upstream();
    let docs = upstream.commit("docs").root().file("d", "one\n").make();
    let moved = upstream.commit("moved").root().file("m", "one\n").make();
    upstream.run(["tag", "v1", &main.to_string()]);
    upstream.run(["tag", "--annotate", "--message=two", "v2", &main.to_string()]);
    upstream.run(["tag", "other", &main.to_string()]);
    upstream.commit("undeclared").root().file("u", "one\n").make();
    let annotated = upstream.refs()["refs/tags/v2"];
    let mut refs = world.cache().refs();

    let run = world.mirror(&["sync", "--confirm"]).expect(3);
    let expected: [Word; 5] = [
        ("refs/heads/docs", "created"),
        ("refs/heads/gone", "gone-upstream"),
        ("refs/heads/moved", "created"),
        ("refs/tags/v1", "created"),
        ("refs/tags/v2", "created"),
    ];
    assert_eq!(further(&run), expected.map(|(name, word)| (name.to_owned(), word.to_owned())));
    refs.extend([
        ("refs/heads/docs".to_owned(), docs),
        ("refs/heads/moved".to_owned(), moved),
        ("refs/mirror-stage/heads/docs".to_owned(), docs),
        ("refs/mirror-stage/heads/moved".to_owned(), moved),
        ("refs/tags/v1".to_owned(), main),
        ("refs/tags/v2".to_owned(), annotated),
    ]);
    assert_eq!(world.cache().refs(), refs);

    // Upstream changes: a fast-forward, a rewind, a moved tag, a deleted tag and a deleted branch.
    let forward = upstream.commit("docs").file("d", "two\n").make();
    let away = upstream.commit("moved").root().file("m", "other\n").make();
    upstream.run(["tag", "--force", "v1", &away.to_string()]);
    upstream.run(["tag", "--delete", "v2"]);
    let before = Footprint::of(&world.cache_folder());
    world.mirror(&["sync"]).expect(3);
    before.expect_unchanged(&world.cache_folder());
    let run = world.mirror(&["sync", "--confirm"]).expect(3);
    let expected: [Word; 4] = [
        ("refs/heads/docs", "fast-forwarded"),
        ("refs/heads/gone", "gone-upstream"),
        ("refs/heads/moved", "rewound"),
        ("refs/tags/v1", "rewound"),
    ];
    assert_eq!(further(&run), expected.map(|(name, word)| (name.to_owned(), word.to_owned())));
    refs.extend([
        ("refs/heads/docs".to_owned(), forward),
        ("refs/heads/moved".to_owned(), away),
        ("refs/mirror-stage/heads/docs".to_owned(), forward),
        ("refs/mirror-stage/heads/moved".to_owned(), away),
        ("refs/tags/v1".to_owned(), away),
    ]);
    assert_eq!(world.cache().refs(), refs, "the tag that upstream dropped stays");
    world.cache().fsck();
}

fn further(run: &Run) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = run.lane("main")["refs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let further = lines.iter().filter(|line| line["kind"] == "branch" || line["kind"] == "tag");
    further.map(|line| (text(&line["ref"]), text(&line["outcome"]))).collect()
}

#[test]
fn a_failed_snapshot_holds_its_branch_back() {
    let (world, old, _) = synced();
    // A ref whose file is where the folder of the snapshots has to be.
    world.cache().delete_ref(&snapshot(old));
    world.cache().set_ref("refs/mirror/snapshots/app/main", old);
    world.upstream().commit("main").file("a.txt", "two\n").make();
    let refs = world.cache().refs();
    let run = world.mirror(&["sync", "--confirm"]).expect(1);
    assert!(run.lane("main")["fault"]["message"].is_string(), "{}", run.stdout);
    assert_eq!(world.cache().refs(), refs, "no commit is published whose snapshot is missing");
}

#[test]
fn a_diverged_lane_stops_no_other() {
    let mut world = world();
    world.configure(|config| {
        let lane = |source: &str, gitops: &str| json!({ "repository": "app", "source": { "branch": source, "snapshotGroup": "app" }, "gitops": { "branch": gitops } });
        config["nodes"]["local"]["lanes"] =
            json!({ "apart": lane("v1", "v1-gitops"), "gone": lane("v2", "v2-gitops"), "well": lane("v3", "v3-gitops") });
    });
    let upstream = world.upstream();
    for branch in ["v1", "v2", "v3", "v1-gitops", "v2-gitops", "v3-gitops"] {
        upstream.commit(branch).root().file("file", branch).make();
    }
    world.mirror(&["sync", "--confirm"]).expect(0);
    world.cache().commit("v1-gitops").file("file", "here\n").make();
    upstream.commit("v1-gitops").file("file", "there\n").make();
    upstream.delete_ref("refs/heads/v2");
    let source = upstream.commit("v3").file("file", "new\n").make();
    let gitops = upstream.commit("v3-gitops").file("file", "new\n").make();

    let tunnels = world.tunnels();
    let run = world.mirror(&["sync", "--confirm"]).expect(3);
    assert_eq!(world.tinyproxy().wait_for_targets(tunnels + 1).len(), tunnels + 1, "one tunnel for all lanes");
    assert_eq!(run.lane("apart")["refs"][1]["outcome"], "diverged");
    assert_eq!(run.lane("gone")["refs"][0]["outcome"], "gone-upstream");
    assert_eq!(
        (&run.lane("apart")["ok"], &run.lane("gone")["ok"], &run.lane("well")["ok"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!((world.cache().branch("v3"), world.cache().branch("v3-gitops")), (Some(source), Some(gitops)));
    assert_eq!(world.cache().rev(&format!("refs/mirror/snapshots/app/v3/{source}")), Some(source));

    // A lane by its name is judged by itself.
    world.mirror(&["sync", "--confirm", "--lane", "WELL"]).expect(0);
    let next = run.report["next"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let next: Vec<_> = next.filter(|command| command.contains("--lane apart")).collect();
    assert!(
        next.iter().all(|command| command.contains("lane resolve --node local --lane apart --adopt-upstream")),
        "{next:?}"
    );
    assert_eq!(next.len(), 1);
}

#[test]
fn sync_works_by_version_0() {
    let world = World::builder().real().protocol(mirror_tests::sshhost::GitProtocol::Dropped).build();
    let main = world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    assert_eq!(world.cache().branch("main"), Some(main));
    let second = world.upstream().commit("main").file("a.txt", "two\n").make();
    let run = world.mirror(&["sync", "--confirm"]).expect(0);
    assert_eq!(run.lane("main")["refs"][0]["outcome"], "fast-forwarded");
    assert_eq!(world.cache().branch("main"), Some(second));
    world.cache().fsck();
}
