//! `lane resolve`: how a diverged lane was brought in order, and where the local tip was set aside.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{LaneState, after_fault};
use super::{ExitCode, Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::Fault;
use crate::name::{CommitId, LaneName, NodeName, RefName, RepositoryName};
use crate::operation::{Mode, Verb};

/// The report of `lane resolve`.
pub type ResolveReport = Report<LaneResolve>;

/// What `lane resolve` did, or would do, to one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneResolve {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Whether all went well.
    pub ok: bool,
    /// What became of the GitOps branch; null where the lane has none, or nothing could be decided.
    pub resolution: Option<Resolution>,
    /// The state of the lane afterwards; its fields stand beside the others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub state: Option<LaneState>,
    /// Why the lane could not be resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What became of a diverged GitOps branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    /// The GitOps branch.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Its value here before; null where it was absent.
    pub before: Option<CommitId>,
    /// Its value upstream; null where it is absent.
    pub upstream: Option<CommitId>,
    /// Its value here afterwards; null where it is absent.
    pub after: Option<CommitId>,
    /// The ref that keeps the value before; null where nothing had to be kept.
    pub rescue: Option<RefName>,
    /// When upstream was looked at.
    #[schemars(with = "Instant")]
    pub observed_at: Timestamp,
    /// What that amounts to.
    pub outcome: ResolveOutcome,
}

/// How a resolve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveOutcome {
    /// The lane was not diverged; nothing was done.
    NothingToResolve,
    /// The branch took upstream's value, and the rescue ref keeps the old one.
    Adopted,
    /// Upstream has no such branch, so there is nothing to adopt.
    NothingUpstream,
    /// A dry run: it cannot be told without objects that are not here whether the lane is diverged.
    NeedsObjects,
}

impl ResolveOutcome {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NothingToResolve => "nothing-to-resolve",
            Self::Adopted => "adopted",
            Self::NothingUpstream => "nothing-upstream",
            Self::NeedsObjects => "needs-objects",
        }
    }
}

impl std::fmt::Display for ResolveOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl LaneResolve {
    /// A lane that was decided.
    #[must_use]
    pub fn resolved(lane: &LaneName, repository: &RepositoryName, resolution: Resolution) -> Self {
        let mut line = Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            resolution: Some(resolution),
            state: None,
            fault: None,
        };
        line.ok = line.exit() == ExitCode::Done;
        line
    }

    /// A lane without a GitOps branch: it only builds, and there is nothing to resolve.
    #[must_use]
    pub fn no_gitops(lane: &LaneName, repository: &RepositoryName) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: true,
            resolution: None,
            state: None,
            fault: None,
        }
    }

    /// A lane that could not be resolved.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            resolution: None,
            state: None,
            fault: Some(fault),
        }
    }

    /// Adds the state of the lane, read after it was resolved.
    #[must_use]
    pub fn with_state(mut self, state: LaneState) -> Self {
        self.state = Some(state);
        self
    }

    /// The lane's outcome in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.resolution, &self.fault) {
            (Some(resolution), _) => resolution.outcome.as_str(),
            (None, Some(_)) => "failed",
            (None, None) => "no-gitops",
        }
    }
}

impl LaneReport for LaneResolve {
    const VERB: Verb = Verb::LaneResolve;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        let nothing = |resolution: &Resolution| resolution.outcome == ResolveOutcome::NothingUpstream;
        self.resolution.iter().filter(|resolution| nothing(resolution)).map(|_| Finding::GoneUpstream).collect()
    }

    fn next(&self, node: &NodeName, mode: Option<Mode>) -> Vec<NextCommand> {
        if let Some(fault) = &self.fault {
            return after_fault(fault, NextVerb::ResolveAdoptPlan, node, &self.lane);
        }
        let Some(resolution) = &self.resolution else { return Vec::new() };
        let verb = match (resolution.outcome, mode) {
            (ResolveOutcome::Adopted | ResolveOutcome::NeedsObjects, Some(Mode::DryRun)) => NextVerb::ResolveAdopt,
            (ResolveOutcome::NeedsObjects, _) => NextVerb::Sync,
            (ResolveOutcome::NothingUpstream, _) => NextVerb::Flush,
            (ResolveOutcome::Adopted | ResolveOutcome::NothingToResolve, _) => NextVerb::Status,
        };
        vec![NextCommand::for_lane(verb, node, &self.lane)]
    }

    fn ok(&self) -> bool {
        self.ok
    }

    fn outcome(&self) -> &'static str {
        self.word()
    }
}
