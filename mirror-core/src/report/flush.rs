//! `flush`: whether the GitOps commits of each lane are upstream, and how that is known.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{LaneState, after_fault};
use super::{ExitCode, Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::Fault;
use crate::flush::{
    Decision, FlushOutcome, FlushVerdict, PartialSuccess, PushOutcome, PushRecord, Recheck, Recovery, Tip,
};
use crate::name::{BranchName, CommitId, LaneName, NodeName, RefName, RepositoryName};
use crate::operation::{Mode, Verb};
use crate::sync::RefOutcome;

/// The report of `flush`.
pub type FlushReport = Report<LaneFlush>;

/// What a flush did, or would do, to one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LaneFlush {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Whether an observation made after the last push shows the local tip upstream, or nothing was to flush.
    pub ok: bool,
    /// The GitOps branch; null where the lane has none, or the flush did not come to look at it.
    #[serde(rename = "ref")]
    pub name: Option<RefName>,
    /// Its local tip; null where it is absent.
    pub local: Option<CommitId>,
    /// Its tip upstream, as last seen; null where it is absent or was not seen after the last push.
    pub upstream: Option<CommitId>,
    /// When that was seen; null where it was not.
    #[schemars(with = "Option<Instant>")]
    pub observed_at: Option<Timestamp>,
    /// How the flush ended.
    pub outcome: FlushWord,
    /// What was pushed; null where there was nothing to flush.
    pub push: Option<PushRecord>,
    /// The looks after a push; null where none was made.
    pub recheck: Option<Recheck>,
    /// Set where an accepted push could not be looked at; null otherwise.
    pub partial_success: Option<PartialSuccess>,
    /// Whether the one controlled sync that followed brought the proof.
    pub partial_success_recovered: bool,
    /// That sync; null where none was made.
    pub post_push_recovery: Option<PostPushRecovery>,
    /// The best common ancestor of two diverged tips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_base: Option<CommitId>,
    /// The state of the lane afterwards; its fields stand beside the others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub state: Option<LaneState>,
    /// Why the flush is not good, where a fault is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// How a flush of a lane ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlushWord {
    /// The lane has no GitOps branch by its configuration: it only builds, and there is nothing to flush.
    NoGitops,
    /// There is no local GitOps branch, so there is nothing to flush.
    Absent,
    /// Upstream had the local tip already.
    UpToDate,
    /// A dry run: a push would follow.
    WouldPush,
    /// A dry run: it cannot be told without objects that are not here.
    NeedsObjects,
    /// Upstream took the commits and shows exactly the local tip.
    Flushed,
    /// Upstream took the commits and shows a newer tip that contains them; a sync follows it.
    Contained,
    /// Upstream took the commits; the look failed, and the one controlled sync brought the proof.
    Recovered,
    /// Upstream has commits on top of the local tip; a sync brings them.
    Behind,
    /// Neither tip contains the other; nothing was forced.
    Diverged,
    /// Upstream refused the push.
    Rejected,
    /// Nothing was pushed.
    NotFlushed,
    /// Upstream took the push, and nothing since has shown it.
    Unproved,
    /// A push was sent and nobody knows whether it landed. Flushing again is safe.
    Unknown,
}

impl FlushWord {
    /// Every word, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::NoGitops,
        Self::Absent,
        Self::UpToDate,
        Self::WouldPush,
        Self::NeedsObjects,
        Self::Flushed,
        Self::Contained,
        Self::Recovered,
        Self::Behind,
        Self::Diverged,
        Self::Rejected,
        Self::NotFlushed,
        Self::Unproved,
        Self::Unknown,
    ];

    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoGitops => "no-gitops",
            Self::Absent => "absent",
            Self::UpToDate => "up-to-date",
            Self::WouldPush => "would-push",
            Self::NeedsObjects => "needs-objects",
            Self::Flushed => "flushed",
            Self::Contained => "contained",
            Self::Recovered => "recovered",
            Self::Behind => "behind",
            Self::Diverged => "diverged",
            Self::Rejected => "rejected",
            Self::NotFlushed => "not-flushed",
            Self::Unproved => "unproved",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for FlushWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<FlushOutcome> for FlushWord {
    fn from(outcome: FlushOutcome) -> Self {
        match outcome {
            FlushOutcome::UpToDate => Self::UpToDate,
            FlushOutcome::Flushed => Self::Flushed,
            FlushOutcome::Contained => Self::Contained,
            FlushOutcome::Recovered => Self::Recovered,
            FlushOutcome::Behind => Self::Behind,
            FlushOutcome::Diverged => Self::Diverged,
            FlushOutcome::Rejected => Self::Rejected,
            FlushOutcome::NotFlushed => Self::NotFlushed,
            FlushOutcome::Unproved => Self::Unproved,
            FlushOutcome::Unknown => Self::Unknown,
        }
    }
}

impl From<Decision> for FlushWord {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::InSync => Self::UpToDate,
            Decision::Push { .. } => Self::WouldPush,
            Decision::Behind => Self::Behind,
            Decision::Diverged => Self::Diverged,
            Decision::NeedsObjects => Self::NeedsObjects,
        }
    }
}

/// The one controlled sync after an accepted push that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostPushRecovery {
    /// Whether it showed the local tip upstream.
    pub ok: bool,
    /// What it made of the GitOps branch; null where it failed.
    pub outcome: Option<RefOutcome>,
    /// The upstream tip it saw; null where it failed.
    pub tip: Option<CommitId>,
    /// When it saw it; null where it failed.
    #[schemars(with = "Option<Instant>")]
    pub observed_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl PostPushRecovery {
    fn of(recovery: &Result<Recovery, Fault>, proved: Proved) -> Self {
        let ok = proved == Proved::Yes;
        match recovery {
            Ok(recovery) => Self {
                ok,
                outcome: Some(recovery.outcome),
                tip: recovery.tip.commit,
                observed_at: Some(recovery.tip.observed_at),
                fault: None,
            },
            Err(fault) => Self { ok: false, outcome: None, tip: None, observed_at: None, fault: Some(fault.clone()) },
        }
    }
}

/// Whether a recovery brought the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proved {
    Yes,
    No,
}

impl LaneFlush {
    /// A lane whose flush has ended. It is ok only where the verdict holds a proof.
    #[must_use]
    pub fn ended(
        lane: &LaneName,
        repository: &RepositoryName,
        gitops: &BranchName,
        local: CommitId,
        verdict: &FlushVerdict,
    ) -> Self {
        let recovered = if verdict.partial_success_recovered() { Proved::Yes } else { Proved::No };
        let mut line = Self::blank(lane, repository, FlushWord::from(verdict.outcome));
        line.name = Some(gitops.ref_name());
        line.local = Some(local);
        line.saw(verdict.seen.as_ref());
        line.push = Some(verdict.push.clone().unwrap_or_else(|| not_sent(local)));
        line.recheck = verdict.recheck.clone();
        line.partial_success = verdict.partial_success;
        line.partial_success_recovered = verdict.partial_success_recovered();
        line.post_push_recovery = verdict.recovery.as_ref().map(|recovery| PostPushRecovery::of(recovery, recovered));
        line.fault = verdict.fault.clone();
        // The verdict's own word is not enough: without the observation that proves it, it is not told as good (I4).
        line.ok = verdict.ok() && line.exit() == ExitCode::Done;
        line
    }

    /// What one look says a flush of the lane would do; nothing was sent.
    #[must_use]
    pub fn planned(
        lane: &LaneName,
        repository: &RepositoryName,
        gitops: &BranchName,
        local: CommitId,
        seen: &Tip,
        decision: Decision,
    ) -> Self {
        let mut line = Self::blank(lane, repository, FlushWord::from(decision));
        line.name = Some(gitops.ref_name());
        line.local = Some(local);
        line.saw(Some(seen));
        line.push = Some(not_sent(local));
        line.concluded()
    }

    /// A lane without a local GitOps branch: there is nothing to flush.
    #[must_use]
    pub fn nothing(lane: &LaneName, repository: &RepositoryName, gitops: &BranchName) -> Self {
        let mut line = Self::blank(lane, repository, FlushWord::Absent);
        line.name = Some(gitops.ref_name());
        line.concluded()
    }

    /// A lane without a GitOps branch: it only builds.
    #[must_use]
    pub fn no_gitops(lane: &LaneName, repository: &RepositoryName) -> Self {
        Self::blank(lane, repository, FlushWord::NoGitops).concluded()
    }

    /// A lane whose flush did not come to begin.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        let mut line = Self::blank(lane, repository, FlushWord::NotFlushed);
        line.fault = Some(fault);
        line
    }

    /// Adds the state of the lane, read after the flush had ended. Where it shows commits pending, the flush is not ok.
    #[must_use]
    pub fn with_state(mut self, state: LaneState) -> Self {
        let was_ok = self.ok;
        self.state = Some(state);
        self.ok = was_ok && self.exit() == ExitCode::Done;
        self
    }

    /// Adds what went wrong after the verdict, such as a cache that could not remember what was seen.
    #[must_use]
    pub fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self.ok = false;
        self
    }

    /// The lane's outcome in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        self.outcome.as_str()
    }

    fn blank(lane: &LaneName, repository: &RepositoryName, outcome: FlushWord) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            ok: false,
            name: None,
            local: None,
            upstream: None,
            observed_at: None,
            outcome,
            push: None,
            recheck: None,
            partial_success: None,
            partial_success_recovered: false,
            post_push_recovery: None,
            merge_base: None,
            state: None,
            fault: None,
        }
    }

    fn saw(&mut self, tip: Option<&Tip>) {
        self.upstream = tip.and_then(|tip| tip.commit);
        self.observed_at = tip.map(|tip| tip.observed_at);
        self.merge_base = tip.and_then(|tip| tip.relation).and_then(|relation| relation.merge_base());
    }

    fn concluded(mut self) -> Self {
        self.ok = self.exit() == ExitCode::Done;
        self
    }
}

fn not_sent(local: CommitId) -> PushRecord {
    PushRecord { outcome: PushOutcome::NotSent, attempts: 0, expected: None, new: local, rejection: None, fault: None }
}

impl LaneReport for LaneFlush {
    const VERB: Verb = Verb::Flush;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.outcome {
            FlushWord::Diverged => findings.push(Finding::Diverged),
            FlushWord::Behind => findings.push(Finding::OutOfSync),
            FlushWord::NoGitops
            | FlushWord::Absent
            | FlushWord::UpToDate
            | FlushWord::WouldPush
            | FlushWord::NeedsObjects
            | FlushWord::Flushed
            | FlushWord::Contained
            | FlushWord::Recovered => {}
            // These are faults; where none was kept, the commits are at least not known to be upstream.
            FlushWord::Rejected | FlushWord::NotFlushed | FlushWord::Unproved | FlushWord::Unknown => {
                findings.push(Finding::PendingFlush);
            }
        }
        // A commit that was accepted here while the flush was under way is pending, whatever the flush itself came to.
        let succeeded = matches!(
            self.outcome,
            FlushWord::Absent | FlushWord::UpToDate | FlushWord::Flushed | FlushWord::Contained | FlushWord::Recovered
        );
        if succeeded && self.state.as_ref().is_some_and(|state| state.pending_flush) {
            findings.push(Finding::PendingFlush);
        }
        findings
    }

    fn next(&self, node: &NodeName, _mode: Option<Mode>) -> Vec<NextCommand> {
        let command = |verb| NextCommand::for_lane(verb, node, &self.lane);
        let after = |fallback: NextVerb| match &self.fault {
            Some(fault) => after_fault(fault, fallback, node, &self.lane),
            None => vec![command(fallback)],
        };
        match self.outcome {
            FlushWord::WouldPush => vec![command(NextVerb::Flush)],
            FlushWord::NeedsObjects | FlushWord::Contained | FlushWord::Behind => vec![command(NextVerb::Sync)],
            FlushWord::Diverged => vec![command(NextVerb::ResolveAdoptPlan)],
            FlushWord::Unproved => vec![command(NextVerb::Sync)],
            FlushWord::Rejected | FlushWord::NotFlushed | FlushWord::Unknown => after(NextVerb::Flush),
            FlushWord::NoGitops
            | FlushWord::Absent
            | FlushWord::UpToDate
            | FlushWord::Flushed
            | FlushWord::Recovered => {
                if self.fault.is_some() || !self.findings().is_empty() {
                    after(NextVerb::Flush)
                } else {
                    Vec::new()
                }
            }
        }
    }

    fn ok(&self) -> bool {
        self.ok
    }

    fn outcome(&self) -> &'static str {
        self.word()
    }
}
