//! A run of git that has not begun: its arguments, its settings, and an environment that has nothing of ours in it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, getpriority_process, setpriority_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::caps::PackCaps;
use super::child::GitChild;
use super::error::GitError;

/// A run of git that has not begun.
#[derive(Debug)]
pub struct GitCommand {
    command: Command,
    program: PathBuf,
    verb: String,
    settings: u32,
    urgency: Urgency,
}

/// Who goes first where there is not enough of the machine for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Like everything else.
    Ordinary,
    /// A little less than everything else.
    Background,
}

/// How many steps lower the priority is of what runs in the background: it gets about a third of what something else beside it gets. Not the
/// lowest that there is: syncs and flushes wait for the lock under which it runs, and on a machine that is always busy they would wait for ever.
///
/// # Source
/// `setpriority(2)`.
const BACKGROUND: i32 = 5;

/// The lowest priority that there is.
const LOWEST: i32 = 19;

impl GitCommand {
    /// Builds the environment: what git and its children need to run, and answers to everything that git would otherwise look for.
    ///
    /// # Source
    /// `git(1)`, "Environment Variables"; `git-config(1)`, `GIT_CONFIG_COUNT`.
    pub(super) fn new<A: AsRef<OsStr>>(
        program: &Path,
        path: &OsStr,
        repository: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let verb = arguments.first().map(|verb| verb.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(&arguments)
            .current_dir(repository)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env("HOME", "/nonexistent")
            .env("GIT_DIR", repository)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            // A ref whose object is missing ends a walk; it is never passed over.
            .env("GIT_REF_PARANOIA", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .process_group(0)
            .kill_on_drop(true);
        Self { command, program: program.to_owned(), verb, settings: 0, urgency: Urgency::Ordinary }
            .setting("safe.directory", repository)
            .setting("gc.auto", "0")
            .setting("maintenance.auto", "false")
            .setting("core.hooksPath", "/dev/null")
    }

    /// Adds a setting that wins over the repository's own configuration.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        let at = self.settings;
        self.settings += 1;
        self.command
            .env(format!("GIT_CONFIG_KEY_{at}"), key)
            .env(format!("GIT_CONFIG_VALUE_{at}"), value)
            .env("GIT_CONFIG_COUNT", self.settings.to_string());
        self
    }

    /// Bounds its memory.
    #[must_use]
    pub fn caps(mut self, caps: &PackCaps) -> Self {
        for (key, value) in caps.settings() {
            self = self.setting(key, value.to_string());
        }
        self
    }

    /// Lets it speak protocol version 2; without this, it speaks version 0.
    #[must_use]
    pub fn protocol_v2(self) -> Self {
        self.environment("GIT_PROTOCOL", "version=2")
    }

    /// Adds a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets everything else on the machine have more of it: for work that is not urgent.
    #[must_use]
    pub fn in_background(mut self) -> Self {
        self.urgency = Urgency::Background;
        self
    }

    /// Starts it, with pipes to its three streams. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`GitError::Start`] where the system does not run it.
    pub fn start(mut self) -> Result<GitChild, GitError> {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match self.command.spawn() {
            Ok(child) => {
                if self.urgency == Urgency::Background {
                    yield_to_others(&child);
                }
                Ok(GitChild::new(self.verb, child))
            }
            Err(source) => Err(GitError::Start { program: self.program, source }),
        }
    }

    /// Runs it to its end: gives it all of `input`, and takes what it prints, up to `limit` bytes.
    ///
    /// # Errors
    /// [`GitError`], also where it ends with another code than 0.
    ///
    /// # Cancel safety
    /// Dropping the future kills it.
    pub async fn output(self, input: &[u8], limit: usize, deadline: Duration) -> Result<Vec<u8>, GitError> {
        let mut child = self.start()?;
        let verb = child.verb().to_owned();
        let run = async {
            let (stdin, stdout) = (child.take_stdin(), child.take_stdout());
            let feed = async move {
                let Some(mut stdin) = stdin else { return };
                // A git that does not want all of its input says by its exit code whether that is well.
                let _ = stdin.write_all(input).await;
                let _ = stdin.shutdown().await;
            };
            let take = async {
                let mut printed = Vec::new();
                if let Some(stdout) = stdout {
                    stdout
                        .take(limit as u64 + 1)
                        .read_to_end(&mut printed)
                        .await
                        .map_err(|source| GitError::Pipe { verb: verb.clone(), source })?;
                }
                if printed.len() > limit {
                    return Err(GitError::Oversized { verb: verb.clone(), limit });
                }
                Ok(printed)
            };
            let ((), printed) = tokio::join!(feed, take);
            let printed = printed?;
            child.wait().await?.succeeded(&verb)?;
            Ok(printed)
        };
        match tokio::time::timeout(deadline, run).await {
            Ok(ended) => ended,
            Err(_) => Err(GitError::Deadline { verb, after: deadline }),
        }
    }
}

/// A system that does not let it be so lets it run all the same.
fn yield_to_others(child: &Child) {
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let lower =
        |id| getpriority_process(None).and_then(|ours| setpriority_process(Some(id), LOWEST.min(ours + BACKGROUND)));
    if let Some(Err(error)) = id.map(lower) {
        tracing::debug!(%error, "git runs like everything else");
    }
}
