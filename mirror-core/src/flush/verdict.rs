//! What a flush concludes, and the proof it needs for calling itself good.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Decision, Recovery, RejectionClass, Tip, decide};
use crate::fault::Fault;
use crate::name::CommitId;

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FlushOutcome {
    /// Upstream had the local tip already; nothing was to do.
    UpToDate,
    /// Upstream took the commits, and a look afterwards showed exactly the local tip.
    Flushed,
    /// Upstream took the commits, and a look afterwards showed a newer tip that contains them; a sync follows it.
    Contained,
    /// Upstream took the commits, the look afterwards failed, and the one controlled sync brought the proof.
    Recovered,
    /// Upstream has commits on top of the local tip; a sync brings them.
    Behind,
    /// Neither tip contains the other; nothing was forced.
    Diverged,
    /// Upstream refused the push.
    Rejected,
    /// Nothing was pushed: upstream could not be looked at, nothing could be sent, or the flush was stopped before.
    NotFlushed,
    /// Upstream took the push, and no look afterwards has shown it.
    Unproved,
    /// A push was sent and nobody knows whether it landed. Flushing again is safe.
    Unknown,
}

impl FlushOutcome {
    /// Every outcome, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::UpToDate,
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

    /// The word used in reports and in the diagram.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
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

    /// Whether it claims that upstream has the commits because of, or without need of, this flush.
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::UpToDate | Self::Flushed | Self::Contained | Self::Recovered => true,
            Self::Behind | Self::Diverged | Self::Rejected | Self::NotFlushed | Self::Unproved | Self::Unknown => false,
        }
    }
}

impl std::fmt::Display for FlushOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// An observation of upstream whose tip is, or contains, the local tip.
///
/// It can only be made of a [`Tip`], so nothing can claim it without having looked (I4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    tip: CommitId,
    observed_at: Timestamp,
}

impl Proof {
    /// Takes a look as proof that upstream has `local`; nothing where it shows no such thing.
    #[must_use]
    pub fn of(local: CommitId, seen: &Tip) -> Option<Self> {
        match decide(local, seen) {
            Decision::InSync | Decision::Behind => Some(Self { tip: seen.commit?, observed_at: seen.observed_at }),
            Decision::Push { .. } | Decision::Diverged | Decision::NeedsObjects => None,
        }
    }

    /// The upstream tip that was seen.
    #[must_use]
    pub const fn tip(&self) -> CommitId {
        self.tip
    }

    /// When it was seen.
    #[must_use]
    pub const fn observed_at(&self) -> Timestamp {
        self.observed_at
    }
}

/// How the pushes of a flush ended, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PushOutcome {
    /// Upstream took one.
    Accepted,
    /// Upstream refused, and no push was without an answer.
    Rejected,
    /// Nothing reached upstream.
    NotSent,
    /// At least one was without an answer, and none was accepted.
    Unknown,
}

/// Why upstream refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Which kind of refusal.
    pub class: RejectionClass,
    /// What upstream said.
    pub words: String,
}

/// The pushes of a flush.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushRecord {
    /// How they ended, taken together.
    pub outcome: PushOutcome,
    /// How many were made.
    pub attempts: u32,
    /// The upstream value the last one expected; null where the branch was absent.
    pub expected: Option<CommitId>,
    /// The value it asked for.
    pub new: CommitId,
    /// The last refusal, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// Why a push was not sent, or had no answer; the latest such reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The looks after a push.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recheck {
    /// How many were made.
    pub looks: u32,
    /// The upstream tip the last successful one showed; null where the branch was absent, or none succeeded.
    pub tip: Option<CommitId>,
    /// When that was; null where none succeeded.
    #[schemars(with = "Option<crate::report::Instant>")]
    pub observed_at: Option<Timestamp>,
    /// Whether that tip is, or contains, the local one.
    pub contains_local: bool,
    /// Why the last one failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A flush that did half of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartialSuccess {
    /// Upstream took the push, and the look afterwards failed.
    PushSucceededFetchFailed,
}

/// What a flush concludes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlushVerdict {
    /// How it ended.
    pub outcome: FlushOutcome,
    /// The last tip that was seen upstream, by a look or by the controlled sync.
    pub seen: Option<Tip>,
    /// The pushes, where any was made.
    pub push: Option<PushRecord>,
    /// The looks after a push, where any was made.
    pub recheck: Option<Recheck>,
    /// Set where an accepted push could not be looked at.
    pub partial_success: Option<PartialSuccess>,
    /// What the one controlled sync brought, where one was made.
    pub recovery: Option<Result<Recovery, Fault>>,
    /// Why it is not good, where a fault is the reason.
    pub fault: Option<Fault>,
    /// How many late, doubled or unknown answers were ignored.
    pub ignored: u64,
    pub(super) proof: Option<Proof>,
}

impl FlushVerdict {
    /// Whether the flush did what it is for, with the proof in hand.
    #[must_use]
    pub const fn ok(&self) -> bool {
        self.outcome.is_success() && self.proof.is_some()
    }

    /// The observation that shows the local tip upstream, made after the last push. Without it the flush is still pending.
    #[must_use]
    pub const fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// Whether the controlled sync brought the proof that the failed look owed.
    #[must_use]
    pub fn partial_success_recovered(&self) -> bool {
        self.partial_success.is_some() && self.outcome == FlushOutcome::Recovered
    }
}
