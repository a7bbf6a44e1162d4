//! `op.lock`: at most one sync, flush or maintenance per cache at a time, across processes (I6).
//!
//! The lock is an advisory lock on an open file, so the kernel releases it when its holder dies; the file's text only says who
//! holds it, for people and for `status`. The file itself is never removed: a lock on a removed inode would lock nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_core::operation::{Holder, WaitForTurn};

/// The name of the lock file inside a cache's own folder.
pub const FILE_NAME: &str = "op.lock";
/// A holder's description is a few hundred bytes; anything longer is not ours.
const HOLDER_LIMIT: u64 = 16 * 1024;
/// How long a caller that does not wait still tries where the file says whose the lock is.
const ALLOWANCE: Duration = Duration::from_millis(60);
/// And where it says nothing: then a `status` is just probing the lock, or a holder comes or goes, which takes a busy machine a while.
const NAMELESS_ALLOWANCE: Duration = Duration::from_secs(2);
/// How often a waiting caller tries again.
const POLL: Duration = Duration::from_millis(20);

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum LockError {
    /// Another operation holds it, and the caller did not want to wait, or waited in vain.
    #[error("the cache is busy: {}", describe(holder.as_ref()))]
    #[diagnostic(
        code(mirror::lock::busy),
        help(
            "wait for it with `--wait --timeout 15m`; the lock goes away by itself when its holder ends, never remove a file"
        )
    )]
    Busy {
        /// Who holds it, where its description could be read.
        holder: Option<Holder>,
    },
    /// The lock file could not be opened, locked or written.
    #[error("cannot use the lock file {}", path.display())]
    #[diagnostic(
        code(mirror::lock::io),
        help(
            "the cache folder must be on a file system with advisory locks and be writable by this user; `git-mirror doctor` checks it"
        )
    )]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Classified for LockError {
    fn class(&self) -> FaultClass {
        match self {
            Self::Busy { .. } => FaultClass::Busy,
            Self::Io { .. } => FaultClass::Failed,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Busy { .. } => Retry::Backoff,
            Self::Io { .. } => Retry::Never,
        }
    }
}

pub(crate) fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => "another operation holds its lock".to_owned(),
    }
}

/// The lock, held. Dropping it (or dying) releases it.
#[derive(Debug)]
pub struct Held {
    file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // The description goes first: a reader that finds the file locked and empty knows that the holder is leaving.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Tries once to take the lock at `path`, and describes the holder in it.
///
/// # Errors
/// [`LockError::Busy`] where another open file holds it; [`LockError::Io`] for what the system refused.
pub fn try_acquire(path: &Path, holder: &Holder) -> Result<Held, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(LockError::Busy { holder: read_holder(&mut file) }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let text = serde_json::to_vec(holder).expect("because a holder is plain data");
    file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| file.write_all(&text)).map_err(failed)?;
    Ok(Held { file })
}

/// Takes the lock at `path`, waiting for it as `wait` says. `waiting` is told the holder once, where there is one to wait for. One who had
/// to wait holds it since the end of the wait.
///
/// # Errors
/// As [`try_acquire`]; busy after the deadline.
///
/// # Cancel safety
/// Safe: a dropped future holds nothing.
pub async fn acquire(
    path: &Path,
    holder: &Holder,
    wait: WaitForTurn,
    mut waiting: impl FnMut(Option<&Holder>),
) -> Result<Held, LockError> {
    let start = tokio::time::Instant::now();
    let mut told = false;
    let mut holder = holder.clone();
    loop {
        match try_acquire(path, &holder) {
            Err(LockError::Busy { holder: other }) => {
                let patience = match (wait, &other) {
                    (WaitForTurn::No, Some(_)) => ALLOWANCE,
                    (WaitForTurn::No, None) => NAMELESS_ALLOWANCE,
                    (WaitForTurn::UpTo(patience), _) => patience,
                };
                let left = patience.saturating_sub(start.elapsed());
                if left.is_zero() {
                    return Err(LockError::Busy { holder: other });
                }
                if !told && wait != WaitForTurn::No {
                    waiting(other.as_ref());
                    told = true;
                }
                tokio::time::sleep(POLL.min(left)).await;
                holder.since = jiff::Timestamp::now();
            }
            ended => return ended,
        }
    }
}

/// Tells who holds the lock at `path` right now, without changing a byte. `None` where nobody does.
///
/// A cache on which no operation ever ran has no lock file; that is nobody too.
///
/// # Errors
/// [`LockError::Io`] where the file exists and cannot be read or probed.
pub fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
    let failed = |source| LockError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            Ok(None)
        }
        Err(TryLockError::WouldBlock) => Ok(read_holder(&mut file)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(HOLDER_LIMIT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use mirror_core::operation::Verb;

    use super::*;

    fn somebody(verb: Verb) -> Holder {
        Holder {
            operation: "1".to_owned(),
            verb: verb.into(),
            pid: 42,
            host: "here".to_owned(),
            since: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn i6_a_second_operation_is_busy_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let held = try_acquire(&path, &somebody(Verb::Sync)).unwrap();
        let Err(LockError::Busy { holder: Some(other) }) = try_acquire(&path, &somebody(Verb::Flush)) else {
            panic!("two operations held one lock");
        };
        assert_eq!(other.verb, Verb::Sync);
        assert_eq!(holder(&path).unwrap().unwrap().verb, Verb::Sync);
        drop(held);
        assert_eq!(holder(&path).unwrap(), None);
        try_acquire(&path, &somebody(Verb::Flush)).unwrap();
    }

    #[test]
    fn asking_for_the_holder_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        assert_eq!(holder(&path).unwrap(), None);
        assert!(!path.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn i6_who_only_looks_makes_nobody_busy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        drop(try_acquire(&path, &somebody(Verb::Sync)).unwrap());
        let looking = File::open(&path).unwrap();
        looking.try_lock_shared().unwrap();
        let look = async {
            tokio::time::sleep(ALLOWANCE * 10).await;
            looking.unlock().unwrap();
        };
        let flush = somebody(Verb::Flush);
        let (turn, ()) = tokio::join!(acquire(&path, &flush, WaitForTurn::No, |_| panic!("it does not wait")), look);
        drop(turn.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_holder_or_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let held = try_acquire(&path, &somebody(Verb::Sync)).unwrap();
        let mut told = 0;
        let late = acquire(&path, &somebody(Verb::Flush), WaitForTurn::UpTo(POLL * 2), |_| told += 1).await;
        assert!(matches!(late, Err(LockError::Busy { .. })));
        assert_eq!(told, 1);

        // The holder lets go once it knows that somebody waits.
        let mut held = Some(held);
        let flush = somebody(Verb::Flush);
        let turn = acquire(&path, &flush, WaitForTurn::UpTo(Duration::from_secs(60)), |_| drop(held.take())).await;
        assert!(
            holder(&path).unwrap().unwrap().since > flush.since,
            "the wait is over, and the lock not older than that"
        );
        drop(turn.unwrap());
    }
}
