//! What goes into a flush and what comes out of it while it runs.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::name::{BranchName, CommitId};
use crate::sync::{RefOutcome, Relation};

/// What is to be flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushPlan {
    /// The GitOps branch.
    pub branch: BranchName,
    /// Its tip in the cache (L in the tables).
    pub local: CommitId,
}

/// Names one effect, so that its answer can be told from a late one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// Makes an id of a number; ids that no machine gave out are ignored by it.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// One thing the driver has to do. It answers each with the [`Input`] of the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Reads the branch's tip upstream, fetches it where it is not in the cache, and relates it to the local tip.
    Look {
        /// Answered by [`Input::Looked`].
        id: CallId,
    },
    /// Asks upstream, once, to move the branch from a certain value; never by force.
    Push {
        /// Answered by [`Input::Pushed`].
        id: CallId,
        /// The value the branch must have upstream; absent where it must not exist.
        expected: Option<CommitId>,
        /// The value it gets.
        new: CommitId,
    },
    /// Makes one controlled sync, on a connection of its own.
    Recover {
        /// Answered by [`Input::Recovered`].
        id: CallId,
    },
}

impl Effect {
    /// The id its answer must carry.
    #[must_use]
    pub const fn id(&self) -> CallId {
        match self {
            Self::Look { id } | Self::Push { id, .. } | Self::Recover { id } => *id,
        }
    }
}

/// What the driver tells the machine. Every input may come at any time, in any order and any number of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begins.
    Start,
    /// Answers [`Effect::Look`].
    Looked {
        /// The id of the effect.
        id: CallId,
        /// What was seen, or why nothing could be.
        seen: Result<Tip, Fault>,
    },
    /// Answers [`Effect::Push`].
    Pushed {
        /// The id of the effect.
        id: CallId,
        /// How it ended.
        ending: PushEnding,
    },
    /// Answers [`Effect::Recover`].
    Recovered {
        /// The id of the effect.
        id: CallId,
        /// What the sync brought, or why it failed.
        result: Result<Recovery, Fault>,
    },
    /// Time has passed; due when [`FlushMachine::poll_timeout`](super::FlushMachine::poll_timeout) says.
    Tick,
    /// Ends now, with the truth as far as it is known.
    Interrupt,
}

/// The branch's tip upstream, as one look saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The commit; absent where upstream has no such branch.
    pub commit: Option<CommitId>,
    /// How the local tip relates to it, where both exist.
    pub relation: Option<Relation>,
    /// When upstream was asked.
    pub observed_at: Timestamp,
}

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushEnding {
    /// Upstream's report says that the ref was updated.
    Accepted,
    /// Upstream's report says that it was not.
    Rejected {
        /// Which kind of refusal.
        class: RejectionClass,
        /// What upstream said.
        words: String,
    },
    /// Nothing that could change upstream had been sent when it failed.
    NotSent(Fault),
    /// It was sent, and no report came.
    Unknown(Fault),
}

/// Why upstream refused a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionClass {
    /// The branch no longer had the expected value.
    Stale,
    /// It would not have been a fast-forward.
    NonFastForward,
    /// Another writer held the ref's lock.
    LockRace,
    /// A branch protection rule forbids it.
    Protected,
    /// A hook declined it.
    HookDeclined,
    /// The key may not write there.
    NoPermission,
    /// Some other reason; the words say which.
    Other,
}

impl RejectionClass {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::NonFastForward => "non-fast-forward",
            Self::LockRace => "lock-race",
            Self::Protected => "protected",
            Self::HookDeclined => "hook-declined",
            Self::NoPermission => "no-permission",
            Self::Other => "other",
        }
    }

    /// Whether another writer came between: looking again may show a state in which the push can succeed.
    #[must_use]
    pub const fn is_race(self) -> bool {
        match self {
            Self::Stale | Self::NonFastForward | Self::LockRace => true,
            Self::Protected | Self::HookDeclined | Self::NoPermission | Self::Other => false,
        }
    }
}

impl std::fmt::Display for RejectionClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the one controlled sync after an unproved push brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The GitOps branch upstream, as that sync saw it.
    pub tip: Tip,
    /// What the sync made of the GitOps branch.
    pub outcome: RefOutcome,
}
