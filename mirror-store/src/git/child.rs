//! A git that runs: its pipes, what it says, how it ends, and that nothing of it outlives its owner.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::error::GitError;

/// How much of what a git says on its standard error is kept: the end of it.
const SAID: usize = 8 << 10;
/// How long a git that has ended may leave its standard error open: what it started holds it.
const LINGER: Duration = Duration::from_secs(1);

/// A git that runs. Dropping it kills it, with all that it started.
#[derive(Debug)]
pub struct GitChild {
    verb: String,
    child: Child,
    said: Option<Said>,
}

/// What a git says while it runs.
#[derive(Debug)]
struct Said {
    kept: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

/// How a git ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The end of what it said on standard error: one line, without control characters.
    pub said: String,
}

/// How git ends where it gives up by itself.
///
/// # Source
/// `die()` in git's `usage.c`.
const GAVE_UP: i32 = 128;

/// As [`Ended::gave_up`], of an exit status.
pub(crate) fn gave_up(status: ExitStatus) -> bool {
    status.code() == Some(GAVE_UP)
}

impl Ended {
    /// Says whether git gave up by itself, as it does on what it cannot do, and was neither killed nor ended well.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        gave_up(self.status)
    }

    /// Gives what it said, where it ended well.
    ///
    /// # Errors
    /// [`GitError::Failed`] where it did not.
    pub fn succeeded(self, verb: &str) -> Result<String, GitError> {
        if self.status.success() {
            Ok(self.said)
        } else {
            Err(GitError::Failed { verb: verb.to_owned(), status: self.status, said: self.said })
        }
    }
}

impl GitChild {
    pub(super) fn new(verb: String, mut child: Child) -> Self {
        let said = child.stderr.take().map(|stderr| {
            let kept = Arc::default();
            Said { reading: tokio::spawn(tail(stderr, Arc::clone(&kept))), kept }
        });
        Self { verb, child, said }
    }

    /// What it was started to do.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// The pipe into it, once. Dropping the pipe ends its input.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The pipe out of it, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The leader of its process group, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its number, which is its group's too, while that can be no other's: until its status is taken.
    fn leader(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Kills it and all that it started. [`GitChild::wait`] then says how it ended.
    pub fn kill(&self) {
        if let Some(leader) = self.leader() {
            // It may have ended in this moment; then there is nothing to kill.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }

    /// Waits for its end. What it started and left behind is killed, where it keeps its standard error open.
    ///
    /// # Errors
    /// [`GitError::Pipe`] where the system does not tell.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing; waiting again is allowed.
    pub async fn wait(&mut self) -> Result<Ended, GitError> {
        let broken = |source| GitError::Pipe { verb: self.verb.clone(), source };
        // Nobody speaks to it any more. It may wait for that.
        drop(self.child.stdin.take());
        self.ended().await.map_err(broken)?;
        if let Some(said) = &mut self.said
            && tokio::time::timeout(LINGER, &mut said.reading).await.is_err()
        {
            said.reading.abort();
            // Before its status is taken: from then on, its number may be given to others.
            self.kill();
        }
        let status = self.child.wait().await.map_err(broken)?;
        let said = self.said.take().map(|said| said.kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Ok(Ended { status, said: one_line(&said.unwrap_or_default()) })
    }
}

impl GitChild {
    /// Waits until it has ended, and leaves its status to be taken.
    ///
    /// # Source
    /// `waitid(2)`, `WNOWAIT`.
    async fn ended(&self) -> io::Result<()> {
        let Some(leader) = self.leader() else { return Ok(()) };
        // Heard from before the first look, so that no end is missed.
        let mut ends = signal(SignalKind::child())?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(leader), look)?.is_none() && ends.recv().await.is_some() {}
        Ok(())
    }
}

impl Drop for GitChild {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads to the end, and keeps the last part.
async fn tail(mut from: impl AsyncRead + Unpin, kept: Arc<Mutex<Vec<u8>>>) {
    let mut piece = [0; 2048];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&piece[..read]);
        let before = kept.len().saturating_sub(SAID);
        kept.drain(..before);
    }
}

/// Makes what a program said fit for a log line.
fn one_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines = text.lines().map(|line| line.chars().filter(|c| !c.is_control()).collect::<String>());
    lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; ")
}
