//! `snapshots list` and `snapshots prune`: which snapshots there are, and which retention lets go.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::after_fault;
use super::{Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::Fault;
use crate::name::{CommitId, LaneName, NodeName, RefName, RepositoryName};
use crate::operation::{Mode, Verb};
use crate::snapshot::{KeepReason, PrunePlan, SnapshotName, SnapshotSeen};

/// The report of `snapshots list`.
pub type SnapshotsReport = Report<LaneSnapshots>;

/// The report of `snapshots prune`.
pub type PruneReport = Report<LanePrune>;

/// The snapshots of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneSnapshots {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Its snapshots, the newest first.
    pub snapshots: Vec<SnapshotEntry>,
    /// Why they could not be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotEntry {
    /// The snapshot ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it holds.
    pub commit: CommitId,
    /// When it was made.
    #[schemars(with = "Instant")]
    pub made_at: Timestamp,
}

impl LaneSnapshots {
    /// The snapshots of a lane.
    #[must_use]
    pub fn listed(lane: &LaneName, repository: &RepositoryName, seen: &[SnapshotSeen]) -> Self {
        let entry = |snapshot: &SnapshotSeen| SnapshotEntry {
            name: snapshot.name.ref_name(),
            commit: snapshot.name.commit,
            made_at: snapshot.made_at,
        };
        let mut snapshots: Vec<SnapshotEntry> = seen.iter().map(entry).collect();
        snapshots.sort_by(|a, b| b.made_at.cmp(&a.made_at).then_with(|| a.name.cmp(&b.name)));
        Self { lane: lane.clone(), repository: repository.clone(), snapshots, fault: None }
    }

    /// A lane whose snapshots could not be listed.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        Self { lane: lane.clone(), repository: repository.clone(), snapshots: Vec::new(), fault: Some(fault) }
    }
}

impl LaneReport for LaneSnapshots {
    const VERB: Verb = Verb::SnapshotsList;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn next(&self, node: &NodeName, _mode: Option<Mode>) -> Vec<NextCommand> {
        match &self.fault {
            Some(fault) => after_fault(fault, NextVerb::Status, node, &self.lane),
            None => Vec::new(),
        }
    }
}

/// What retention does to the snapshots of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LanePrune {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Whether all went well.
    pub ok: bool,
    /// What was dropped, or on a dry run would be.
    pub dropped: Vec<DroppedSnapshot>,
    /// What stays, and why.
    pub kept: Vec<KeptSnapshot>,
    /// Why nothing could be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A snapshot that retention lets go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DroppedSnapshot {
    /// The snapshot ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it held.
    pub commit: CommitId,
}

/// A snapshot that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptSnapshot {
    /// The snapshot ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it holds.
    pub commit: CommitId,
    /// Why it stays.
    pub reason: KeepReason,
}

impl LanePrune {
    /// A lane whose plan was carried out, or on a dry run only made.
    #[must_use]
    pub fn pruned(lane: &LaneName, repository: &RepositoryName, plan: &PrunePlan) -> Self {
        let dropped = |name: &SnapshotName| DroppedSnapshot { name: name.ref_name(), commit: name.commit };
        let kept = |name: &SnapshotName, reason| KeptSnapshot { name: name.ref_name(), commit: name.commit, reason };
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: true,
            dropped: plan.drop.iter().map(|drop| dropped(&drop.name)).collect(),
            kept: plan.keep.iter().map(|(name, reason)| kept(name, *reason)).collect(),
            fault: None,
        }
    }

    /// A lane whose snapshots could not be pruned.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            dropped: Vec::new(),
            kept: Vec::new(),
            fault: Some(fault),
        }
    }

    /// The lane's outcome in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (&self.fault, self.dropped.is_empty()) {
            (Some(_), _) => "failed",
            (None, true) => "nothing-to-prune",
            (None, false) => "pruned",
        }
    }
}

impl LaneReport for LanePrune {
    const VERB: Verb = Verb::SnapshotsPrune;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn next(&self, node: &NodeName, mode: Option<Mode>) -> Vec<NextCommand> {
        match &self.fault {
            Some(fault) => after_fault(fault, NextVerb::SnapshotsPrune, node, &self.lane),
            None if mode == Some(Mode::DryRun) && !self.dropped.is_empty() => {
                vec![NextCommand::for_lane(NextVerb::SnapshotsPrune, node, &self.lane)]
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
