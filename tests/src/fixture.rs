//! One operation that is interrupted at many points, and what must hold after every interruption.
//!
//! [`Fixture`] restores the same state as often as wanted, behind the embedded proxy and host. After a crash or a fault everything is either
//! as it was before or as the operation wanted it; after the next run of the same verb it is as the operation wanted it (I7).
//!
//! Never: the interruption itself; that is the suite's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mirror_core::name::CommitId;
use serde_json::{Value, json};

use crate::leftovers::leftovers;
use crate::sandbox::Repository;
use crate::world::{ProxyKind, Run, World};

/// Refs and what they point at.
type Refs = BTreeMap<String, CommitId>;

const SNAPSHOTS: &str = "refs/mirror/snapshots/";

/// The operation that is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// The first sync, which makes the cache.
    FirstSync,
    /// A sync that follows new commits on both branches and a new tag.
    FollowingSync,
    /// A flush of three commits.
    Flush,
}

impl Job {
    /// Gives the arguments of its command.
    pub fn words(self) -> [&'static str; 2] {
        match self {
            Self::FirstSync | Self::FollowingSync => ["sync", "--confirm"],
            Self::Flush => ["flush", "--confirm"],
        }
    }
}

/// A world in which one operation is run to any point, as often as wanted.
#[derive(Debug)]
pub struct Fixture {
    /// The world. Its limits are long enough for a machine that does a lot else.
    pub world: World,
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

impl Fixture {
    /// Builds the world up to where the operation begins, and records the outcome of an uninterrupted run.
    ///
    /// # Panics
    /// Where that run does not end well.
    pub fn new(job: Job) -> Self {
        let mut world = World::builder().proxy(ProxyKind::Embedded).build();
        world.configure(|config| {
            config["githubTransport"]["timeouts"] = patient();
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
        let mut fixture = Self { world, job, template, wanted: before.clone(), before };
        fixture.world.mirror(&job.words()).expect(0);
        fixture.wanted = Sides { cache: refs(&fixture.world.cache()), upstream: fixture.world.upstream().refs() };
        assert_ne!(fixture.before, fixture.wanted, "the operation has nothing to do");
        fixture.world.host().wait_until_quiet();
        fixture
    }

    /// Sets the limits of these names, such as `idle`; all others are as long as in the beginning.
    pub fn limit(&mut self, limits: &[(&str, &str)]) {
        let mut timeouts = patient();
        for (name, limit) in limits {
            timeouts[*name] = json!(limit);
        }
        self.world.configure(|config| config["githubTransport"]["timeouts"] = timeouts);
    }

    /// Gives the operation's command, for a test that kills it.
    pub fn command(&self) -> std::process::Command {
        self.world.command(&self.job.words())
    }

    /// Runs the operation, asking for JSON.
    pub fn run(&self) -> Run {
        self.world.mirror(&self.job.words())
    }

    /// Puts both sides back to where the operation begins.
    ///
    /// # Panics
    /// Where the disk refuses.
    pub fn reset(&self) {
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

    /// Proves that what a disturbed run reports is true, whichever way it ended.
    ///
    /// # Panics
    /// Where it is not.
    pub fn prove_true(&self, run: &Run, point: &str) {
        let said = format!("{point}: stdout:\n{}\nstderr:\n{}", run.stdout, run.stderr);
        let cache = refs(&self.world.cache());
        let upstream = self.world.upstream().refs();
        let lane = run.lane("main");
        if run.exit == Some(0) || run.report["ok"] == true || lane["ok"] == true {
            assert_eq!((&cache, &upstream), (&self.wanted.cache, &self.wanted.upstream), "{said}");
        }
        // A run that could not observe upstream repeats the last observation, with its time.
        if lane["githubInSync"] == true && !lane["observedAt"].is_null() {
            for branch in ["refs/heads/main", "refs/heads/gitops"] {
                assert_eq!(cache.get(branch), upstream.get(branch), "{said}");
            }
        }
        let there = upstream.get("refs/heads/gitops") == self.wanted.upstream.get("refs/heads/gitops");
        if self.job != Job::Flush {
            return;
        }
        assert!(lane["pendingFlush"] != false || there, "{said}");
        let claims = |field: &Value| match field.as_str() {
            Some("accepted" | "flushed" | "contained" | "recovered" | "up-to-date") => Some(true),
            Some("not-sent" | "rejected" | "not-flushed") => Some(false),
            _ => None,
        };
        for field in [&lane["outcome"], &lane["push"]["outcome"]] {
            assert!(claims(field).is_none_or(|claimed| claimed == there), "{field} is not true: {said}");
        }
    }

    /// Asserts that the interruption lost nothing and claimed nothing that is not so; then runs the same verb again and asserts that everything is as wanted.
    ///
    /// # Panics
    /// Where it is not.
    pub fn recover(&self, point: &str) {
        self.prove_safe(point);
        let again = self.run();
        assert_eq!(again.exit, Some(0), "{point}: stdout:\n{}\nstderr:\n{}", again.stdout, again.stderr);
        assert_eq!(again.report["ok"], true, "{point}: {}", again.stdout);
        let cache = self.world.cache();
        let ended = Sides { cache: refs(&cache), upstream: self.world.upstream().refs() };
        assert_eq!(ended, self.wanted, "{point}");
        prove_whole(&cache, point);
        self.prove_history(&again, point);
    }

    /// Asserts that both sides are between where the operation began and where it leads, and that the guarantees to readers hold.
    fn prove_safe(&self, point: &str) {
        let now = refs(&self.world.cache());
        self.prove_between(&self.before.cache, &self.wanted.cache, &now, point);
        self.prove_between(&self.before.upstream, &self.wanted.upstream, &self.world.upstream().refs(), point);
        // I5: a reader that sees a source tip can read its snapshot. I1: the snapshot holds the commit that it names.
        for (name, commit) in now.iter().filter(|(name, _)| name.starts_with(SNAPSHOTS)) {
            assert!(name.ends_with(&commit.to_string()), "{point}: {name} holds {commit}");
        }
        if let Some(tip) = now.get("refs/heads/main") {
            assert!(
                now.contains_key(&format!("{SNAPSHOTS}app/main/{tip}")),
                "{point}: no snapshot of {tip} in {now:?}"
            );
        }
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
        let states =
            |state: &str| entries.iter().filter(|entry| entry["verb"] == verb && entry["state"] == state).count();
        assert!(states("ok") > 0, "{point}: {}\nafter {}", history.stdout, again.stdout);
        assert_eq!(states("running"), 0, "{point}: {}", history.stdout);
        assert_ne!(history.report, Value::Null, "{point}");
    }
}

/// Limits that nothing comes up against but what waits in vain, and that end a run before the rig does.
fn patient() -> Value {
    json!({ "connect": "1m", "idle": "1m", "total": "4m" })
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

/// Disturbs an operation in many ways, on several stages at a time, because a disturbed run mostly waits.
///
/// # Panics
/// Where one of the cases does.
pub fn side_by_side<T: Sync>(job: Job, stages: usize, cases: &[T], disturb: impl Fn(&mut Fixture, &T) + Sync) {
    std::thread::scope(|scope| {
        for first in 0..stages.min(cases.len()) {
            let disturb = &disturb;
            scope.spawn(move || {
                let mut fixture = Fixture::new(job);
                for case in cases.iter().skip(first).step_by(stages) {
                    fixture.reset();
                    disturb(&mut fixture, case);
                }
            });
        }
    });
}
