//! What can be wrong with the `git` program and with a run of it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use mirror_core::fault::{Classified, FaultClass, Retry};

use super::program::{GitVersion, OLDEST};

/// A git that cannot be used, or that failed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum GitError {
    /// No folder of the PATH has it.
    #[error("git is in no folder of the PATH")]
    #[diagnostic(
        code(mirror::git::missing),
        help("install git {OLDEST} or newer, and set PATH so that it names git's folder")
    )]
    Missing,
    /// It lacks what is relied on.
    #[error("{} is git {found}", program.display())]
    #[diagnostic(
        code(mirror::git::too_old),
        help("install git {OLDEST} or newer, and let its folder stand first in PATH")
    )]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: GitVersion,
    },
    /// It does not say which git it is.
    #[error("{} does not tell its version but {said:?}", program.display())]
    #[diagnostic(
        code(mirror::git::no_version),
        help("run `{} version`; set PATH so that a git of version {OLDEST} or newer is found first", program.display())
    )]
    NoVersion {
        /// The program.
        program: PathBuf,
        /// What it said, cut short.
        said: String,
    },
    /// The system does not run it.
    #[error("cannot run {}", program.display())]
    #[diagnostic(
        code(mirror::git::start),
        help("run `{} version` as this user; look at limits on processes and open files (`ulimit -a`)", program.display())
    )]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// It gave up.
    #[error("git {verb} failed ({status}){}", after_colon(said))]
    #[diagnostic(code(mirror::git::failed), help("run `git-mirror doctor`, and `git fsck` in the cache"))]
    Failed {
        /// Its verb.
        verb: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said, cleaned.
        said: String,
    },
    /// It did not end in time, and was killed.
    #[error("git {verb} did not end within {} s", after.as_secs_f32())]
    #[diagnostic(code(mirror::git::deadline), help("look at the load of this machine and of its disk, then try again"))]
    Deadline {
        /// Its verb.
        verb: String,
        /// The time it had.
        after: Duration,
    },
    /// It printed more than the caller takes.
    #[error("git {verb} printed more than {limit} bytes")]
    #[diagnostic(code(mirror::git::oversized), help("run `git fsck` in the cache"))]
    Oversized {
        /// Its verb.
        verb: String,
        /// What the caller takes.
        limit: usize,
    },
    /// The pipes between it and us failed.
    #[error("cannot talk with git {verb}")]
    #[diagnostic(code(mirror::git::pipe), help("look at the system's log (`dmesg`), then try again"))]
    Pipe {
        /// Its verb.
        verb: String,
        /// What the system answered.
        source: io::Error,
    },
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl Classified for GitError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Deadline { .. } => FaultClass::Busy,
            Self::Missing
            | Self::TooOld { .. }
            | Self::NoVersion { .. }
            | Self::Start { .. }
            | Self::Failed { .. }
            | Self::Oversized { .. }
            | Self::Pipe { .. } => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Start { .. } | Self::Deadline { .. } | Self::Pipe { .. } => Retry::Backoff,
            Self::Missing
            | Self::TooOld { .. }
            | Self::NoVersion { .. }
            | Self::Failed { .. }
            | Self::Oversized { .. } => Retry::Never,
        }
    }
}
