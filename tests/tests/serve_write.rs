//! Promotions are pushed to the server: what it accepts, what it refuses and with which message, and what either leaves.
//!
//! Tokens and their rights are in `serve_tokens`, kills in `serve_crash`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mirror_core::name::CommitId;
use mirror_tests::gitclient::{GitClient, Token};
use mirror_tests::http;
use mirror_tests::leftovers::leftovers;
use mirror_tests::procfs;
use mirror_tests::rawpush::{self, RawPush};
use mirror_tests::sandbox::{Answer, Repository};
use mirror_tests::server::{Served, became, small_world};
use mirror_tests::world::{REPOSITORY, Run};
use serde_json::{Value, json};

const GITOPS: &str = "refs/heads/gitops";

/// A small server, a writer's token, and a clone in which promotions are made.
struct Promotion {
    served: Served,
    token: Token,
    work: Repository,
}

impl Promotion {
    fn begin() -> Self {
        Self::on(|_| {})
    }

    fn on(change: impl FnOnce(&mut Value)) -> Self {
        let served = Served::small(change);
        let token = served.token("promoter", &[]);
        let work = served.client().clone_bare(&served.url(), "work", &[]);
        Self { served, token, work }
    }

    fn client(&self) -> GitClient {
        self.served.client().with(&self.token)
    }

    fn push(&self, words: &[&str]) -> Answer {
        push(&self.client(), &self.served, &self.work, words)
    }

    /// The tip as the server has it.
    fn tip(&self) -> CommitId {
        self.served.world.cache().branch("gitops").expect("because it was synced")
    }

    /// Makes a commit on top of the branch; the server does not have it yet.
    fn commit(&self, content: &str) -> CommitId {
        self.work.commit("gitops").file("deployed", format!("{content}\n")).make()
    }

    /// Proves that nothing of a push is left but what its refs name.
    fn prove_whole(&self) {
        self.served.world.cache().fsck();
        // The answer may be sent before the last file of the push is removed.
        let cache = self.served.world.cache();
        assert!(became(|| leftovers(cache.path()).is_empty()), "{:?}", leftovers(cache.path()));
    }
}

fn push(client: &GitClient, served: &Served, from: &Repository, words: &[&str]) -> Answer {
    let url = served.url();
    let mut all = vec!["push"];
    let (options, refs): (Vec<&str>, Vec<&str>) = words.iter().copied().partition(|word| word.starts_with("--"));
    all.extend(options);
    all.push(&url);
    all.extend(refs);
    client.ask(from.path(), all)
}

#[track_caller]
fn accepted(answer: &Answer) {
    assert!(answer.status.success(), "{}{}", answer.text(), answer.stderr);
}

#[track_caller]
fn refused(answer: &Answer, words: &[&str]) {
    assert!(!answer.status.success(), "it was accepted: {}{}", answer.text(), answer.stderr);
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?} in\n{}", answer.stderr);
    }
}

/// Bytes that do not compress, the same for the same seed.
///
/// # Source
/// Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

#[test]
fn a_lane_that_only_builds_is_synced_and_served_and_takes_no_push() {
    let built = || json!({ "repository": REPOSITORY, "source": { "branch": "main", "snapshotGroup": "built" } });
    let mut world = small_world();
    world.configure(|config| config["nodes"]["local"]["lanes"]["built"] = built());
    let synced = world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    let refs = synced.lane("built")["refs"].clone();
    let branches: Vec<_> = refs.as_array().into_iter().flatten().filter(|one| one["kind"] != "tag").collect();
    assert_eq!(branches.len(), 1, "its source alone: {}", synced.stdout);
    assert_eq!((&branches[0]["kind"], &branches[0]["ref"]), (&json!("source"), &json!("refs/heads/main")));

    let status = world.mirror(&["status", "--lane", "built"]).expect(0);
    let lane = status.lane("built");
    assert_eq!((&lane["localGitops"], &lane["githubGitops"]), (&Value::Null, &Value::Null), "{}", status.stdout);
    assert_eq!((&lane["pendingFlush"], &lane["githubInSync"]), (&json!(false), &json!(true)), "{}", status.stdout);
    let snapshot = lane["snapshot"]["ref"].as_str().expect("because the source was synced").to_owned();
    for mode in ["--dry-run", "--confirm"] {
        assert_eq!(world.mirror(&["flush", mode, "--lane", "built"]).expect(0).lane("built")["outcome"], "no-gitops");
        let resolved = world.mirror(&["lane", "resolve", "--adopt-upstream", mode, "--lane", "built"]).expect(0);
        assert_eq!(resolved.lane("built")["resolution"], Value::Null, "{}", resolved.stdout);
    }

    let site = Served::start(world, |_| {});
    let work = site.client().clone_bare(&site.url(), "work", &[]);
    let read = site.client().ask(work.path(), ["fetch", &site.url(), &snapshot]);
    assert!(read.status.success(), "{}", read.stderr);
    let client = site.client().with(&site.token("promoter", &[]));
    work.commit("main").file("built", "here\n").make();
    refused(&push(&client, &site, &work, &["main"]), &["read-only here", "only GitOps branch refs/heads/gitops"]);

    // Where no lane has a GitOps branch, no push at all is let in.
    let Served { mut world, server } = site;
    drop(server);
    world.configure(|config| config["nodes"]["local"]["lanes"] = json!({ "built": built() }));
    let site = Served::start(world, |_| {});
    let client = site.client().with(&site.token("builder", &[]));
    refused(&push(&client, &site, &work, &["main"]), &["nothing can be pushed", "no lane of it has a GitOps branch"]);
    assert_eq!(site.server.get("/api/v1/status").json()["lanes"][0]["localGitops"], Value::Null);
}

#[test]
fn a_promotion_is_accepted_read_back_and_flushed() {
    let promotion = Promotion::begin();
    let (served, world) = (&promotion.served, &promotion.served.world);
    for round in 0..3 {
        let made = promotion.commit(&format!("round {round}"));
        accepted(&promotion.push(&["gitops"]));
        assert_eq!(promotion.tip(), made);
        let clone = served.client().clone_bare(&served.url(), &format!("clone-{round}"), &["--branch=gitops"]);
        assert_eq!(clone.branch("gitops"), Some(made), "the pusher reads what was pushed");
        let status = world.mirror(&["status"]).expect(3);
        assert_eq!(status.lane("main")["pendingFlush"], true);
    }
    // Pushed again, nothing happens; nor does it with the same commit under another URL of the same repository.
    accepted(&promotion.push(&["gitops"]));
    let upstream = world.url(world.upstream());
    let host = upstream.strip_suffix(&*world.upstream().path().to_string_lossy()).expect("because the path is its end");
    let turned = promotion.client().set(&format!("url.http://{}.insteadOf", served.address()), host);
    let made = promotion.commit("by upstream's own path");
    turned.run(promotion.work.path(), ["push", &upstream, "gitops"]);
    assert_eq!(promotion.tip(), made);
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(world.upstream().branch("gitops"), Some(made));
    promotion.prove_whole();
}

#[test]
fn the_journal_and_the_log_name_the_writer() {
    let promotion = Promotion::begin();
    let made = promotion.commit("by whom?");
    accepted(&promotion.push(&["gitops"]));
    let history = promotion.served.world.mirror(&["history"]).expect(0);
    let entries = history.lane("main")["entries"].as_array().expect("because a lane has entries");
    let pushed = entries.iter().find(|entry| entry["verb"] == "push").unwrap_or_else(|| panic!("{}", history.stdout));
    let text = pushed.to_string();
    assert!(text.contains("promoter") && text.contains(&made.to_string()), "{text}");
    promotion.served.server.wait_for_log("promoter");
    // The API and the program report the same.
    let result = promotion.served.get("/api/v1/history").expect(200).json();
    assert!(result.to_string().contains("promoter"), "{result}");
}

#[test]
fn only_fast_forwards_of_gitops_branches_are_accepted() {
    let promotion = Promotion::begin();
    let work = &promotion.work;
    let allowed = promotion.commit("allowed");
    accepted(&promotion.push(&["gitops"]));
    let main = work.branch("main").expect("because it was cloned");
    work.commit("elsewhere").on(main).file("a", "b\n").make();
    let forked = work.commit("forked").root().file("deployed", "otherwise\n").make();
    work.run(["tag", "v9", "main"]);
    work.run(["tag", "--annotate", "--message=ten", "v10", "main"]);
    let before = promotion.served.world.cache().refs();
    let snapshot = format!("refs/mirror/snapshots/app/main/{main}");
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("rewritten", &["--force", "forked:gitops"], &["gitops", "fast-forward"]),
        ("rewound", &["--force", "gitops~1:gitops"], &["gitops", "fast-forward"]),
        ("deleted", &[":gitops"], &["gitops", "delet"]),
        ("source branch", &["elsewhere:main"], &["refs/heads/gitops"]),
        ("source branch deleted", &[":main"], &["main"]),
        ("another branch", &["elsewhere"], &["refs/heads/gitops"]),
        ("a tag", &["v9"], &["refs/heads/gitops"]),
        ("an annotated tag", &["v10"], &["refs/heads/gitops"]),
        ("a tag moved", &["--force", "v9:refs/tags/v1"], &["refs/heads/gitops"]),
        ("a tag deleted", &[":refs/tags/v1"], &["v1"]),
        ("a snapshot", &["elsewhere:refs/mirror/snapshots/app/main/x"], &["refs/heads/gitops"]),
        ("a snapshot moved", &["--force", &format!("elsewhere:{snapshot}")], &["refs/heads/gitops"]),
        ("mirror-stage", &["--force", "elsewhere:refs/mirror-stage/heads/main"], &["refs/heads/gitops"]),
        ("a rescue", &["elsewhere:refs/mirror-rescue/main/x"], &["refs/heads/gitops"]),
        ("elsewhere", &["elsewhere:refs/for/main"], &["refs/heads/gitops"]),
    ];
    for (name, words, expected) in cases {
        let answer = promotion.push(words);
        assert!(!answer.status.success(), "{name} was accepted: {}", answer.stderr);
        assert!(answer.stderr.contains("[remote rejected]"), "{name}: {}", answer.stderr);
        for word in *expected {
            assert!(answer.stderr.contains(word), "{name}: no {word:?} in\n{}", answer.stderr);
        }
        assert_eq!(promotion.served.world.cache().refs(), before, "{name}");
    }
    assert!(!promotion.served.world.cache().has(forked), "nothing of it was stored");
    // Everything at once, as a mirror pushes: branches that go, branches that come.
    let answer = promotion.push(&["--mirror"]);
    refused(&answer, &["[remote rejected]"]);
    assert_eq!(promotion.served.world.cache().refs(), before);
    assert_eq!(promotion.tip(), allowed);
    promotion.prove_whole();
}

#[test]
fn a_push_from_an_old_tip_is_refused() {
    let promotion = Promotion::begin();
    let stale = promotion.tip();
    let theirs = promotion.served.world.cache().commit("gitops").file("deployed", "by another\n").make();
    let mine = promotion.commit("mine");
    refused(&promotion.push(&["gitops"]), &["rejected", "fetch first"]);
    // A lease that names the old tip is checked by git; a client that does not check is refused by the server.
    refused(&promotion.push(&[&format!("--force-with-lease=gitops:{stale}"), "gitops"]), &["stale info"]);
    let result = RawPush::new()
        .command(GITOPS, Some(stale), Some(mine))
        .pack(rawpush::pack(&promotion.work, mine, Some(stale)))
        .send(promotion.served.address(), &promotion.token);
    assert!(result.reason(GITOPS).contains("stale"), "{result:?}");
    assert_eq!(promotion.tip(), theirs);
    promotion.prove_whole();
}

#[test]
fn mixed_pushes_are_partial_unless_atomic() {
    let promotion = Promotion::begin();
    let work = &promotion.work;
    work.run(["branch", "other", "main"]);
    let before = promotion.served.world.cache().refs();
    let made = promotion.commit("mixed");
    let atomic = promotion.push(&["--atomic", "gitops", "other", "main:refs/tags/v3"]);
    refused(&atomic, &["other", "atomic"]);
    assert_eq!(promotion.served.world.cache().refs(), before);
    refused(&promotion.push(&["gitops", "other", "main:refs/tags/v3"]), &["[remote rejected]", "other", "v3"]);
    let mut expected = before;
    expected.insert(GITOPS.to_owned(), made);
    assert_eq!(promotion.served.world.cache().refs(), expected);
    // Alone, atomic is as good as any.
    let made = promotion.commit("atomic");
    accepted(&promotion.push(&["--atomic", "gitops"]));
    assert_eq!(promotion.tip(), made);
    promotion.prove_whole();
}

#[test]
fn two_hundred_refs_are_answered_individually() {
    let promotion = Promotion::begin();
    let main = promotion.work.branch("main").expect("because it was cloned");
    let made = promotion.commit("among many");
    let mut edits = String::new();
    for number in 0..200 {
        writeln!(edits, "create refs/heads/many-{number} {main}").expect("because a string takes everything");
    }
    promotion.work.git().run_with(promotion.work.path(), ["update-ref", "--stdin"], edits.as_bytes());
    let answer = promotion.push(&["--porcelain", "refs/heads/*:refs/heads/*"]);
    let text = answer.text();
    assert!(!answer.status.success());
    assert_eq!(text.lines().filter(|line| line.starts_with('!')).count(), 200, "{text}");
    assert!(
        text.lines().any(|line| line.contains("refs/heads/gitops:refs/heads/gitops") && !line.starts_with('!')),
        "{text}"
    );
    assert_eq!(promotion.tip(), made);
    promotion.prove_whole();
}

/// Adds a lane whose GitOps branch does not exist.
fn with_second_lane(promotion: &mut Promotion) {
    promotion.served.world.configure(|config| {
        config["nodes"]["local"]["lanes"]["second"] = json!({
            "repository": "app",
            "source": { "branch": "main", "snapshotGroup": "app" },
            "gitops": { "branch": "second/gitops" },
        });
    });
    promotion.served.restart();
}

#[test]
fn a_push_creates_the_gitops_branch() {
    let mut promotion = Promotion::begin();
    with_second_lane(&mut promotion);
    let main = promotion.work.branch("main").expect("because it was cloned");
    // The commit is there already; git sends a pack of nothing.
    accepted(&promotion.push(&["main:refs/heads/second/gitops"]));
    let cache = promotion.served.world.cache();
    assert_eq!(cache.branch("second/gitops"), Some(main));
    // Two lanes in one push, one of them new.
    let made = promotion.commit("both");
    let second = promotion.work.commit("second").on(main).file("deployed", "second\n").make();
    accepted(&promotion.push(&["--atomic", "gitops", "second:second/gitops"]));
    assert_eq!((cache.branch("gitops"), cache.branch("second/gitops")), (Some(made), Some(second)));
    // A ref that did not exist in the advertisement, and exists now.
    let result = RawPush::new().command(GITOPS, None, Some(second)).pack(rawpush::pack(&promotion.work, second, None));
    let result = result.send(promotion.served.address(), &promotion.token);
    assert!(!result.accepts(GITOPS), "{result:?}");
    promotion.served.world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    assert_eq!(promotion.served.world.upstream().branch("second/gitops"), Some(second));
    promotion.prove_whole();
}

#[test]
fn a_large_push_needs_little_memory() {
    const MEGABYTE: u64 = 1 << 20;
    let promotion = Promotion::begin();
    let mut commit = promotion.work.commit("gitops");
    for number in 0..4 {
        commit = commit.file(&format!("image-{number}"), noise(number, 25 << 20));
    }
    let made = commit.make();
    let over = AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::SeqCst) {
                std::thread::park_timeout(Duration::from_millis(10));
                let all = promotion
                    .served
                    .server
                    .children()
                    .iter()
                    .map(|child| child.id)
                    .chain([promotion.served.server.id()])
                    .collect::<Vec<_>>();
                peak = peak.max(all.into_iter().filter_map(procfs::resident_memory).sum());
            }
            peak
        });
        let pushed = promotion.push(&["gitops"]);
        over.store(true, Ordering::SeqCst);
        accepted(&pushed);
        watching.join().expect("because it only reads")
    });
    assert_eq!(promotion.tip(), made);
    assert!(peak < 256 * MEGABYTE, "the server and its children held {} MiB at once", peak / MEGABYTE);
    promotion.prove_whole();
}

#[test]
fn a_push_over_the_limit_is_refused() {
    let promotion = Promotion::on(|serve| serve["limits"] = json!({ "body": "1MiB" }));
    let before = promotion.tip();
    let made = promotion.work.commit("gitops").file("large", noise(1, 3 << 20)).make();
    refused(&promotion.push(&["gitops"]), &[]);
    // The same, of known length: the refusal comes at once.
    let reply = RawPush::new()
        .command(GITOPS, Some(before), Some(made))
        .pack(rawpush::pack(&promotion.work, made, Some(before)))
        .ask(promotion.served.address(), &promotion.token)
        .expect(413);
    assert!(reply.text().contains("limits.body"), "it names the setting: {}", reply.text());
    assert_eq!(promotion.tip(), before);
    promotion.work.set_ref(GITOPS, before);
    promotion.commit("small");
    accepted(&promotion.push(&["gitops"]));
    promotion.prove_whole();
}

#[test]
fn an_invalid_pack_is_refused() {
    let promotion = Promotion::begin();
    let (work, before) = (&promotion.work, promotion.tip());
    let made = work.commit("gitops").file("deployed", noise(3, 5_000)).file("beside", "more\n").make();
    let whole = rawpush::pack(work, made, Some(before));
    let flipped = |at: usize| {
        let mut pack = whole.clone();
        pack[at] ^= 0xff;
        pack
    };
    let tree = work.run(["rev-parse", &format!("{made}^{{tree}}")]);
    let blob = work.run(["rev-parse", &format!("{made}:beside")]);
    let without = |missing: &str| {
        let all = work.run(["rev-list", "--objects", "--no-object-names", &made.to_string(), &format!("^{before}")]);
        let kept: Vec<_> = all.lines().filter(|id| *id != missing).map(str::to_owned).collect();
        rawpush::pack_of(work, &kept)
    };
    let cases = [
        ("nothing at all", Vec::new()),
        ("another beginning", [b"KCAP", &whole[4..]].concat()),
        ("another version", flipped(7)),
        ("more objects promised than sent", flipped(11)),
        ("a byte turned around in the middle", flipped(whole.len() / 2)),
        ("another checksum", flipped(whole.len() - 1)),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("all but the checksum", whole[..whole.len() - 20].to_vec()),
        ("more than it", [&whole[..], b"more"].concat()),
        ("without a file", without(&blob)),
        ("without the tree", without(&tree)),
        ("without the commit", without(&made.to_string())),
    ];
    for (name, pack) in cases {
        let result = RawPush::new()
            .command(GITOPS, Some(before), Some(made))
            .pack(pack)
            .ask(promotion.served.address(), &promotion.token);
        if result.status == 200 {
            let result = rawpush::report(&result.body);
            assert!(!result.accepts(GITOPS), "{name}: {result:?}");
            assert!(result.refs.contains_key(GITOPS), "{name}: the ref is answered: {result:?}");
        } else {
            assert!((400..500).contains(&result.status), "{name}: {result:?}");
        }
        assert_eq!(promotion.tip(), before, "{name}");
        assert!(!promotion.served.world.cache().has(made), "{name}: its objects were stored");
    }
    promotion.prove_whole();
    let result = RawPush::new().command(GITOPS, Some(before), Some(made)).pack(whole);
    assert!(result.send(promotion.served.address(), &promotion.token).accepts(GITOPS));
    promotion.prove_whole();
}

#[test]
fn objects_that_fsck_rejects_are_refused() {
    let promotion = Promotion::begin();
    let (work, before) = (&promotion.work, promotion.tip());
    let git = work.git();
    let blob = git.run_with(work.path(), ["hash-object", "-w", "--stdin"], b"[core]\n");
    let entry = |mode: &str, name: &str, hex: &str| {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("because git prints hex");
        format!("{mode} {name}\0").into_bytes().into_iter().chain((0..20).map(byte)).collect::<Vec<_>>()
    };
    let write = |kind: &str, content: &[u8]| {
        git.run_with(work.path(), ["hash-object", "-w", "-t", kind, "--literally", "--stdin"], content)
    };
    let inner = write("tree", &entry("100644", "config", &blob));
    let good = write("tree", &entry("100644", "config", &blob));
    let trees = [
        ("a folder named .git", write("tree", &entry("40000", ".git", &inner))),
        ("one that some file systems take for it", write("tree", &entry("40000", ".GIT", &inner))),
        ("a name that leads out", write("tree", &entry("100644", "..", &blob))),
        ("a name with a slash", write("tree", &entry("100644", "a/b", &blob))),
        ("one name twice", write("tree", &[entry("100644", "a", &blob), entry("100644", "a", &blob)].concat())),
        ("an unsorted tree", write("tree", &[entry("100644", "b", &blob), entry("100644", "a", &blob)].concat())),
    ];
    let commit = |tree: &str, who: &str| {
        let text = format!("tree {tree}\nparent {before}\nauthor {who}\ncommitter {who}\n\nHidden\n");
        write("commit", text.as_bytes())
    };
    let mut bad: Vec<_> = trees.iter().map(|(name, tree)| (*name, commit(tree, "A <a@b> 1700000000 +0000"))).collect();
    bad.push(("a commit without a date", commit(&good, "A <a@b>")));
    bad.push(("a commit without a tree", write("commit", format!("parent {before}\n\nBare\n").as_bytes())));
    for (name, commit) in bad {
        let tree = trees.iter().find(|(other, _)| *other == name).map(|(_, tree)| tree);
        let all = [&commit, &blob, &inner].into_iter().chain(tree);
        let pack = rawpush::pack_of(work, &all.cloned().collect::<Vec<_>>());
        let commit = CommitId::from_hex(&commit).expect("because git printed it");
        let result = RawPush::new().command(GITOPS, Some(before), Some(commit)).pack(pack);
        let result = result.send(promotion.served.address(), &promotion.token);
        assert!(!result.accepts(GITOPS), "{name} was accepted: {result:?}");
        assert_eq!(promotion.tip(), before, "{name}");
        assert!(!promotion.served.world.cache().has(commit), "{name} was stored");
    }
    // A branch holds commits, nothing else.
    for object in [blob, good] {
        let object = CommitId::from_hex(&object).expect("because git printed it");
        let pack = rawpush::pack_of(work, &[object.to_string()]);
        let result = RawPush::new().command(GITOPS, Some(before), Some(object)).pack(pack);
        let result = result.send(promotion.served.address(), &promotion.token);
        assert!(!result.accepts(GITOPS), "{result:?}");
    }
    promotion.prove_whole();
}

#[test]
fn one_of_two_concurrent_pushes_wins() {
    const ROUNDS: usize = 12;
    let promotion = Promotion::begin();
    let (served, work) = (&promotion.served, &promotion.work);
    for round in 0..ROUNDS {
        let base = promotion.tip();
        let rivals = [0, 1].map(|number| {
            let made = work.commit("rival").on(base).file("deployed", format!("{round} by {number}\n")).make();
            RawPush::new().command(GITOPS, Some(base), Some(made)).pack(rawpush::pack(work, made, Some(base)))
        });
        let start = Barrier::new(rivals.len());
        let result = std::thread::scope(|scope| {
            let pushing = rivals.each_ref().map(|rival| {
                let (start, token) = (&start, &promotion.token);
                scope.spawn(move || {
                    start.wait();
                    rival.send(served.address(), token)
                })
            });
            pushing.map(|pushing| pushing.join().expect("because it was answered"))
        });
        let winners = result.iter().filter(|result| result.accepts(GITOPS)).count();
        assert_eq!(winners, 1, "round {round}: {result:?}");
        let loser = result.iter().find(|result| !result.accepts(GITOPS)).expect("because one has lost");
        // It waits for the winner's lock, and no longer than some seconds where the disk keeps the winner waiting.
        let reason = loser.reason(GITOPS);
        assert!(
            reason.contains("stale") || reason.contains("locked by another git process"),
            "round {round}: {loser:?}"
        );
        assert_ne!(promotion.tip(), base);
    }
    promotion.prove_whole();
}

#[test]
fn i2_concurrent_operations_lose_no_accepted_commit() {
    const PUSHES: usize = 12;
    let promotion = Promotion::begin();
    let (served, world) = (&promotion.served, &promotion.served.world);
    let over = AtomicBool::new(false);
    let accepted = std::thread::scope(|scope| {
        let verbs = ["sync --confirm --wait", "flush --confirm --wait", "maintain --confirm --wait"];
        let others = verbs.map(|words| {
            let over = &over;
            scope.spawn(move || {
                let words: Vec<_> = words.split(' ').collect();
                let mut runs = 0;
                while !over.load(Ordering::SeqCst) {
                    // Maintenance runs git; the other verbs do without.
                    let mut command = world.command(&words);
                    let run = Run::of(command.env("PATH", std::env::var_os("PATH").unwrap_or_default()));
                    assert!(matches!(run.exit, Some(0 | 3)), "{words:?}: {}\n{}", run.stdout, run.stderr);
                    runs += 1;
                }
                runs
            })
        });
        let pushing = [0, 1].map(|number| {
            let promotion = &promotion;
            scope.spawn(move || {
                let client = promotion.client();
                let own = client.clone_bare(&served.url(), &format!("own-{number}"), &[]);
                let mut done = Vec::new();
                while done.len() < PUSHES {
                    client.run(own.path(), ["fetch", "--quiet", &served.url(), "+gitops:gitops"]);
                    let file = format!("of-{number}");
                    let made = own.commit("gitops").file(&file, format!("{}\n", done.len())).make();
                    let answer = push(&client, served, &own, &["gitops"]);
                    if answer.status.success() {
                        done.push(made);
                    } else {
                        // Only the other one's commit is a reason, or a verb that holds the branch while the disk keeps it waiting.
                        let words = &answer.stderr;
                        let reasons = ["fetch first", "stale", "fast-forward", "locked by another git process"];
                        assert!(reasons.iter().any(|reason| words.contains(reason)), "{words}");
                    }
                }
                done
            })
        });
        let done: Vec<_> = pushing.into_iter().flat_map(|pushing| pushing.join().expect("because it pushed")).collect();
        over.store(true, Ordering::SeqCst);
        for other in others {
            assert!(other.join().expect("because it ran") > 0);
        }
        done
    });
    assert_eq!(accepted.len(), 2 * PUSHES);
    world.mirror(&["flush", "--confirm", "--wait"]).expect(0);
    for repository in [world.cache(), world.upstream().clone()] {
        let retained: BTreeSet<_> = repository.run(["rev-list", "gitops"]).lines().map(str::to_owned).collect();
        let lost: Vec<_> = accepted.iter().filter(|commit| !retained.contains(&commit.to_string())).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    promotion.prove_whole();
}

#[test]
fn a_disconnected_push_leaves_the_old_tip() {
    let promotion = Promotion::begin();
    let (served, before) = (&promotion.served, promotion.tip());
    let made = promotion.work.commit("gitops").file("large", noise(5, 400_000)).make();
    let push = RawPush::new().command(GITOPS, Some(before), Some(made)).pack(rawpush::pack(
        &promotion.work,
        made,
        Some(before),
    ));
    let (head, body) = (push.head(served.address(), &promotion.token), push.body());
    // In the head, in the commands, at the first byte of the pack, in it, before its last byte, and unheard behind it.
    let commands = body.iter().position(|byte| *byte == b'P').expect("because a pack begins with it");
    for sent in [0, 10, commands, commands + 1, body.len() / 4, body.len() / 2, body.len() - 1] {
        let mut stream = http::connect(served.address());
        stream.write_all(head.as_bytes()).expect("because the server listens");
        stream.write_all(&body[..sent]).expect("because the server reads");
        drop(stream);
        served.wait_until("its programs have ended", || served.children().is_empty());
        assert_eq!(promotion.tip(), before, "{sent} bytes");
        promotion.prove_whole();
    }
    let mut stream = http::connect(served.address());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("because the server reads");
    drop(stream);
    // All of it was there: either is right, but a decision, whole and without remains.
    served.wait_until("its programs have ended", || served.children().is_empty());
    assert!([before, made].contains(&promotion.tip()));
    served.wait_until("the same push is taken again", || {
        let again = promotion.push(&["gitops"]);
        // Its processes may have ended before these began: then it is decided concurrently, and this one is refused for an old tip.
        assert!(again.status.success() || again.stderr.contains("stale"), "{}", again.stderr);
        again.status.success()
    });
    assert_eq!(promotion.tip(), made);
    promotion.prove_whole();
}

#[test]
fn flush_on_push_flushes_at_once() {
    let promotion = Promotion::on(|serve| serve["schedule"]["flushOnPush"] = true.into());
    let world = &promotion.served.world;
    let mut made = promotion.tip();
    for round in 0..3 {
        made = promotion.commit(&format!("round {round}"));
        accepted(&promotion.push(&["gitops"]));
    }
    promotion.served.wait_until("upstream has it", || world.upstream().branch("gitops") == Some(made));
    promotion.served.wait_until("the mirror knows", || world.mirror(&["status"]).lane("main")["pendingFlush"] == false);
    // The journal records it at the very end.
    promotion
        .served
        .wait_until("it ran as if typed", || world.mirror(&["history"]).expect(0).stdout.contains("\"flush\""));
    promotion.prove_whole();
}

#[test]
fn a_commit_from_a_shallow_clone_is_accepted() {
    let promotion = Promotion::begin();
    promotion.commit("one");
    promotion.commit("two");
    accepted(&promotion.push(&["gitops"]));
    let client = promotion.client();
    let shallow =
        client.clone_bare(&promotion.served.url(), "shallow", &["--depth=1", "--single-branch", "--branch=gitops"]);
    let made = shallow.commit("gitops").file("deployed", "from a shallow clone\n").make();
    accepted(&push(&client, &promotion.served, &shallow, &["gitops"]));
    assert_eq!(promotion.tip(), made);
    promotion.prove_whole();
}

#[test]
fn every_transfer_encoding_of_a_push_works() {
    let promotion = Promotion::begin();
    // A buffer this small makes git ask first and then send in chunks; without it the body is of one piece.
    for (number, buffer) in ["1", "65536", "104857600"].into_iter().enumerate() {
        let made = promotion.work.commit("gitops").file("deployed", noise(number as u64, 300_000)).make();
        let client = promotion.client().set("http.postBuffer", buffer);
        accepted(&push(&client, &promotion.served, &promotion.work, &["gitops"]));
        assert_eq!(promotion.tip(), made, "{buffer}");
    }
    promotion.prove_whole();
}

#[test]
fn pushing_before_the_first_sync_names_the_repair() {
    let served = Served::start(small_world(), |_| {});
    let token = served.token("promoter", &[]);
    let work = served.world.sandbox().bare("work");
    work.commit("gitops").file("deployed", "too early\n").make();
    let answer = push(&served.client().with(&token), &served, &work, &["gitops"]);
    refused(&answer, &["503"]);
    let path = "/app.git/info/refs?service=git-receive-pack";
    let reply = http::get(served.address(), path, &[("Authorization", &token.bearer())]).expect(503);
    assert!(reply.text().contains("git-mirror sync --node local --confirm"), "{}", reply.text());
    assert!(!served.world.cache().path().exists(), "a push makes no cache");
}
