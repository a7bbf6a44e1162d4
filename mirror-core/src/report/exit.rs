//! Exit codes, and how several lanes come to one.

use serde::{Deserialize, Serialize};

use crate::fault::FaultClass;

/// How a verb ended, as the process tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum ExitCode {
    /// Done, and the state is as wanted.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A finding: pending flush, out of sync, diverged, drift, closeout incomplete.
    Finding = 3,
    /// Busy, or a deadline passed.
    Busy = 4,
    /// Upstream: tunnel, host key, login or transfer.
    Upstream = 5,
    /// Cluster: API, permission, missing kind.
    Cluster = 6,
}

impl ExitCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 7] =
        [Self::Done, Self::Failed, Self::Usage, Self::Finding, Self::Busy, Self::Upstream, Self::Cluster];

    /// Which of several ends a whole run has: the first of these that occurs.
    ///
    /// A wrong configuration comes first, because nothing else can be trusted before it is right. What broke here comes before what
    /// broke elsewhere, what broke before what is merely late, and a finding comes last.
    pub const PRECEDENCE: [Self; 7] =
        [Self::Usage, Self::Failed, Self::Cluster, Self::Upstream, Self::Busy, Self::Finding, Self::Done];

    /// The number the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, for the documentation.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, and the state is as wanted",
            Self::Failed => "failed",
            Self::Usage => "usage or configuration",
            Self::Finding => "a finding: pending flush, out of sync, diverged, drift, closeout incomplete",
            Self::Busy => "busy, or a deadline passed",
            Self::Upstream => "upstream: tunnel, host key, login or transfer",
            Self::Cluster => "cluster: API, permission, missing kind",
        }
    }

    /// Brings the ends of several lanes to one, by [`ExitCode::PRECEDENCE`]; [`ExitCode::Done`] where there are none.
    #[must_use]
    pub fn of_all(ends: impl IntoIterator<Item = Self>) -> Self {
        ends.into_iter().min_by_key(|end| end.rank()).unwrap_or(Self::Done)
    }

    fn rank(self) -> usize {
        Self::PRECEDENCE.iter().position(|code| *code == self).expect("because every code has its precedence")
    }
}

impl From<FaultClass> for ExitCode {
    fn from(class: FaultClass) -> Self {
        match class {
            FaultClass::Failed => Self::Failed,
            FaultClass::Usage => Self::Usage,
            FaultClass::Finding => Self::Finding,
            FaultClass::Busy => Self::Busy,
            FaultClass::Upstream => Self::Upstream,
            FaultClass::Cluster => Self::Cluster,
        }
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code.code()
    }
}
