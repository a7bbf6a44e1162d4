//! The table of flush, row by row: the real program against OpenSSH's `sshd` and git's receive-pack, through tinyproxy.
//!
//! Every row is run dry first, and not a byte of the cache or of upstream may differ; then twice in earnest from the same state, once
//! with JSON and once with text output, and both have to end the same. Upstream's behaviour is set by its own hooks and configuration, so
//! its messages are git's.

use std::collections::BTreeMap;
use std::process::Command;

use mirror_core::name::CommitId;
use mirror_tests::flushing::{GITOPS, Pending, answer_with, assert_has, hook, once_moved};
use mirror_tests::footprint::Footprint;
use mirror_tests::sshhost::GitProtocol;
use mirror_tests::world::World;
use serde_json::{Value, json};

const GITOPS_SEEN: &str = "refs/mirror-stage/heads/gitops";

/// What is to come of one row.
struct Row {
    /// The outcome and exit code of the dry run.
    would: (&'static str, i32),
    /// The outcome and exit code of the flush.
    did: (&'static str, i32),
    /// The other fields of the lane's object; keys that are left out may hold anything.
    lane: Value,
    /// What upstream's GitOps branch is afterwards.
    upstream: Option<CommitId>,
    /// The refs of the cache that move, and to what; no other may.
    moves: Vec<(&'static str, CommitId)>,
    /// How the lane's line of the text output begins.
    line: String,
}

/// Runs one row dry and in earnest and proves what it is to bring, and that it brings nothing else.
#[track_caller]
fn check(world: &World, row: &Row) {
    let folder = world.sandbox().path();
    let tunnels = world.tunnels();
    let before = (Footprint::of(&world.cache_folder()), Footprint::of(world.upstream().path()));
    let mut refs = world.cache().refs();
    let mut upstream = world.upstream().refs();
    match row.upstream {
        Some(commit) => upstream.insert(GITOPS.to_owned(), commit),
        None => upstream.remove(GITOPS),
    };
    refs.extend(row.moves.iter().map(|(name, to)| ((*name).to_owned(), *to)));

    let dry = world.mirror(&["flush"]).expect(row.would.1);
    assert_eq!((&dry.lane("main")["outcome"], &dry.report["dryRun"]), (&json!(row.would.0), &json!(true)), "dry run");
    before.0.expect_unchanged(&world.cache_folder());
    before.1.expect_unchanged(world.upstream().path());

    for name in ["cache", "upstream.git"] {
        copy(world, name, &format!("{name}-before"));
    }
    let done = world.mirror(&["flush", "--confirm", "--wait"]).expect(row.did.1);
    let lane = done.lane("main");
    assert_eq!((&lane["outcome"], &lane["ok"]), (&json!(row.did.0), &json!(row.did.1 == 0)), "{}", done.stdout);
    assert_has(lane, &row.lane);
    assert_eq!(lane["local"], as_json(world.cache().branch("gitops")));
    assert_eq!(world.upstream().refs(), upstream, "upstream");
    assert_eq!(world.cache().refs(), refs, "cache");
    world.upstream().fsck();
    world.cache().fsck();

    // The same again from the same state, with text output.
    for name in ["cache", "upstream.git"] {
        std::fs::remove_dir_all(folder.join(name)).expect("because it is there");
        copy(world, &format!("{name}-before"), name);
    }
    let result = world.mirror_as_text(&["flush", "--confirm", "--wait"]).expect(row.did.1);
    assert!(
        result.stdout.lines().any(|line| line.starts_with(&row.line)),
        "no line\n{}\nin\n{}",
        row.line,
        result.stdout
    );
    assert_eq!(without_new_commits(world, &upstream), without_new_commits(world, &world.upstream().refs()));

    let looks = if row.would.0 == "absent" { 0 } else { 3 };
    assert_eq!(world.tinyproxy().wait_for_targets(tunnels + looks).len(), tunnels + looks, "one tunnel a run");
    assert_eq!(world.openssh().connections() as usize, tunnels + looks, "one connection a run");
}

/// A hook's commit has another time on every run; what is compared is which refs there are, and the values of all others.
fn without_new_commits(world: &World, refs: &BTreeMap<String, CommitId>) -> BTreeMap<String, Option<CommitId>> {
    let hook = world.upstream().path().join("hooks/reference-transaction").exists();
    refs.iter().map(|(name, id)| (name.clone(), (!hook || name != GITOPS).then_some(*id))).collect()
}

fn as_json(commit: Option<CommitId>) -> Value {
    commit.map_or(Value::Null, |commit| json!(commit.to_string()))
}

fn copy(world: &World, from: &str, to: &str) {
    let folder = world.sandbox().path();
    let copied = Command::new("cp").arg("-a").arg(folder.join(from)).arg(folder.join(to)).status();
    assert!(copied.is_ok_and(|status| status.success()), "{from} cannot be copied");
}

/// A row whose push is refused for good.
fn refused(base: CommitId, class: &str, words: &str) -> Row {
    Row {
        would: ("would-push", 0),
        did: ("rejected", 1),
        lane: json!({
            "push": { "outcome": "rejected", "attempts": 1, "rejection": { "class": class, "words": words } },
            "recheck": null, "partialSuccess": null, "pendingFlush": true, "githubInSync": false,
        }),
        upstream: Some(base),
        moves: vec![],
        line: format!("✗ main  upstream refused 2 commits of gitops: {class}"),
    }
}

/// A row whose push is accepted and proved.
fn flushed(expected: Option<CommitId>, local: CommitId) -> Row {
    Row {
        would: ("would-push", 0),
        did: ("flushed", 0),
        lane: json!({
            "upstream": local.to_string(),
            "push": { "outcome": "accepted", "attempts": 1, "expected": as_json(expected), "new": local.to_string(), "rejection": null },
            "recheck": { "looks": 1, "tip": local.to_string(), "containsLocal": true },
            "partialSuccess": null, "partialSuccessRecovered": false, "postPushRecovery": null,
            "pendingFlush": false, "githubInSync": true, "ahead": 0, "behind": 0, "diverged": false,
            "githubGitops": { "ref": GITOPS_SEEN, "commit": local.to_string() },
        }),
        upstream: Some(local),
        moves: vec![(GITOPS_SEEN, local)],
        line: format!("✓ main  flushed: upstream has gitops at {}, seen ", local.short()),
    }
}

/// A row with nothing to push.
fn nothing_sent(outcome: &'static str, exit: i32, upstream: CommitId, line: String) -> Row {
    Row {
        would: (outcome, exit),
        did: (outcome, exit),
        lane: json!({ "push": { "outcome": "not-sent", "attempts": 0 }, "recheck": null, "upstream": upstream.to_string() }),
        upstream: Some(upstream),
        moves: vec![],
        line,
    }
}

#[test]
fn no_gitops_branch_here() {
    let world = World::builder().real().build();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let row = Row {
        would: ("absent", 0),
        did: ("absent", 0),
        lane: json!({ "push": null, "recheck": null }),
        upstream: None,
        moves: vec![],
        line: "✓ main  no gitops here, nothing to flush".to_owned(),
    };
    check(&world, &row);
}

#[test]
fn observe_tip_is_the_local_one() {
    let world = World::builder().real().build();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    let tip = world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let line = format!("✓ main  nothing to flush: upstream has gitops at {}, seen ", tip.short());
    check(&world, &nothing_sent("up-to-date", 0, tip, line));
}

#[test]
fn observe_tip_absent() {
    let world = World::builder().real().build();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let local = world.cache().commit("gitops").root().file("deployed", "one\n").make();
    check(&world, &flushed(None, local));
}

#[test]
fn observe_tip_is_an_ancestor() {
    let Pending { world, base, local, .. } = Pending::real();
    check(&world, &flushed(Some(base), local));
}

#[test]
fn observe_tip_is_an_ancestor_by_version_0() {
    let world = World::builder().real().protocol(GitProtocol::Dropped).build();
    let Pending { world, base, local, .. } = Pending::within(world);
    check(&world, &flushed(Some(base), local));
}

#[test]
fn observe_local_is_behind_an_unknown_tip() {
    let world = World::builder().real().build();
    world.upstream().commit("main").file("a.txt", "one\n").make();
    world.upstream().commit("gitops").root().file("deployed", "one\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    let tip = world.upstream().commit("gitops").file("deployed", "two\n").make();
    let line = format!("! main  nothing to flush: upstream's gitops is ahead at {}; a sync follows it", tip.short());
    let row =
        Row { would: ("needs-objects", 0), moves: vec![(GITOPS_SEEN, tip)], ..nothing_sent("behind", 3, tip, line) };
    check(&world, &row);
    assert!(world.cache().has(tip), "it was fetched on the same connection");
}

#[test]
fn observe_local_is_behind_a_known_tip() {
    let Pending { world, base, local, .. } = Pending::real();
    world.mirror(&["flush", "--confirm"]).expect(0);
    world.cache().set_ref(GITOPS, base);
    let line = format!("! main  nothing to flush: upstream's gitops is ahead at {}; a sync follows it", local.short());
    check(&world, &nothing_sent("behind", 3, local, line));
}

#[test]
fn observe_neither_contains_the_other() {
    let Pending { world, base, .. } = Pending::real();
    let theirs = world.upstream().commit("gitops").file("deployed", "there\n").make();
    let line = "! main  gitops diverged: 2 only here, 1 only upstream; nothing was forced".to_owned();
    let row = Row {
        would: ("needs-objects", 0),
        lane: json!({
            "push": { "outcome": "not-sent", "attempts": 0 }, "mergeBase": base.to_string(),
            "diverged": true, "pendingFlush": true, "ahead": 2, "behind": 1,
        }),
        moves: vec![(GITOPS_SEEN, theirs)],
        ..nothing_sent("diverged", 3, theirs, line)
    };
    check(&world, &row);
}

#[test]
fn push_refused_by_a_hook() {
    let Pending { world, base, .. } = Pending::real();
    let words = "pre-receive hook declined (policy: deploys are frozen until Monday)";
    hook(&world, "pre-receive", "echo 'policy: deploys are frozen until Monday' >&2; exit 1");
    check(&world, &refused(base, "hook-declined", words));
    let result = world.mirror_as_text(&["flush", "--confirm"]).expect(1);
    assert!(result.stdout.contains(&format!("upstream says: {words}")), "{}", result.stdout);
}

#[test]
fn push_refused_by_an_update_hook() {
    let Pending { world, base, .. } = Pending::real();
    hook(&world, "update", "exit 1");
    check(&world, &refused(base, "hook-declined", "hook declined (error: hook declined to update refs/heads/gitops)"));
}

#[test]
fn push_refused_as_protected() {
    let Pending { world, base, .. } = Pending::real();
    answer_with(&world, "ng", "protected branch hook declined");
    check(&world, &refused(base, "protected", "protected branch hook declined"));
}

#[test]
fn push_refused_to_a_hidden_ref() {
    let Pending { world, base, .. } = Pending::real();
    // Hidden from pushes only: `ls-refs` still lists it.
    world.upstream().configure("receive.hideRefs", GITOPS);
    // How many commits upstream lacks cannot be known from a list without the branch.
    let line = "✗ main  upstream refused commits of gitops: protected".to_owned();
    check(&world, &Row { line, ..refused(base, "protected", "deny updating a hidden ref") });
}

#[test]
fn push_refused_without_permission() {
    let Pending { world, base, .. } = Pending::real();
    answer_with(&world, "ng", "permission denied to a deploy key");
    check(&world, &refused(base, "no-permission", "permission denied to a deploy key"));
}

#[test]
fn push_refused_with_an_unknown_reason() {
    let Pending { world, base, .. } = Pending::real();
    answer_with(&world, "ng", "the moon is full");
    check(&world, &refused(base, "other", "the moon is full"));
}

#[test]
fn a_read_only_key_is_refused_before_sending() {
    // As GitHub does it: a message on stderr, and the end of the channel.
    let say = "echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2; exit 1";
    let force = format!(
        "ForceCommand case \"$SSH_ORIGINAL_COMMAND\" in git-receive-pack*) {say};; *) eval \"$SSH_ORIGINAL_COMMAND\";; esac"
    );
    let Pending { world, base, .. } = Pending::within(World::builder().real().sshd(&force).build());
    let tunnels = world.tunnels();
    let run = world.mirror(&["flush", "--confirm"]).expect(5);
    let lane = run.lane("main");
    assert_eq!(
        (&lane["outcome"], &lane["push"]["outcome"]),
        (&json!("not-flushed"), &json!("not-sent")),
        "{}",
        run.stdout
    );
    assert!(lane["fault"].to_string().contains("has been marked as read only"), "{}", lane["fault"]);
    assert_eq!(world.upstream().branch("gitops"), Some(base));
    assert_eq!(world.tinyproxy().wait_for_targets(tunnels + 1).len(), tunnels + 1, "a refusal is not tried again");
}

#[test]
fn push_stale_then_again_from_the_new_tip() {
    let Pending { world, first, local, .. } = Pending::real();
    // Another writer has pushed the first of our commits, and moves the branch to it between our observation and our push.
    world
        .git(
            world.cache().path(),
            ["push", "--quiet", &world.url(world.upstream()), &format!("{first}:refs/heads/other")],
        )
        .status()
        .expect("because git runs");
    let connections = world.openssh().connections();
    hook(&world, "pre-receive", &format!("once && git update-ref {GITOPS} {first}\nexit 0"));
    let run = world.mirror(&["flush", "--confirm"]).expect(0);
    let lane = run.lane("main");
    assert_eq!((&lane["outcome"], &lane["push"]["attempts"]), (&json!("flushed"), &json!(2)));
    assert_eq!(lane["push"]["expected"], json!(first.to_string()), "the second push expects what was seen then");
    assert_eq!(lane["pendingFlush"], false);
    assert_eq!(world.upstream().branch("gitops"), Some(local));
    assert_eq!(world.openssh().connections(), connections + 1, "both rounds went over one connection");
    world.upstream().fsck();
}

#[test]
fn push_stale_then_diverged() {
    let Pending { world, base, local, .. } = Pending::real();
    // Another writer's commit is ready, and the branch moves to it between our observation and our push.
    let theirs = world.upstream().commit("other").on(base).file("deployed", "there\n").make();
    hook(&world, "pre-receive", &format!("once && git update-ref {GITOPS} {theirs}\nexit 0"));
    let run = world.mirror(&["flush", "--confirm"]).expect(3);
    let lane = run.lane("main");
    assert_eq!((&lane["outcome"], &lane["push"]["outcome"]), (&json!("diverged"), &json!("rejected")));
    assert_eq!((&lane["diverged"], &lane["mergeBase"]), (&json!(true), &json!(base.to_string())));
    assert_eq!(world.upstream().branch("gitops"), Some(theirs), "nothing was forced");
    assert_eq!(world.cache().branch("gitops"), Some(local), "nothing was lost");
}

#[test]
fn push_retries_after_a_lost_lock_race() {
    let Pending { world, base, local, .. } = Pending::real();
    hook(
        &world,
        "pre-receive",
        &format!("if once; then : >\"$GIT_DIR/{GITOPS}.lock\"; else rm \"$GIT_DIR/{GITOPS}.lock\"; fi"),
    );
    let run = world.mirror(&["flush", "--confirm"]).expect(0);
    let lane = run.lane("main");
    assert_eq!((&lane["outcome"], &lane["push"]["attempts"]), (&json!("flushed"), &json!(2)));
    assert_eq!(
        (&lane["push"]["rejection"]["class"], &lane["push"]["expected"]),
        (&json!("lock-race"), &json!(base.to_string()))
    );
    assert_eq!(world.upstream().branch("gitops"), Some(local));
}

#[test]
fn push_ends_after_too_many_races() {
    let Pending { world, base, .. } = Pending::real();
    answer_with(&world, "ng", "non-fast-forward");
    let row = Row {
        did: ("rejected", 4),
        lane: json!({
            "push": { "outcome": "rejected", "attempts": 4, "rejection": { "class": "non-fast-forward", "words": "non-fast-forward" } },
            "pendingFlush": true,
        }),
        ..refused(base, "non-fast-forward", "non-fast-forward")
    };
    check(&world, &row);
}

#[test]
fn recheck_tip_contains_local() {
    let Pending { world, base, local, .. } = Pending::real();
    // Another writer builds on our commit as soon as it is there, before the recheck.
    let commit = "git -c user.name=Bo -c user.email=bo@example.invalid commit-tree -p \"$new\" -m next \"$new^{tree}\"";
    once_moved(&world, &format!("tip=$({commit}) && git update-ref \"$name\" \"$tip\" \"$new\""));
    let tunnels = world.tunnels();
    let run = world.mirror(&["flush", "--confirm"]).expect(0);
    let tip = world.upstream().branch("gitops").expect("because it was pushed");
    assert_ne!(tip, local, "the hook built on it");
    assert_has(
        run.lane("main"),
        &json!({
            "outcome": "contained", "upstream": tip.to_string(), "pendingFlush": false, "githubInSync": false, "behind": 1,
            "push": { "outcome": "accepted", "attempts": 1, "expected": base.to_string(), "new": local.to_string() },
            "recheck": { "looks": 1, "tip": tip.to_string(), "containsLocal": true },
        }),
    );
    assert_eq!(
        world.tinyproxy().wait_for_targets(tunnels + 1).len(),
        tunnels + 1,
        "the newer tip came over the same tunnel"
    );
    assert_eq!(world.cache().branch("gitops"), Some(local), "a sync follows the newer tip, not the flush");
    let next = run.report["next"][0].as_str().unwrap_or_default();
    assert!(next.contains("sync --node local --lane main --confirm --wait"), "{next}");
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.cache().branch("gitops"), Some(tip));
}

#[test]
fn lanes_share_one_tunnel_and_fail_independently() {
    let mut world = World::builder().real().build();
    world.configure(|config| {
        let lane = |source: &str, gitops: &str| json!({ "repository": "app", "source": { "branch": source, "snapshotGroup": "app" }, "gitops": { "branch": gitops } });
        config["nodes"]["local"]["lanes"] = json!({ "a": lane("v1", "v1-gitops"), "b": lane("v2", "v2-gitops"), "c": lane("v3", "v3-gitops") });
    });
    for branch in ["v1", "v2", "v3", "v1-gitops", "v2-gitops", "v3-gitops"] {
        world.upstream().commit(branch).root().file("file", branch).make();
    }
    world.mirror(&["sync", "--confirm"]).expect(0);
    let tips: Vec<_> = ["v1-gitops", "v2-gitops", "v3-gitops"]
        .map(|branch| world.cache().commit(branch).file("file", "new\n").make())
        .into();
    hook(&world, "update", "[ \"$1\" != refs/heads/v2-gitops ]");
    let tunnels = world.tunnels();
    let run = world.mirror(&["flush", "--confirm"]).expect(1);
    let words = ["a", "b", "c"].map(|lane| run.lane(lane)["outcome"].as_str().unwrap_or_default().to_owned());
    assert_eq!(words, ["flushed", "rejected", "flushed"]);
    assert_eq!(
        (world.upstream().branch("v1-gitops"), world.upstream().branch("v3-gitops")),
        (Some(tips[0]), Some(tips[2]))
    );
    assert_eq!(world.tinyproxy().wait_for_targets(tunnels + 1).len(), tunnels + 1, "one tunnel for all lanes");
}
