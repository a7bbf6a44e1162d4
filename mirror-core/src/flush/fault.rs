//! What can go wrong in a flush beyond what the road to upstream reports by itself.

use std::time::Duration;

use super::RejectionClass;
use crate::fault::{Classified, FaultClass, Retry};
use crate::name::BranchName;

/// Why a flush is not good, where the reason is not a fault of the road.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum FlushError {
    /// Upstream refused the push, and pushing again would not change that.
    #[error("upstream refused the push to {branch} ({class}): {words}")]
    #[diagnostic(
        code(mirror::flush::rejected),
        help(
            "the mirror's key must be allowed to push {branch} by fast-forward: check the branch's protection rules, hooks and the key's write access upstream, then flush again"
        )
    )]
    Rejected {
        /// The GitOps branch.
        branch: BranchName,
        /// Which kind of refusal.
        class: RejectionClass,
        /// What upstream said.
        words: String,
    },
    /// Other writers were faster every time.
    #[error("other writers moved {branch} upstream during each of {attempts} pushes; the last answer was `{words}`")]
    #[diagnostic(
        code(mirror::flush::raced),
        help("find out who else writes {branch} upstream, then flush again; nothing is lost")
    )]
    Raced {
        /// The GitOps branch.
        branch: BranchName,
        /// How many pushes were made.
        attempts: u32,
        /// What upstream said last.
        words: String,
    },
    /// The tip was seen, but its objects did not come with it.
    #[error("upstream's tip of {branch} cannot be related to the local one without its objects")]
    #[diagnostic(
        code(mirror::flush::undecided),
        help("run `git-mirror sync --confirm --wait`, which fetches them, then flush again")
    )]
    Undecided {
        /// The GitOps branch.
        branch: BranchName,
    },
    /// Upstream took the push and went on showing the old tip.
    #[error("upstream accepted the push to {branch}, and still showed the old tip {} s after the flush began", waited.as_secs())]
    #[diagnostic(
        code(mirror::flush::not_shown),
        help("run `git-mirror status --refresh` to look again; flushing again is safe")
    )]
    NotShown {
        /// The GitOps branch.
        branch: BranchName,
        /// How long the flush was allowed to take.
        waited: Duration,
    },
    /// The controlled sync worked, and what it saw does not contain the pushed commits.
    #[error("upstream accepted the push to {branch}, and the sync that followed does not show it")]
    #[diagnostic(
        code(mirror::flush::not_recovered),
        help(
            "run `git-mirror sync --confirm --wait`; where it shows the lane diverged, somebody rewound {branch} upstream"
        )
    )]
    NotRecovered {
        /// The GitOps branch.
        branch: BranchName,
    },
}

impl Classified for FlushError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Rejected { .. } => FaultClass::Failed,
            Self::Raced { .. } | Self::NotShown { .. } => FaultClass::Busy,
            Self::Undecided { .. } | Self::NotRecovered { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Rejected { .. } => Retry::Never,
            Self::Raced { .. } | Self::Undecided { .. } | Self::NotShown { .. } | Self::NotRecovered { .. } => {
                Retry::Backoff
            }
        }
    }
}
