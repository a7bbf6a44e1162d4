//! `status`: the state of each lane, here and, as it was last observed, upstream.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::{Fault, FaultClass};
use crate::name::{CommitId, LaneName, NodeName, RefName, RepositoryName};
use crate::operation::{Holder, Mode, Verb};

/// The report of `status`.
pub type StatusReport = Report<LaneStatus>;

/// The state of one lane, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneStatus {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Its state.
    #[serde(flatten)]
    pub state: LaneState,
    /// What kept the state from being read, where anything did; the fields it hides are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The state of one lane. Only [`status::derive`](crate::status::derive) makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneState {
    /// The road to upstream.
    pub transport: TransportView,
    /// The source branch, as readers see it.
    pub local_source: RefValue,
    /// The source branch upstream, as last observed.
    pub github_source: RefValue,
    /// The GitOps branch, as readers see it; null where the lane only builds.
    pub local_gitops: Option<RefValue>,
    /// The GitOps branch upstream, as last observed; null where the lane only builds.
    pub github_gitops: Option<RefValue>,
    /// How many commits only the local GitOps branch has; null where that is not known, or the lane only builds.
    pub ahead: Option<u64>,
    /// How many commits only the GitOps branch upstream has; null where that is not known, or the lane only builds.
    pub behind: Option<u64>,
    /// Whether neither GitOps tip contains the other.
    pub diverged: bool,
    /// Whether the local GitOps tip is not contained in the one last observed upstream.
    pub pending_flush: bool,
    /// Whether source and GitOps tips both equal the ones last observed upstream; of a lane that only builds, whether the source does.
    pub github_in_sync: bool,
    /// Where the upstream side comes from.
    pub ref_sources: RefSources,
    /// The snapshot of the local source tip; null where there is none.
    pub snapshot: Option<SnapshotValue>,
    /// The last sync that ended; null where there was none.
    pub last_sync: Option<OperationSummary>,
    /// The last flush that ended; null where there was none.
    pub last_flush: Option<OperationSummary>,
    /// The operation that holds the cache now; null where none does.
    pub running: Option<Holder>,
    /// What runs in the cluster and is not what the configuration says.
    pub drift: Vec<Drift>,
}

/// The road to upstream, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransportView {
    /// Always `ssh`.
    pub mode: TransportMode,
    /// Upstream without the repository's path.
    pub endpoint: String,
    /// The CONNECT proxy; null where the connection is direct.
    pub proxy: Option<String>,
}

/// How upstream is reached. There is one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransportMode {
    /// Git over SSH.
    Ssh,
}

/// A ref and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefValue {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it holds; null where it is absent.
    pub commit: Option<CommitId>,
}

/// Where the upstream side of a state comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefSources {
    /// Whether the `github…` fields are what the mirror remembers, not what upstream has this moment (R14). False only where a
    /// status looked at upstream itself (`--refresh`).
    pub github_fields_are_mirror_stage_cache: bool,
    /// When upstream was last looked at, for the older of its branches; null where it never was.
    #[schemars(with = "Option<Instant>")]
    pub observed_at: Option<Timestamp>,
    /// How long ago that was.
    pub age_seconds: Option<u64>,
}

/// A snapshot and its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotValue {
    /// The snapshot ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it holds.
    pub commit: CommitId,
}

/// How an operation ended, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationSummary {
    /// Its id, as in the history.
    pub operation: String,
    /// When it ended.
    #[schemars(with = "Instant")]
    pub ended_at: Timestamp,
    /// Whether all went well for this lane.
    pub ok: bool,
    /// Its outcome for this lane, in one word.
    pub outcome: String,
}

/// Something in the cluster that is not what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub found: String,
    /// What repairs it.
    pub repair: String,
}

impl LaneState {
    /// What about the lane is not as wanted, the gravest first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let gone = self.github_source.commit.is_none()
            && self.ref_sources.observed_at.is_some()
            // A branch that is on neither side by a trusted look was never there; by another, it may only not have come yet.
            && (self.local_source.commit.is_some() || self.github_in_sync);
        // A branch that is ahead is pending, and one that diverged is diverged: "out of sync" is said of what a sync repairs.
        let source_differs = !gone && self.local_source.commit != self.github_source.commit;
        let commit = |value: &Option<RefValue>| value.as_ref().and_then(|value| value.commit);
        let gitops_differs = !self.pending_flush && commit(&self.local_gitops) != commit(&self.github_gitops);
        let unobserved = self.ref_sources.observed_at.is_none();
        let unexplained = !self.github_in_sync && !gone && !self.pending_flush;
        let holds = |finding: &Finding| match finding {
            Finding::Diverged => self.diverged,
            Finding::GoneUpstream => gone,
            Finding::PendingFlush => self.pending_flush && !self.diverged,
            Finding::OutOfSync => source_differs || gitops_differs || unobserved || unexplained,
            Finding::SnapshotMissing => self.local_source.commit.is_some() && self.snapshot.is_none(),
            Finding::Drift => !self.drift.is_empty(),
        };
        Finding::ALL.into_iter().filter(holds).collect()
    }
}

impl LaneReport for LaneStatus {
    const VERB: Verb = Verb::Status;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        self.state.findings()
    }

    fn next(&self, node: &NodeName, _mode: Option<Mode>) -> Vec<NextCommand> {
        match &self.fault {
            Some(fault) => after_fault(fault, NextVerb::StatusRefresh, node, &self.lane),
            None => after_findings(&self.findings(), node, &self.lane),
        }
    }
}

/// The commands that repair findings.
pub(super) fn after_findings(findings: &[Finding], node: &NodeName, lane: &LaneName) -> Vec<NextCommand> {
    let verbs = findings.iter().filter_map(|finding| match finding {
        Finding::Diverged => Some(NextVerb::ResolveAdoptPlan),
        Finding::PendingFlush => Some(NextVerb::Flush),
        Finding::OutOfSync | Finding::SnapshotMissing => Some(NextVerb::Sync),
        // What is gone upstream, or drifted, is repaired in the configuration or upstream, not by a verb of a lane.
        Finding::GoneUpstream | Finding::Drift => None,
    });
    let mut commands: Vec<NextCommand> = Vec::new();
    for verb in verbs {
        let command = NextCommand::for_lane(verb, node, lane);
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// The commands after a fault: what shows more of it, then the verb again where that can help.
pub(super) fn after_fault(fault: &Fault, again: NextVerb, node: &NodeName, lane: &LaneName) -> Vec<NextCommand> {
    let verbs: &[NextVerb] = match fault.class {
        FaultClass::Upstream => &[NextVerb::Doctor, again],
        FaultClass::Failed | FaultClass::Busy => &[again],
        FaultClass::Usage => &[NextVerb::ConfigCheck],
        FaultClass::Finding | FaultClass::Cluster => &[NextVerb::Status],
    };
    let command = |verb: &NextVerb| match verb {
        NextVerb::ConfigCheck => NextCommand::for_configuration(*verb),
        _ => NextCommand::for_lane(*verb, node, lane),
    };
    verbs.iter().map(command).collect()
}
