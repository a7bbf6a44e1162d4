//! `maintain`: what the cache of each lane's repository is made of, and what was tidied in it.
//!
//! Maintenance is of a repository. Lanes of one repository share its cache, and tell the same.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::after_fault;
use super::{Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::Fault;
use crate::name::{LaneName, NodeName, RepositoryName};
use crate::operation::{Mode, Verb};

/// The report of `maintain`.
pub type MaintainReport = Report<LaneMaintain>;

/// The upkeep of the cache that one lane lives in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneMaintain {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to, whose cache was looked after.
    pub repository: RepositoryName,
    /// Whether all went well.
    pub ok: bool,
    /// What was found and done; absent where there is no cache yet, or it could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upkeep: Option<Upkeep>,
    /// What ended the upkeep before its end. The steps before it hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What was found in one cache, and what was done there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upkeep {
    /// The cache before.
    pub before: StoreFacts,
    /// The steps, in the order in which they are taken.
    pub steps: Vec<UpkeepStep>,
    /// The cache afterwards; null on a dry run, and where a fault ended the upkeep.
    pub after: Option<StoreFacts>,
}

/// What a cache is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreFacts {
    /// Packs in use, without those that others have replaced.
    pub packs: u64,
    /// Their bytes, with their indexes.
    pub pack_bytes: u64,
    /// Their objects. One that is in two packs counts twice.
    pub packed_objects: u64,
    /// Packs that others have replaced; they stay until their readers are gone.
    pub superseded_packs: u64,
    /// Their bytes.
    pub superseded_bytes: u64,
    /// Packs of objects that no ref reaches any more; they stay until their time is over.
    pub unreachable_packs: u64,
    /// Their bytes.
    pub unreachable_bytes: u64,
    /// Objects that stand in a file each.
    pub loose_objects: u64,
    /// Their bytes.
    pub loose_bytes: u64,
    /// Refs that stand in a file each.
    pub loose_refs: u64,
    /// Refs in the packed file.
    pub packed_refs: u64,
    /// Files that somebody began and never finished.
    pub garbage_files: u64,
    /// Their bytes.
    pub garbage_bytes: u64,
    /// When the commit-graph was last written; null where there is none.
    #[schemars(with = "Option<Instant>")]
    pub commit_graph_at: Option<Timestamp>,
    /// Bytes that are free on the file system.
    pub free_bytes: u64,
}

/// One step of the upkeep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpkeepStep {
    /// Which step.
    pub task: UpkeepTask,
    /// What came of it.
    pub outcome: TaskOutcome,
    /// How many things it is about; of what kind they are, the step says.
    pub items: u64,
    /// Their bytes on the disk before.
    pub bytes_before: u64,
    /// Their bytes on the disk afterwards, or on a dry run at most.
    pub bytes_after: u64,
    /// Why it was not done, or not wholly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The steps of the upkeep, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpkeepTask {
    /// Removes files that somebody began and never finished. Items are files.
    Garbage,
    /// Removes packs that others have replaced, once their readers are gone. Items are packs.
    Superseded,
    /// Puts objects that stand in a file each into a pack. Items are objects.
    LooseObjects,
    /// Sets objects apart that no ref reaches any more, and drops them once their time is over. Items are objects.
    Unreachable,
    /// Rolls small packs into one, so that each is at least twice as large as all smaller ones. Items are packs.
    RollUp,
    /// Writes the commit-graph, by which histories are compared quickly. Items are commits.
    CommitGraph,
    /// Moves refs that never change from a file each into the packed file. Items are refs.
    Refs,
}

impl UpkeepTask {
    /// Every step, in its order.
    pub const ALL: [Self; 7] = [
        Self::Garbage,
        Self::Superseded,
        Self::LooseObjects,
        Self::Unreachable,
        Self::RollUp,
        Self::CommitGraph,
        Self::Refs,
    ];

    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Superseded => "superseded",
            Self::LooseObjects => "loose-objects",
            Self::Unreachable => "unreachable",
            Self::RollUp => "roll-up",
            Self::CommitGraph => "commit-graph",
            Self::Refs => "refs",
        }
    }

    /// What its items are, one of them.
    #[must_use]
    pub const fn item(self) -> &'static str {
        match self {
            Self::Garbage => "file",
            Self::Superseded | Self::RollUp => "pack",
            Self::LooseObjects | Self::Unreachable => "object",
            Self::CommitGraph => "commit",
            Self::Refs => "ref",
        }
    }
}

impl std::fmt::Display for UpkeepTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskOutcome {
    /// There was nothing to do.
    Nothing,
    /// It would be done, were it confirmed.
    Planned,
    /// It was done.
    Done,
    /// There is something to do, and its time has not come.
    Waiting,
    /// It was left undone for a reason that passes.
    Skipped,
}

impl TaskOutcome {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Planned => "planned",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for TaskOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl UpkeepStep {
    /// A step about some items.
    #[must_use]
    pub const fn new(task: UpkeepTask, outcome: TaskOutcome, items: u64) -> Self {
        Self { task, outcome, items, bytes_before: 0, bytes_after: 0, why: None }
    }

    /// A step for which there was nothing to do.
    #[must_use]
    pub const fn nothing(task: UpkeepTask) -> Self {
        Self::new(task, TaskOutcome::Nothing, 0)
    }

    /// Says how many bytes its items have on the disk, before and afterwards.
    #[must_use]
    pub const fn with_bytes(mut self, before: u64, after: u64) -> Self {
        self.bytes_before = before;
        self.bytes_after = after;
        self
    }

    /// Says why it was not done, or not wholly.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

impl Upkeep {
    fn has(&self, outcome: TaskOutcome) -> bool {
        self.steps.iter().any(|step| step.outcome == outcome)
    }
}

impl LaneMaintain {
    /// A lane whose cache was looked after, or on a dry run only looked at; nothing where there is no cache yet.
    #[must_use]
    pub fn kept(lane: &LaneName, repository: &RepositoryName, upkeep: Option<Upkeep>) -> Self {
        Self { lane: lane.clone(), repository: repository.clone(), ok: true, upkeep, fault: None }
    }

    /// A lane whose cache could not be looked after, with what was done before that.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, upkeep: Option<Upkeep>, fault: Fault) -> Self {
        Self { lane: lane.clone(), repository: repository.clone(), ok: false, upkeep, fault: Some(fault) }
    }

    /// The lane's outcome in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.fault, &self.upkeep) {
            (Some(_), _) => "failed",
            (None, None) => "no-cache",
            (None, Some(upkeep)) if upkeep.has(TaskOutcome::Done) => "maintained",
            (None, Some(upkeep)) if upkeep.has(TaskOutcome::Planned) => "planned",
            (None, Some(_)) => "nothing-to-do",
        }
    }
}

impl LaneReport for LaneMaintain {
    const VERB: Verb = Verb::Maintain;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        // A cache that could be tidier is served as well as a tidy one.
        Vec::new()
    }

    /// What is tidied is the repository, whichever of its lanes asks for it.
    fn repeats(&self, told: &[Self]) -> bool {
        told.iter().any(|other| other.repository == self.repository && other.fault == self.fault)
    }

    fn next(&self, node: &NodeName, mode: Option<Mode>) -> Vec<NextCommand> {
        let has_plans = self.upkeep.as_ref().is_some_and(|upkeep| upkeep.has(TaskOutcome::Planned));
        match &self.fault {
            Some(fault) => after_fault(fault, NextVerb::Maintain, node, &self.lane),
            None if mode == Some(Mode::DryRun) && has_plans => {
                vec![NextCommand::for_lane(NextVerb::Maintain, node, &self.lane)]
            }
            None => Vec::new(),
        }
    }

    fn ok(&self) -> bool {
        self.ok
    }

    fn outcome(&self) -> &'static str {
        self.word()
    }
}
