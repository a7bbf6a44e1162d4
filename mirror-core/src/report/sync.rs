//! `sync`: what became of the refs and snapshots of each lane.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{LaneState, after_fault, after_findings};
use super::{ExitCode, Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::{Classified, Fault, FaultClass, Retry};
use crate::name::{CommitId, LaneName, NodeName, RefName, RepositoryName};
use crate::operation::{Mode, Verb};
use crate::sync::{RefChange, RefKind, RefOutcome, SnapshotChange, SnapshotOutcome, SyncPlan};

/// The report of `sync`.
pub type SyncReport = Report<LaneSync>;

/// What a sync did, or would do, to one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneSync {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Whether all went well and the lane is as wanted.
    pub ok: bool,
    /// When upstream was looked at; null where it could not be.
    #[schemars(with = "Option<Instant>")]
    pub observed_at: Option<Timestamp>,
    /// What became of each ref. The further refs of a repository stand with its first lane.
    pub refs: Vec<RefLine>,
    /// What became of each snapshot.
    pub snapshots: Vec<SnapshotLine>,
    /// The state of the lane afterwards; its fields stand beside the others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub state: Option<LaneState>,
    /// Why the lane could not be synced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefLine {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Which part it plays.
    pub kind: RefKind,
    /// Its value here before; null where it was absent.
    pub before: Option<CommitId>,
    /// Its value upstream; null where it is absent.
    pub upstream: Option<CommitId>,
    /// Its value here afterwards; null where it is absent.
    pub after: Option<CommitId>,
    /// What that amounts to.
    pub outcome: RefOutcome,
    /// How many commits only the value here before had, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// How many commits only upstream has, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
    /// The best common ancestor of two diverged tips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_base: Option<CommitId>,
}

/// What became of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotLine {
    /// The snapshot ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit it holds.
    pub commit: CommitId,
    /// What became of it.
    pub outcome: SnapshotOutcome,
}

impl From<&RefChange> for RefLine {
    fn from(change: &RefChange) -> Self {
        Self {
            name: change.name.clone(),
            kind: change.kind,
            before: change.before,
            upstream: change.upstream,
            after: change.after,
            outcome: change.outcome,
            ahead: change.relation.and_then(|relation| relation.ahead()),
            behind: change.relation.and_then(|relation| relation.behind()),
            merge_base: change.relation.and_then(|relation| relation.merge_base()),
        }
    }
}

impl From<&SnapshotChange> for SnapshotLine {
    fn from(change: &SnapshotChange) -> Self {
        Self { name: change.name.clone(), commit: change.commit, outcome: change.outcome }
    }
}

impl LaneSync {
    /// A lane whose plan was carried out, on the observation it was made of. The further refs of the repository come with one lane.
    #[must_use]
    pub fn synced(
        lane: &LaneName,
        repository: &RepositoryName,
        plan: &SyncPlan,
        extra: Vec<RefChange>,
        observed_at: Timestamp,
    ) -> Self {
        let refs = [&plan.source].into_iter().chain(&plan.gitops).chain(&extra).map(RefLine::from).collect();
        let line = Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            observed_at: Some(observed_at),
            refs,
            snapshots: plan.snapshot.iter().map(SnapshotLine::from).collect(),
            state: None,
            fault: None,
        };
        line.concluded()
    }

    /// A lane that could not be synced.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            observed_at: None,
            refs: Vec::new(),
            snapshots: Vec::new(),
            state: None,
            fault: Some(fault),
        }
    }

    /// Adds the state of the lane, read after a confirmed sync had ended. Such a sync has fetched what it decides by: where it could
    /// not decide all the same, it failed.
    #[must_use]
    pub fn with_state(mut self, state: LaneState) -> Self {
        self.state = Some(state);
        let undecided = self.refs.iter().find(|line| line.outcome == RefOutcome::NeedsObjects);
        if let (None, Some(line)) = (&self.fault, undecided) {
            self.fault = Some(Fault::of(&SyncUndecided { name: line.name.clone() }));
        }
        self.concluded()
    }

    fn concluded(mut self) -> Self {
        self.ok = self.exit() == ExitCode::Done;
        self
    }

    /// The lane's outcome in one word: what is wrong, or else what moved.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.fault.is_some() {
            return "failed";
        }
        if let Some(finding) = self.findings().first() {
            return finding.as_str();
        }
        let lane = self.refs.iter().filter(|line| matches!(line.kind, RefKind::Source | RefKind::Gitops));
        let moved = lane.map(|line| line.outcome).find(|outcome| !is_still(*outcome));
        moved.unwrap_or(RefOutcome::UpToDate).as_str()
    }

    /// Whether something is left to do for a run with `--confirm`.
    fn would_change(&self) -> bool {
        let snapshots = self.snapshots.iter().any(|line| line.outcome != SnapshotOutcome::Present);
        let waits = |outcome| outcome == RefOutcome::NeedsObjects;
        snapshots || self.refs.iter().any(|line| line.before != line.after || waits(line.outcome))
    }
}

/// A confirmed sync could not tell how a ref stands to upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{name} cannot be related to upstream: objects are missing after the fetch")]
#[diagnostic(
    code(mirror::sync::undecided),
    help(
        "run the same command again; where it stays so, the store has lost objects: `git fsck` in the cache names them"
    )
)]
pub struct SyncUndecided {
    /// The ref.
    pub name: RefName,
}

impl Classified for SyncUndecided {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}

/// Whether an outcome means that nothing moved.
const fn is_still(outcome: RefOutcome) -> bool {
    match outcome {
        RefOutcome::UpToDate | RefOutcome::Absent => true,
        RefOutcome::Created
        | RefOutcome::FastForwarded
        | RefOutcome::Rewound
        | RefOutcome::GoneUpstream
        | RefOutcome::PendingFlush
        | RefOutcome::Diverged
        | RefOutcome::NeedsObjects => false,
    }
}

/// What an outcome leaves to be wished. A tag that upstream dropped is none: nothing depends on it, and nothing here drops it.
const fn finding_of(kind: RefKind, outcome: RefOutcome) -> Option<Finding> {
    match (outcome, kind) {
        (RefOutcome::GoneUpstream, RefKind::Tag) => None,
        (RefOutcome::GoneUpstream, RefKind::Source | RefKind::Gitops | RefKind::Branch) => Some(Finding::GoneUpstream),
        (RefOutcome::PendingFlush, _) => Some(Finding::PendingFlush),
        (RefOutcome::Diverged, _) => Some(Finding::Diverged),
        (
            RefOutcome::UpToDate
            | RefOutcome::Created
            | RefOutcome::FastForwarded
            | RefOutcome::Rewound
            | RefOutcome::Absent
            | RefOutcome::NeedsObjects,
            _,
        ) => None,
    }
}

impl LaneReport for LaneSync {
    const VERB: Verb = Verb::Sync;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            self.refs.iter().filter_map(|line| finding_of(line.kind, line.outcome)).collect();
        // A commit that was accepted here while the sync was under way is pending, whatever the sync itself saw.
        match &self.state {
            Some(state) if state.diverged => findings.push(Finding::Diverged),
            Some(state) if state.pending_flush => findings.push(Finding::PendingFlush),
            Some(_) | None => {}
        }
        findings.sort_unstable();
        findings.dedup();
        findings
    }

    fn next(&self, node: &NodeName, mode: Option<Mode>) -> Vec<NextCommand> {
        if let Some(fault) = &self.fault {
            return after_fault(fault, NextVerb::Sync, node, &self.lane);
        }
        let mut commands = Vec::new();
        if mode == Some(Mode::DryRun) && self.would_change() {
            commands.push(NextCommand::for_lane(NextVerb::Sync, node, &self.lane));
        }
        commands.extend(after_findings(&self.findings(), node, &self.lane));
        commands
    }

    fn ok(&self) -> bool {
        self.ok
    }

    fn outcome(&self) -> &'static str {
        self.word()
    }

    /// A repository may have ten thousand tags, of which hardly one moves from sync to sync.
    fn record(&self) -> serde_json::Value {
        let mut record = serde_json::to_value(self).expect("because a report is plain data");
        if let Some(refs) = record["refs"].as_array_mut() {
            let lane = [RefKind::Source, RefKind::Gitops];
            let mut lines = self.refs.iter();
            refs.retain(|_| {
                lines.next().is_some_and(|line| lane.contains(&line.kind) || line.outcome != RefOutcome::UpToDate)
            });
        }
        record
    }
}
