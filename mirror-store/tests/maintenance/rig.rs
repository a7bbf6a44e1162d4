//! A cache that is fed by small packs, and an upkeep whose clock the test sets.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mirror_core::name::{CommitId, RefPrefix};
use mirror_core::report::maintain::{Upkeep, UpkeepStep, UpkeepTask};
use mirror_store::git::GitProgram;
use mirror_store::{Cache, Halt, Operation, Pace, UpkeepRules, UpkeepTools, Upkept};
use tokio::runtime::Runtime;

use crate::sandbox::{Sandbox, create, update};

pub(crate) const PREFIX: &str = "refs/mirror/snapshots";

pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) cache: Cache,
    git: GitProgram,
    runtime: Runtime,
}

/// Never ends anything.
pub(crate) struct Unhurried;

impl Pace for Unhurried {
    fn halt(&self) -> Option<Halt> {
        None
    }
}

/// Ends the upkeep at one of its points.
pub(crate) struct EndsAt {
    pub(crate) point: u32,
    pub(crate) reached: AtomicU32,
}

impl EndsAt {
    pub(crate) fn new(point: u32) -> Self {
        Self { point, reached: AtomicU32::new(0) }
    }
}

impl Pace for EndsAt {
    fn halt(&self) -> Option<Halt> {
        (self.reached.load(Ordering::Relaxed) >= self.point).then_some(Halt::Stopped)
    }

    fn reached(&self, _point: &'static str) {
        self.reached.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends the upkeep behind what it does at a point that it names.
pub(crate) struct EndsBehind {
    point: &'static str,
    is_behind: AtomicBool,
}

impl EndsBehind {
    pub(crate) fn new(point: &'static str) -> Self {
        Self { point, is_behind: AtomicBool::new(false) }
    }
}

impl Pace for EndsBehind {
    fn halt(&self) -> Option<Halt> {
        self.is_behind.load(Ordering::Relaxed).then_some(Halt::Stopped)
    }

    fn reached(&self, point: &'static str) {
        self.is_behind.fetch_or(point == self.point, Ordering::Relaxed);
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let cache = sandbox.cache();
        Self { sandbox, ..Self::over(cache) }
    }

    /// Works on a cache that somebody else made.
    pub(crate) fn over(cache: Cache) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { sandbox: Sandbox::new(), cache, git: GitProgram::find().unwrap(), runtime }
    }

    /// Brings commits to a branch, each in a pack of its own.
    pub(crate) fn feed(&self, branch: &str, packs: usize) -> Vec<CommitId> {
        let at = format!("refs/heads/{branch}");
        let mut known = self.cache.find(&crate::sandbox::name(&at)).unwrap();
        let commits = self.sandbox.commits(branch, packs);
        for commit in &commits {
            let operation = self.operation("sync");
            self.sandbox.bring(&operation, &[*commit], known.as_slice()).unwrap();
            let edit = known.map_or_else(|| create(&at, *commit), |known| update(&at, known, *commit));
            operation.apply(&[edit]).unwrap();
            known = Some(*commit);
        }
        commits
    }

    pub(crate) fn operation(&self, verb: &str) -> Operation {
        self.cache.recover().unwrap();
        self.cache.begin(verb).unwrap()
    }

    /// The rules, some hours from now.
    pub(crate) fn rules(&self, hours: i64) -> UpkeepRules {
        let now = Timestamp::now().checked_add(SignedDuration::from_hours(hours)).unwrap();
        let mut rules = UpkeepRules::new(RefPrefix::parse(PREFIX).unwrap(), now);
        rules.spare_bytes = 0;
        // Shorter than where readers are, so that a few hours are enough for all that has to pass.
        rules.reader_grace = std::time::Duration::from_secs(3600);
        rules
    }

    pub(crate) fn maintain(&self, hours: i64) -> Upkeep {
        let Upkept { upkeep, error } = self.maintain_with(&self.rules(hours), &Unhurried);
        if let Some(error) = error {
            panic!("{error}: {:?}", std::error::Error::source(&error));
        }
        upkeep.unwrap()
    }

    pub(crate) fn maintain_with(&self, rules: &UpkeepRules, pace: &dyn Pace) -> Upkept {
        let tools = UpkeepTools {
            git: &self.git,
            runtime: self.runtime.handle().clone(),
            pace,
            until: Instant::now() + Duration::from_secs(300),
        };
        self.operation("maintain").maintain(rules, &tools)
    }

    /// Every object of the store, wherever it stands.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let args = ["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"];
        self.sandbox.git(self.cache.path(), &args).lines().map(ToOwned::to_owned).collect()
    }

    /// The packs in the store, however they are looked upon.
    pub(crate) fn packs(&self) -> BTreeSet<String> {
        self.files("objects/pack").into_iter().filter(|name| name.ends_with(".pack")).collect()
    }

    pub(crate) fn files(&self, folder: &str) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.cache.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(crate) fn fsck(&self) {
        self.sandbox.fsck(&self.cache);
    }
}

pub(crate) fn step(upkeep: &Upkeep, task: UpkeepTask) -> &UpkeepStep {
    upkeep.steps.iter().find(|step| step.task == task).unwrap()
}
