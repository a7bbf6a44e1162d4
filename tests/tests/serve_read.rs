//! Git reads from the server, in protocol versions 0 and 2, whatever else goes on.
//!
//! What comes is compared with upstream itself: the same objects, and nothing that git finds fault with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

use mirror_core::name::CommitId;
use mirror_tests::gitclient::{GitClient, Token, VERSIONS, Version};
use mirror_tests::http;
use mirror_tests::proxy::embedded::{ProxyFault, Tunnels};
use mirror_tests::sandbox::Repository;
use mirror_tests::server::{self, Served, Server, small_world};
use mirror_tests::world::{ProxyKind, Run, World};
use serde_json::{Value, json};

const SNAPSHOTS: &str = "refs/mirror/snapshots/app/main";

fn open(_: &mut Value) {}

/// Every object that the refs of a repository reach.
fn objects(repository: &Repository) -> BTreeSet<String> {
    repository.run(["rev-list", "--objects", "--no-object-names", "--all"]).lines().map(str::to_owned).collect()
}

fn commits(repository: &Repository, revision: &str) -> usize {
    repository.run(["rev-list", "--count", revision]).parse().expect("because git counts")
}

fn tip(world: &World) -> CommitId {
    world.upstream().branch("main").expect("because it was made")
}

/// What `ls-remote` lists.
fn listed(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once('\t').map(|(id, name)| (name.to_owned(), id.to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn a_clone_is_what_upstream_has() {
    let served = Served::small(open);
    let upstream = served.world.upstream();
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let clone = client.clone_bare(&served.url(), &format!("clone-{version:?}"), &[]);
        assert_eq!(clone.refs(), upstream.refs(), "{version:?}");
        assert_eq!(objects(&clone), objects(upstream), "{version:?}");
        assert_eq!(clone.run(["symbolic-ref", "HEAD"]), "refs/heads/main");
        clone.fsck();

        // One branch, nothing else; and a usual work tree.
        let single = client.clone_bare(
            &served.url(),
            &format!("single-{version:?}"),
            &["--single-branch", "--no-tags", "--branch=gitops"],
        );
        assert_eq!(single.refs().into_keys().collect::<Vec<_>>(), ["refs/heads/gitops"]);
        single.fsck();
        let work = format!("work-{version:?}");
        client.run(served.world.sandbox().path(), ["clone", "--quiet", "--branch=gitops", &served.url(), &work]);
        let deployed = served.world.sandbox().path().join(work).join("deployed");
        assert_eq!(std::fs::read_to_string(deployed).expect("because it was checked out"), "nothing yet\n");
    }
}

#[test]
fn a_clone_is_fetched_into_repeatedly() {
    let served = Served::small(open);
    let world = &served.world;
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let clone = client.empty(&served.url(), &format!("clone-{version:?}"));
        for round in 0..3 {
            world.upstream().commit("main").file("round", format!("{version:?} {round}\n")).make();
            world.mirror(&["sync", "--confirm"]).expect(0);
            client.run(clone.path(), ["fetch", "--quiet", "--prune", "origin", "+refs/heads/*:refs/heads/*"]);
            assert_eq!(clone.branch("main"), Some(tip(world)), "{version:?} {round}");
            assert_eq!(objects(&clone), objects(world.upstream()), "{version:?} {round}");
        }
        clone.fsck();
    }
}

#[test]
fn a_shallow_clone_is_deepened_completely() {
    let served = Served::small(open);
    let upstream = served.world.upstream();
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let name = |what: &str| format!("{what}-{version:?}");
        let clone = client.clone_bare(&served.url(), &name("shallow"), &["--depth=1"]);
        assert_eq!((clone.branch("main"), commits(&clone, "main")), (Some(tip(&served.world)), 1));
        clone.fsck();
        clone.run(["config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*"]);
        client.run(clone.path(), ["fetch", "--quiet", "--no-tags", "--deepen=4", "origin"]);
        assert_eq!(commits(&clone, "main"), 5, "{version:?}");
        client.run(clone.path(), ["fetch", "--quiet", "--no-tags", "--depth=2", "origin"]);
        assert_eq!(commits(&clone, "main"), 2, "{version:?}");
        client.run(clone.path(), ["fetch", "--quiet", "--unshallow", "--tags", "origin"]);
        assert_eq!(objects(&clone), objects(upstream), "{version:?}");
        clone.fsck();

        // Up to a time, and up to a tag: the fifth commit from the top is the one that the annotated tag names.
        let since = upstream.run(["log", "-1", "--skip=2", "--format=%ct", "main"]);
        let recent =
            client.clone_bare(&served.url(), &name("since"), &["--single-branch", &format!("--shallow-since={since}")]);
        assert_eq!(commits(&recent, "main"), 3, "{version:?}");
        let above =
            client.clone_bare(&served.url(), &name("above"), &["--single-branch", "--no-tags", "--shallow-exclude=v2"]);
        assert_eq!(commits(&above, "main"), 4, "{version:?}");
        above.fsck();
    }
}

#[test]
fn a_partial_clone_fetches_missing_objects() {
    let served = Served::small(open);
    let missing =
        |clone: &Repository| clone.run(["rev-list", "--objects", "--all", "--missing=print"]).matches('?').count();
    for version in VERSIONS {
        for filter in ["blob:none", "tree:0", "blob:limit=600"] {
            let client = served.client().speaking(version).set("remote.origin.promisor", "true");
            let name = format!("partial-{version:?}-{}", filter.replace([':', '='], "-"));
            let clone = client.clone_bare(&served.url(), &name, &[&format!("--filter={filter}")]);
            assert_eq!(clone.refs(), served.world.upstream().refs());
            let before = missing(&clone);
            assert!(before > 0, "{name}: nothing was left out");
            // A work tree needs what was left out, and gets it from the server by its bare ids.
            let work = served.world.sandbox().path().join(format!("{name}-work"));
            client.run(clone.path(), ["worktree", "add", "--quiet", "--detach", &work.to_string_lossy(), "main"]);
            assert!(missing(&clone) < before, "{name}: nothing more was fetched");
            let checked_out = Repository::at(&work, clone.git());
            assert_eq!(checked_out.run(["status", "--porcelain"]), "");
            assert_eq!(
                checked_out.run(["ls-tree", "-r", "HEAD"]),
                served.world.upstream().run(["ls-tree", "-r", "main"])
            );
        }
    }
}

#[test]
fn a_snapshot_is_fetched_by_name_and_commit() {
    let served = Served::small(open);
    let world = &served.world;
    let first = tip(world);
    // Upstream is rewritten: no branch leads to the first snapshot any more.
    world.upstream().commit("main").root().file("source", "rewritten\n").make();
    world.mirror(&["sync", "--confirm"]).expect(0);
    assert_ne!(tip(world), first);
    for version in VERSIONS {
        for commit in [first, tip(world)] {
            let client = served.client().speaking(version);
            let build = client.empty(&served.url(), &format!("build-{version:?}-{commit}"));
            // A build that is given a commit, whatever version it speaks.
            client.run(build.path(), ["fetch", "--quiet", "--depth=1", "origin", &commit.to_string()]);
            assert_eq!(build.rev("FETCH_HEAD"), Some(commit), "{version:?}");
            build.run(["update-ref", "refs/heads/built", "FETCH_HEAD"]);
            build.fsck();
            // A build that is given a snapshot. In version 0 a client knows only the names that are advertised.
            let named = client.ask(build.path(), ["fetch", "--quiet", "origin", &format!("{SNAPSHOTS}/{commit}")]);
            assert_eq!(named.status.success(), version == Version::V2, "{version:?}: {}", named.stderr);
            if version == Version::V2 {
                assert_eq!(build.rev("FETCH_HEAD"), Some(commit));
                build.fsck();
            }
        }
    }
    // All of them at once, by a pattern; a client of version 2 sends it as a prefix.
    let all = served.client().empty(&served.url(), "all");
    served.client().run(all.path(), ["fetch", "--quiet", "origin", "refs/mirror/snapshots/*:refs/snapshots/*"]);
    let wanted = [first, tip(world)].map(|commit| (format!("refs/snapshots/app/main/{commit}"), commit));
    assert_eq!(all.refs_under("refs/snapshots/"), wanted.into());
    all.fsck();
}

#[test]
fn a_listing_shows_branches_and_tags_only() {
    let served = Served::small(open);
    let world = &served.world;
    // The cache holds one of everything: a snapshot, mirror-stage, and a tip that was set aside.
    world.cache().commit("gitops").file("deployed", "here\n").make();
    world.upstream().commit("gitops").file("deployed", "there\n").make();
    world.mirror(&["sync", "--confirm"]).expect(3);
    world.mirror(&["lane", "resolve", "--adopt-upstream", "--confirm"]).expect(0);
    let held = world.cache().refs();
    for hidden in ["refs/mirror-stage/", "refs/mirror-rescue/", "refs/mirror/snapshots/"] {
        assert!(held.keys().any(|name| name.starts_with(hidden)), "no {hidden} in {held:?}");
    }
    let mut expected: BTreeMap<_, _> =
        world.upstream().refs().into_iter().map(|(name, id)| (name, id.to_string())).collect();
    expected.insert("HEAD".to_owned(), tip(world).to_string());
    let peeled = world.upstream().rev("v2^{}").expect("because it was tagged").to_string();
    expected.insert("refs/tags/v2^{}".to_owned(), peeled);
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let folder = world.sandbox().path();
        assert_eq!(listed(&client.run(folder, ["ls-remote", &served.url()])), expected, "{version:?}");
        let symbolic = client.run(folder, ["ls-remote", "--symref", &served.url(), "HEAD"]);
        assert!(symbolic.starts_with("ref: refs/heads/main\tHEAD\n"), "{version:?}: {symbolic}");
        let heads = listed(&client.run(folder, ["ls-remote", "--heads", &served.url()]));
        assert_eq!(heads.into_keys().collect::<Vec<_>>(), ["refs/heads/gitops", "refs/heads/main"], "{version:?}");
        let tags = listed(&client.run(folder, ["ls-remote", "--tags", "--refs", &served.url(), "v*"]));
        assert_eq!(tags.into_keys().collect::<Vec<_>>(), ["refs/tags/v1", "refs/tags/v2"], "{version:?}");
    }
    // Hidden names are not to be had by those who guess them either; only snapshots are, and only when asked for.
    let asked = ls_refs(&served, &["refs/"]);
    assert!(!asked.iter().any(|name| name.starts_with("refs/mirror")), "{asked:?}");
    assert_eq!(ls_refs(&served, &["refs/mirror-stage/"]), [""; 0]);
    assert_eq!(ls_refs(&served, &["refs/mirror-rescue/"]), [""; 0]);
    assert_eq!(ls_refs(&served, &["refs/mirror/snapshots/"]), [format!("{SNAPSHOTS}/{}", tip(world))]);
    assert_eq!(ls_refs(&served, &["refs/heads/ma", "refs/tags/v1"]), ["refs/heads/main", "refs/tags/v1"]);
}

/// Asks for the names below prefixes as a client of version 2 does.
fn ls_refs(served: &Served, prefixes: &[&str]) -> Vec<String> {
    let pkt = |line: &str| format!("{:04x}{line}", line.len() + 4);
    let mut body = pkt("command=ls-refs\n") + &pkt("agent=git/0\n") + "0001";
    for prefix in prefixes {
        body += &pkt(&format!("ref-prefix {prefix}\n"));
    }
    body += "0000";
    let headers = [("Git-Protocol", "version=2"), ("Content-Type", "application/x-git-upload-pack-request")];
    let path = "/app.git/git-upload-pack";
    let reply = http::request(served.address(), "POST", path, &headers, body.as_bytes()).expect(200);
    let text = reply.text();
    text.lines().filter_map(|line| line.split_once(' ').map(|(_, name)| name.to_owned())).collect()
}

#[test]
fn head_names_the_first_declared_source_branch() {
    let mut world = World::builder().build();
    world.upstream().commit("v0.2").file("a", "2\n").make();
    let newest = world.upstream().commit("v0.3").file("a", "3\n").make();
    let lane = |branch: &str| {
        json!({
            "repository": "app",
            "source": { "branch": branch, "snapshotGroup": "app" },
            "gitops": { "branch": format!("{branch}-gitops") },
        })
    };
    // As the file has them, not as the alphabet would; the rig's own JSON is sorted.
    world.configure(|config| config["nodes"]["local"]["lanes"] = json!({ "1": lane("v0.3"), "2": lane("v0.2") }));
    server::configure(&mut world, open);
    let text = std::fs::read_to_string(world.config_file()).expect("because it was written");
    let text = text.replace("\"1\": {", "\"zwei\": {").replace("\"2\": {", "\"eins\": {");
    assert!(text.find("zwei") < text.find("eins"), "{text}");
    world.sandbox().write("git-mirror.yaml", text);
    world.mirror(&["sync", "--confirm"]).expect(0);
    let served = Served { server: Server::start(&world), world };
    for version in VERSIONS {
        let clone = served.client().speaking(version).clone_bare(&served.url(), &format!("clone-{version:?}"), &[]);
        assert_eq!(clone.run(["symbolic-ref", "HEAD"]), "refs/heads/v0.3");
        assert_eq!(clone.rev("HEAD"), Some(newest));
    }
}

#[test]
fn instead_of_redirects_readers_to_the_mirror() {
    let served = Served::small(open);
    let world = &served.world;
    let upstream = world.url(world.upstream());
    let host = upstream.strip_suffix(&*world.upstream().path().to_string_lossy()).expect("because the path is its end");
    let key = format!("url.http://{}.insteadOf", served.address());
    let logins = world.host().record().connections.len();
    for version in VERSIONS {
        let client = served.client().speaking(version).set(&key, host);
        for (number, url) in
            [upstream.as_str(), upstream.strip_suffix(".git").expect("because it has one")].into_iter().enumerate()
        {
            let clone = client.clone_bare(url, &format!("clone-{version:?}-{number}"), &[]);
            assert_eq!(clone.refs(), world.upstream().refs());
        }
        let plain = served.url();
        let plain = plain.strip_suffix(".git").expect("because it has one");
        client.run(world.sandbox().path(), ["ls-remote", plain]);
    }
    assert_eq!(world.host().record().connections.len(), logins, "there was no connection to upstream");
}

#[test]
fn a_relative_submodule_is_served() {
    let mut world = World::builder().build();
    let library = world.sandbox().bare("library");
    let inside = library.commit("main").file("lib.txt", "library\n").make();
    let url = world.url(&library);
    world.configure(|config| {
        config["repositories"]["library"] = json!({ "upstream": url });
        config["nodes"]["local"]["lanes"]["library"] = json!({
            "repository": "library",
            "source": { "branch": "main", "snapshotGroup": "library" },
            "gitops": { "branch": "gitops" },
        });
    });
    // A commit with a submodule whose URL is relative to its own.
    let work = world.sandbox().path().join("work");
    let git = world.sandbox().git();
    git.run(world.sandbox().path(), ["clone", "--quiet", &world.upstream().path().to_string_lossy(), "work"]);
    std::fs::write(work.join(".gitmodules"), "[submodule \"library\"]\n\tpath = library\n\turl = ../library.git\n")
        .expect("because the work tree is ours");
    git.run(&work, ["add", ".gitmodules"]);
    git.run(&work, ["update-index", "--add", "--cacheinfo", &format!("160000,{inside},library")]);
    git.run(&work, ["commit", "--quiet", "--message=With a library"]);
    git.run(&work, ["push", "--quiet", "origin", "HEAD:main"]);
    world.mirror(&["sync", "--confirm"]).expect(0);
    let served = Served::start(world, open);
    for version in VERSIONS {
        for (number, options) in
            [&["--recurse-submodules"] as &[&str], &["--recurse-submodules", "--depth=1", "--shallow-submodules"]]
                .iter()
                .enumerate()
        {
            let name = format!("clone-{version:?}-{number}");
            let folder = served.world.sandbox().path();
            let url = served.url();
            let words = [&["clone", "--quiet"], *options, &[&url, &name]].concat();
            served.client().speaking(version).run(folder, words);
            let read = std::fs::read_to_string(folder.join(name).join("library/lib.txt"));
            assert_eq!(read.expect("because the submodule was checked out"), "library\n");
        }
    }
}

#[test]
fn gzipped_requests_are_understood() {
    let served = Served::small(open);
    let world = &served.world;
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let clone = client.clone_bare(&served.url(), &format!("clone-{version:?}"), &[]);
        // So many commits of its own that the negotiation is long.
        let parent = clone.branch("main").expect("because it was cloned");
        let mut stream = String::new();
        for number in 0..700 {
            stream += &format!(
                "commit refs/heads/own-{number}\ncommitter A <a@b> {} +0000\ndata 0\nfrom {parent}\n\n",
                1_800_000_000 + number
            );
        }
        world.sandbox().git().run_with(clone.path(), ["fast-import", "--quiet"], stream.as_bytes());
        let next = world.upstream().commit("main").file("next", format!("{version:?}\n")).make();
        world.mirror(&["sync", "--confirm"]).expect(0);
        let mut command = client.command(clone.path(), ["fetch", "--quiet", "origin", "main"]);
        let trace = world.sandbox().path().join(format!("trace-{version:?}"));
        let done = command.env("GIT_TRACE_CURL", &trace).output().expect("because git can be started");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(clone.rev("FETCH_HEAD"), Some(next));
        let trace = std::fs::read_to_string(trace).expect("because git wrote it").to_lowercase();
        assert!(trace.contains("content-encoding: gzip"), "{version:?}: the request was too short");
    }
}

#[test]
fn i5_an_advertised_tip_and_its_snapshot_are_readable() {
    const ROUNDS: usize = 10;
    let served = Served::small(open);
    let world = &served.world;
    let over = AtomicBool::new(false);
    let (begun, beginnings) = channel();
    let read = |version: Version, number: usize, mut begun: Option<Sender<()>>| {
        let client = served.client().speaking(version);
        let (mut rounds, mut tips, mut is_last) = (0, BTreeSet::new(), false);
        while !is_last || rounds < 3 {
            // One more round than the writer lets it, which sees the last tip.
            is_last = over.load(Ordering::SeqCst);
            let result = listed(&client.run(world.sandbox().path(), ["ls-remote", &served.url(), "refs/heads/main"]));
            let tip = &result["refs/heads/main"];
            tips.insert(tip.clone());
            if let Some(begun) = begun.take() {
                begun.send(()).expect("because the writer waits for it");
            }
            let build = client.empty(&served.url(), &format!("build-{version:?}-{number}-{rounds}"));
            let wanted =
                if version == Version::V2 && rounds % 2 == 0 { format!("{SNAPSHOTS}/{tip}") } else { tip.clone() };
            let depth = if rounds % 3 == 0 { "--depth=2147483647" } else { "--depth=1" };
            client.run(build.path(), ["fetch", "--quiet", depth, "origin", &wanted]);
            assert_eq!(build.rev("FETCH_HEAD").map(|commit| commit.to_string()).as_ref(), Some(tip));
            build.run(["update-ref", "refs/heads/built", "FETCH_HEAD"]);
            build.fsck();
            rounds += 1;
        }
        tips.len()
    };
    std::thread::scope(|scope| {
        let readers = [(Version::V0, 0), (Version::V2, 0), (Version::V2, 1)].map(|(version, number)| {
            let (read, begun) = (&read, begun.clone());
            scope.spawn(move || read(version, number, Some(begun)))
        });
        let _stop = StopAtEnd(&over);
        // Each reader sees the first tip before there is another.
        drop(begun);
        assert_eq!(beginnings.iter().count(), readers.len(), "a reader has failed at once");
        for round in 0..ROUNDS {
            // Now and then upstream is rewritten, and the tip of before is reachable from its snapshot only.
            let next = world.upstream().commit("main").file("round", format!("{round}\n"));
            if round % 4 == 3 { next.root() } else { next }.make();
            world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
            if round % 3 == 1 {
                // Maintenance runs git; the other verbs do without.
                let mut maintain = world.command(&["maintain", "--confirm", "--wait"]);
                Run::of(maintain.env("PATH", std::env::var_os("PATH").unwrap_or_default())).expect(0);
            }
        }
        over.store(true, Ordering::SeqCst);
        for reader in readers {
            let seen = reader.join().expect("because it could read all");
            assert!(seen > 1, "the reader saw one tip only");
        }
    });
    world.cache().fsck();
}

/// Lets readers end even where the writer panics.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn reads_go_on_while_upstream_is_unreachable() {
    let served = Served::small(|serve| serve["schedule"]["syncEvery"] = "1s".into());
    let world = &served.world;
    world.proxy().inject(Tunnels::Every, ProxyFault::CloseAtAccept);
    world.mirror(&["sync", "--confirm", "--wait"]).expect(5);
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let clone = served.client().speaking(version).clone_bare(&served.url(), &format!("clone-{number}"), &[]);
        assert_eq!(clone.refs(), world.upstream().refs());
    }
    assert_eq!(served.get("/healthz").status, 200, "upstream is no worker of the server");
    assert_eq!(served.get("/readyz").status, 200, "and no reason not to read from it");
}

#[test]
fn reading_before_the_first_sync_names_the_repair() {
    let served = Served::start(small_world(), open);
    let path = "/app.git/info/refs?service=git-upload-pack";
    let reply = served.get(path).expect(503);
    assert!(reply.text().contains("git-mirror sync --node local --confirm"), "{}", reply.text());
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()), "{reply:?}");
    for version in VERSIONS {
        let answer = served.client().speaking(version).ask(served.world.sandbox().path(), ["ls-remote", &served.url()]);
        assert!(!answer.status.success() && answer.stderr.contains("503"), "{}", answer.stderr);
    }
    served.world.mirror(&["sync", "--confirm"]).expect(0);
    let clone = served.client().clone_bare(&served.url(), "clone", &[]);
    assert_eq!(clone.refs(), served.world.upstream().refs());
}

#[test]
fn a_restarted_server_uses_its_pack_cache() {
    let mut served = Served::small(open);
    let snapshot = tip(&served.world).to_string();
    let build = |served: &Served, name: &str| {
        let build = served.client().empty(&served.url(), name);
        served.client().run(build.path(), ["fetch", "--quiet", "--depth=1", "origin", &snapshot]);
        build.run(["update-ref", "refs/heads/built", "FETCH_HEAD"]);
        build.fsck();
        objects(&build)
    };
    let first = build(&served, "first");
    served.wait_until("it is kept", || served.metric("git_mirror_pack_cache_entries") >= 1.0);
    served.restart();
    // Without git on its path it could make no pack: the answer is from the cache.
    served.server.kill();
    let empty = served.world.sandbox().path().join("no-programs");
    let address = served.address().to_string();
    let mut command = server::command(&served.world, &address);
    let without_git = command.env("PATH", &empty).output().expect("because it can be started");
    assert!(!without_git.status.success(), "git is named as missing at the start");
    assert!(String::from_utf8_lossy(&without_git.stderr).contains("git"), "{without_git:?}");
    served.start_again();
    let made = served.metric("git_mirror_packs_total{source=\"made\"}");
    assert_eq!(build(&served, "second"), first);
    assert_eq!(served.metric("git_mirror_packs_total{source=\"made\"}"), made, "no pack was made");
}

#[test]
fn reading_requires_the_configured_token() {
    let served = Served::small(|serve| serve["readers"] = "tokens".into());
    let token = served.token("builds", &[]);
    let folder = served.world.sandbox().path();
    let reply = served.get("/app.git/info/refs?service=git-upload-pack").expect(401);
    assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
    for version in VERSIONS {
        let client = served.client().speaking(version);
        let refused = client.ask(folder, ["ls-remote", &served.url()]);
        assert!(!refused.status.success(), "{refused:?}");
        let wrong = client.clone().with(&Token::of("gmt_wrong")).ask(folder, ["ls-remote", &served.url()]);
        assert!(!wrong.status.success(), "{wrong:?}");
        let clone = client.with(&token).clone_bare(&served.url(), &format!("clone-{version:?}"), &[]);
        assert_eq!(clone.refs(), served.world.upstream().refs());
    }
    // As a password, in the URL and from git's own store of credentials.
    let store =
        served.world.sandbox().write("credentials", format!("http://any:{}@{}\n", token.text(), served.address()));
    let helper = format!("store --file={}", store.display());
    served.client().set("credential.helper", &helper).run(folder, ["ls-remote", &served.url()]);
    let url = format!("http://any:{}@{}/app.git", token.text(), served.address());
    served.client().run(folder, ["ls-remote", &url]);
}

#[test]
fn two_repositories_are_separate() {
    let mut world = World::builder().proxy(ProxyKind::Embedded).build();
    world.upstream().commit("main").file("which", "app\n").make();
    let other = world.sandbox().bare("other");
    other.commit("main").file("which", "other\n").make();
    let url = world.url(&other);
    world.configure(|config| {
        config["repositories"]["other"] = json!({ "upstream": url });
        let mut lane = config["nodes"]["local"]["lanes"]["main"].clone();
        lane["repository"] = "other".into();
        config["nodes"]["local"]["lanes"]["other"] = lane;
    });
    world.mirror(&["sync", "--confirm"]).expect(0);
    let served = Served::start(world, open);
    for (name, wanted) in [("app", served.world.upstream()), ("other", &other)] {
        let clone =
            served.client().clone_bare(&served.server.url(&format!("{name}.git")), &format!("clone-of-{name}"), &[]);
        assert_eq!(clone.file("main", "which"), Some(format!("{name}\n").into_bytes()));
        assert_eq!(clone.branch("main"), wanted.branch("main"));
    }
    let nowhere = served.get("/third.git/info/refs?service=git-upload-pack").expect(404);
    assert!(nowhere.text().contains("no such repository"), "{}", nowhere.text());
    assert!(!Path::new(&served.world.cache_folder()).join("third.git").exists());
}

/// Puts a program `git` in a folder of its own that gives the beginning of a pack, waits for a write to `gate`, and dies.
fn dying_git(world: &World) -> (PathBuf, PathBuf) {
    let folder = world.sandbox().path().join("dying");
    std::fs::create_dir(&folder).expect("a folder of ours");
    let gate = folder.join("gate");
    let made = Command::new("mkfifo").arg(&gate).status().expect("because it is a program of every system");
    assert!(made.success());
    let text = format!(
        "#!/bin/sh\ngit=$(PATH=${{PATH#*:}} command -v git)\n[ \"$1\" = upload-pack ] || exec \"$git\" \"$@\"\n\
         \"$git\" \"$@\" > '{0}/all'\nhead -c 1500 '{0}/all'\nread line < '{0}/gate'\nexit 3\n",
        folder.display()
    );
    // A child writes it, so that no other test's child holds it open for writing when it is to run.
    let write = ["-c", "printf %s \"$1\" > git && chmod 755 git", "sh", &text];
    let written = Command::new("sh").args(write).current_dir(&folder).status().expect("because there is a shell");
    assert!(written.success());
    (folder, gate)
}

#[test]
fn a_truncated_pack_is_never_complete() {
    let mut world = small_world();
    world.mirror(&["sync", "--confirm", "--wait"]).expect(0);
    let folder = world.sandbox().path().to_owned();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("because ring makes keys");
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, pair.cert.pem()).expect("a folder of ours");
    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("a folder of ours");
    server::configure(&mut world, |serve| serve["tls"] = json!({ "certificate": certificate, "key": key }));
    let (dying, gate) = dying_git(&world);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([dying].into_iter().chain(std::env::split_paths(&path))).expect("no colon in it");
    let server = Server::spawn(server::command(&world, "127.0.0.1:0").env("PATH", path));
    let url = format!("https://127.0.0.1:{}/app.git", server.address().port());
    let trusted = certificate.to_str().expect("a path of text");
    // Over HTTP/1.1 the connection breaks off, which TLS libraries report in their own words; a stream of HTTP/2 is reset, which is curl's 92.
    for (http, failed) in [("HTTP/1.1", "RPC failed; curl "), ("HTTP/2", "RPC failed; curl 92 ")] {
        for version in VERSIONS {
            let client = GitClient::new(world.sandbox()).speaking(version).set("http.version", http);
            let name = format!("cut-{}-{version:?}", http.replace('/', "-"));
            let mut clone =
                client.set("http.sslCAInfo", trusted).command(&folder, ["clone", "--progress", &url, &name]);
            let mut clone = clone.stderr(Stdio::piped()).spawn().expect("because git is installed");
            let mut said = Vec::new();
            let mut errors = clone.stderr.take().expect("because it is piped");
            let mut byte = [0];
            // What it repeats from the server has come to it, in the answer of a request that went well.
            while !said.ends_with(b"remote: ") {
                assert_eq!(
                    errors.read(&mut byte).expect("because the pipe is ours"),
                    1,
                    "{http}, {version:?}: {}",
                    String::from_utf8_lossy(&said)
                );
                said.push(byte[0]);
            }
            std::fs::write(&gate, "go\n").expect("because the script reads it");
            errors.read_to_end(&mut said).expect("because the pipe is ours");
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(!clone.wait().expect("because it was started").success(), "{http}, {version:?}: {said}");
            assert!(said.contains(failed), "{http}, {version:?}: {said}");
        }
    }
}
