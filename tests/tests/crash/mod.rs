//! What the crash suites share: an operation that is killed somewhere, and what must hold behind it.
//!
//! [`Stage`] sets the same scene again and again. Between the crash and the next run everything is either as it was before or as the
//! operation wanted it; after the next run of the same verb it is as the operation wanted it (I7).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mirror_core::name::CommitId;
use mirror_tests::aftermath::leftovers;
use mirror_tests::sandbox::Repository;
use mirror_tests::world::{ProxyKind, Run, World};
use serde_json::{Value, json};

/// Refs and what they point at.
pub(crate) type Refs = BTreeMap<String, CommitId>;

const SNAPSHOTS: &str = "refs/mirror/snapshots/";

/// The operation that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// The first sync, which makes the cache.
    FirstSync,
    /// A sync that follows new commits on both branches and a new tag.
    FollowingSync,
    /// A flush of three commits.
    Flush,
}

impl Job {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::FirstSync | Self::FollowingSync => ["sync", "--confirm"],
            Self::Flush => ["flush", "--confirm"],
        }
    }
}

/// A world in which one operation is run to any point, as often as wanted.
pub(crate) struct Stage {
    pub(crate) world: World,
    job: Job,
    /// The cache before the operation; nothing where there is none.
    template: Option<PathBuf>,
    before: Sides,
    wanted: Sides,
}

/// The refs on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sides {
    cache: Refs,
    upstream: Refs,
}

impl Stage {
    /// Builds the world up to where the operation begins, and learns from an undisturbed run how it ends.
    pub(crate) fn set(job: Job) -> Self {
        let mut world = World::builder().proxy(ProxyKind::Embedded).build();
        world.configure(|config| {
            config["githubTransport"]["timeouts"] = json!({ "connect": "10s", "idle": "10s", "total": "1m" });
            config["repositories"]["app"]["tags"] = json!(["v*"]);
        });
        let upstream = world.upstream();
        upstream.commit("main").file("code.bin", noise(1, 40_000)).file("README", "read me\n").make();
        upstream.commit("gitops").root().file("deployed", "nothing yet\n").make();
        upstream.run(["tag", "v1", "main"]);
        if job != Job::FirstSync {
            world.mirror(&["sync", "--confirm"]).expect(0);
        }
        match job {
            Job::FirstSync => {}
            Job::FollowingSync => {
                upstream.commit("main").file("code.bin", noise(2, 30_000)).make();
                upstream.commit("main").file("docs/more", "more\n").make();
                upstream.commit("gitops").file("deployed", "by another mirror\n").make();
                upstream.run(["tag", "--annotate", "--message=second", "v2", "main"]);
            }
            Job::Flush => {
                for round in 0..3 {
                    let bundle = noise(10 + round, 8_000);
                    world.cache().commit("gitops").file("deployed", format!("{round}\n")).file("bundle", bundle).make();
                }
            }
        }
        let template = (job != Job::FirstSync).then(|| world.sandbox().path().join("template.git"));
        if let Some(template) = &template {
            copy(world.cache().path(), template);
        }
        let before = Sides { cache: refs(&world.cache()), upstream: world.upstream().refs() };
        let mut stage = Self { world, job, template, wanted: before.clone(), before };
        stage.world.mirror(&job.words()).expect(0);
        stage.wanted = Sides { cache: refs(&stage.world.cache()), upstream: stage.world.upstream().refs() };
        assert_ne!(stage.before, stage.wanted, "the operation has nothing to do");
        stage.world.host().wait_until_quiet();
        stage
    }

    /// Gives the operation's command.
    pub(crate) fn command(&self) -> std::process::Command {
        self.world.command(&self.job.words())
    }

    /// Puts both sides back to where the operation begins.
    pub(crate) fn reset(&self) {
        let cache = self.world.cache();
        if cache.path().exists() {
            fs::remove_dir_all(cache.path()).expect("because the cache is ours");
        }
        if let Some(template) = &self.template {
            copy(template, cache.path());
        }
        for (name, commit) in &self.before.upstream {
            if self.wanted.upstream.get(name) != Some(commit) {
                self.world.upstream().set_ref(name, *commit);
            }
        }
        for name in self.wanted.upstream.keys().filter(|name| !self.before.upstream.contains_key(*name)) {
            self.world.upstream().delete_ref(name);
        }
    }

    /// Proves that the crash lost nothing and promised nothing; then runs the same verb and proves that everything is as wanted.
    pub(crate) fn recover(&self, point: &str) {
        let cache = self.world.cache();
        let now = refs(&cache);
        self.prove_between(&self.before.cache, &self.wanted.cache, &now, point);
        self.prove_between(&self.before.upstream, &self.wanted.upstream, &self.world.upstream().refs(), point);
        // I5: whoever sees a source tip can read its snapshot. I1: the snapshot holds the commit that it names.
        for (name, commit) in now.iter().filter(|(name, _)| name.starts_with(SNAPSHOTS)) {
            assert!(name.ends_with(&commit.to_string()), "{point}: {name} holds {commit}");
        }
        if let Some(tip) = now.get("refs/heads/main") {
            assert!(now.contains_key(&format!("{SNAPSHOTS}app/main/{tip}")), "{point}: no snapshot of {tip} in {now:?}");
        }

        let again = self.world.mirror(&self.job.words());
        assert_eq!(again.exit, Some(0), "{point}: stdout:\n{}\nstderr:\n{}", again.stdout, again.stderr);
        assert_eq!(again.report["ok"], true, "{point}: {}", again.stdout);
        let ended = Sides { cache: refs(&cache), upstream: self.world.upstream().refs() };
        assert_eq!(ended, self.wanted, "{point}");
        prove_whole(&cache, point);
        self.prove_history(&again, point);
    }

    /// Each ref is as before or as wanted, and none went away.
    fn prove_between(&self, before: &Refs, wanted: &Refs, now: &Refs, point: &str) {
        for (name, commit) in now {
            let known = before.get(name) == Some(commit) || wanted.get(name) == Some(commit);
            assert!(known, "{point}: {name} holds {commit}, which is neither old nor new");
        }
        for name in before.keys() {
            assert!(now.contains_key(name), "{point}: {name} is gone");
        }
    }

    fn prove_history(&self, again: &Run, point: &str) {
        let history = self.world.mirror(&["history"]).expect(0);
        let entries = history.lane("main")["entries"].as_array().expect("because a lane has entries");
        let verb = self.job.words()[0];
        let states = |state: &str| entries.iter().filter(|entry| entry["verb"] == verb && entry["state"] == state).count();
        assert!(states("ok") > 0, "{point}: {}\nafter {}", history.stdout, again.stdout);
        assert_eq!(states("running"), 0, "{point}: {}", history.stdout);
        assert_eq!(states("not-ok"), 0, "{point}: {}", history.stdout);
        assert_ne!(history.report, Value::Null, "{point}");
    }
}

/// Proves that git finds no fault in a cache and that nothing is left over in it.
fn prove_whole(cache: &Repository, point: &str) {
    let answer = cache.ask(["fsck", "--full", "--strict"]);
    assert!(answer.status.success(), "{point}: fsck finds {}{}", answer.text(), answer.stderr);
    assert_eq!(leftovers(cache.path()), Vec::<String>::new(), "{point}");
}

/// The refs of a cache; none where the cache is not made yet.
fn refs(cache: &Repository) -> Refs {
    let made = cache.path().is_dir() && cache.ask(["rev-parse", "--git-dir"]).status.success();
    if made { cache.refs() } else { Refs::new() }
}

/// Bytes that do not compress, the same for the same seed.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn noise(seed: u64, bytes: u64) -> Vec<u8> {
    let mixed = |n: u64| {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(seed << 32);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u8
    };
    (0..bytes).map(mixed).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("because the sandbox is writable");
    for entry in fs::read_dir(from).expect("because the folder is there") {
        let entry = entry.expect("because the folder is ours");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("because the folder is ours").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("because the sandbox is writable");
        }
    }
}
