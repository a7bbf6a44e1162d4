//! `--dry-run`, `--confirm`, `--wait` and `--timeout`: what they mean together, and which words contradict each other.

use std::time::Duration;

use mirror_core::config;
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::operation::{Mode, WaitForTurn};

use super::TargetArgs;

/// How long `--wait` waits where `--timeout` does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Words of the command line that contradict each other or mean nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum UsageError {
    /// Showing and doing at once.
    #[error("`--dry-run` and `--confirm` exclude each other")]
    #[diagnostic(
        code(mirror::usage::dry_run_and_confirm),
        help("give `--confirm` alone to do it; give neither, or `--dry-run`, to see what would be done")
    )]
    DryRunAndConfirm,
    /// A deadline for a wait that was not asked for.
    #[error("`--timeout` says how long `--wait` waits, and `--wait` is not given")]
    #[diagnostic(
        code(mirror::usage::timeout_without_wait),
        help("add `--wait`; the deadlines of a transfer are githubTransport.timeouts in the configuration")
    )]
    TimeoutWithoutWait,
    /// A wait that ends before it begins.
    #[error("`--timeout {text}` is no time to wait")]
    #[diagnostic(
        code(mirror::usage::timeout_zero),
        help(
            "name a length such as `--timeout 15m`; to end at once where the cache is busy, leave out `--wait` and `--timeout`"
        )
    )]
    TimeoutZero {
        /// What was given.
        text: String,
    },
    /// Not a length of time.
    #[error("`--timeout {text}` is not a length of time")]
    #[diagnostic(
        code(mirror::usage::timeout_unreadable),
        help("write a number with its unit, such as `90s`, `15m` or `1h30m`")
    )]
    TimeoutUnreadable {
        /// What was given.
        text: String,
    },
    /// A name that writers cannot have.
    #[error("that is no name for the holder of a token")]
    #[diagnostic(
        code(mirror::usage::writer_name),
        help(
            "write 1 to 64 ASCII letters, digits, `.`, `_` and `-`, with a letter or digit in front, such as `ci-promoter`; it stands in journal and log, so it is never the token itself"
        )
    )]
    WriterName,
    /// An end that is none.
    #[error("`--expires {text}` is no end of a token")]
    #[diagnostic(
        code(mirror::usage::expires),
        help("write how long it lasts, such as `90d` or `12h`, or a moment to come, such as `2030-01-31T00:00:00Z`")
    )]
    Expires {
        /// What was given.
        text: String,
    },
    /// An address of a server that is none.
    #[error("`--server {text}` is no address of a server")]
    #[diagnostic(
        code(mirror::usage::server),
        help("write it as `http://HOST:PORT` or `https://HOST:PORT`, without user, password and query")
    )]
    Server {
        /// What was given, without what may be a password.
        text: String,
    },
    /// More and less at once.
    #[error("`--quiet` and `--verbose` exclude each other")]
    #[diagnostic(code(mirror::usage::quiet_and_verbose), help("leave one of them out"))]
    QuietAndVerbose,
}

impl Classified for UsageError {
    fn class(&self) -> FaultClass {
        FaultClass::Usage
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// Whether a verb shows or does.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Showing and doing")]
pub struct ConfirmArgs {
    /// Show what would be done, and change nothing [the default]
    #[arg(long)]
    pub dry_run: bool,
    /// Do it
    #[arg(long)]
    pub confirm: bool,
    /// Wait for a turn where another operation holds the cache, instead of ending at once with exit code 4
    #[arg(long)]
    pub wait: bool,
    /// How long --wait waits at most, such as 90s, 15m or 1h30m [default: 15m]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
}

impl ConfirmArgs {
    /// Reads the mode out of `--dry-run` and `--confirm`; neither means a dry run.
    ///
    /// # Errors
    /// [`UsageError::DryRunAndConfirm`] where both are given.
    pub fn mode(&self) -> Result<Mode, UsageError> {
        match (self.dry_run, self.confirm) {
            (true, true) => Err(UsageError::DryRunAndConfirm),
            (false, true) => Ok(Mode::Confirm),
            (_, false) => Ok(Mode::DryRun),
        }
    }

    /// Reads how long to wait for a turn.
    ///
    /// # Errors
    /// [`UsageError`] where `--timeout` stands alone, is zero, or is no length of time.
    pub fn wait(&self) -> Result<WaitForTurn, UsageError> {
        match (self.wait, &self.timeout) {
            (_, Some(text)) => {
                let limit = parse_duration(text)?;
                if self.wait { Ok(WaitForTurn::UpTo(limit)) } else { Err(UsageError::TimeoutWithoutWait) }
            }
            (true, None) => Ok(WaitForTurn::UpTo(DEFAULT_TIMEOUT)),
            (false, None) => Ok(WaitForTurn::No),
        }
    }
}

/// The options of a verb that may change something.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct OperationArgs {
    /// Where it works.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Whether it shows or does.
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// Reads a length of time that is not zero, as the configuration has it; and the forms of ISO 8601 and of prose that were taken before
/// there was one grammar, such as `PT1H` or `1 hour`.
///
/// # Errors
/// [`UsageError::TimeoutZero`] and [`UsageError::TimeoutUnreadable`].
pub fn parse_duration(text: &str) -> Result<Duration, UsageError> {
    let unreadable = || UsageError::TimeoutUnreadable { text: text.to_owned() };
    if text.trim() == "0" {
        return Err(UsageError::TimeoutZero { text: text.to_owned() });
    }
    let length = config::parse_duration(text.trim()).or_else(|_| parse_prose(text.trim()).ok_or_else(unreadable))?;
    if length.is_zero() {
        return Err(UsageError::TimeoutZero { text: text.to_owned() });
    }
    Ok(length)
}

fn parse_prose(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<jiff::SignedDuration>().ok()?).ok()
}
