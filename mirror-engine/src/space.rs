//! The free-space guard: below a mark, what would fill the disk is refused, until there is clearly room again.
//!
//! Reads and flushes are never its business: a flush writes a few bytes, and brings what is here to safety. It frees nothing itself.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mirror_core::config::{ByteSize, FreeSpace};
use mirror_core::fault::{Classified, FaultClass, Retry};
use mirror_store::disk::free_space;

/// How long an answer of the file system counts.
const FRESH: Duration = Duration::from_secs(1);

/// Why something that would write was refused: too little disk is free.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("only {} are free at {}", rounded(*free), folder.display())]
#[diagnostic(
    code(mirror::space::low),
    help(
        "free some until {resume} are there, with `git-mirror snapshots prune` and `git-mirror maintain` or by hand; reads and \
         flushes go on meanwhile. The marks are `serve.freeSpace: {{ stop, resume }}`"
    )
)]
pub struct LowSpace {
    /// Where the caches are.
    pub folder: PathBuf,
    /// How many bytes are free.
    pub free: u64,
    /// How many have to be.
    pub resume: ByteSize,
}

/// The size without what nobody cares about.
fn rounded(bytes: u64) -> ByteSize {
    const MIB: u64 = 1 << 20;
    ByteSize::bytes(bytes / MIB * MIB)
}

impl Classified for LowSpace {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}

/// What the guard knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user may still write.
    pub free: u64,
    /// Whether that is too little.
    pub verdict: Verdict,
}

/// Whether there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is.
    Enough,
    /// There is not, or not clearly again.
    Low,
}

impl Verdict {
    /// Judges `free` bytes, after the verdict before: it takes less than `stop` to become low, and `resume` to end that.
    #[must_use]
    pub fn next(self, free: u64, marks: FreeSpace) -> Self {
        match self {
            Self::Enough if free < marks.stop.get() => Self::Low,
            Self::Low if free >= marks.resume.get() => Self::Enough,
            same => same,
        }
    }
}

/// Watches over the disk of the caches. Asks the file system at most once a second, whoever asks the guard, and once more before it refuses:
/// what was too little a moment ago may have been the temporary files of a write that has ended since.
#[derive(Debug)]
pub struct SpaceGuard {
    folder: PathBuf,
    marks: FreeSpace,
    known: Mutex<Option<(Instant, Space)>>,
}

impl SpaceGuard {
    /// Guards the file system of a folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf, marks: FreeSpace) -> Self {
        Self { folder, marks, known: Mutex::new(None) }
    }

    /// How many bytes have to stay free for anything to be let in.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.marks.stop.get()
    }

    /// Lets something in that will write.
    ///
    /// # Errors
    /// [`LowSpace`] below the mark. Where the file system does not answer, nothing is refused: the write itself will tell.
    pub fn admit(&self) -> Result<(), LowSpace> {
        let is_low = |space: &Space| space.verdict == Verdict::Low;
        match self.look().filter(is_low).and_then(|_| self.look_younger_than(Duration::ZERO)).filter(is_low) {
            Some(Space { free, .. }) => Err(LowSpace { folder: self.folder.clone(), free, resume: self.marks.resume }),
            None => Ok(()),
        }
    }

    /// Tells how it stands; `None` where the file system does not answer.
    #[must_use]
    pub fn look(&self) -> Option<Space> {
        self.look_younger_than(FRESH)
    }

    fn look_younger_than(&self, age: Duration) -> Option<Space> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, space)) = *known
            && now.duration_since(at) < age
        {
            return Some(space);
        }
        let free = free_space(&self.folder).ok()?;
        let before = known.map_or(Verdict::Enough, |(_, space)| space.verdict);
        let space = Space { free, verdict: before.next(free, self.marks) };
        *known = Some((now, space));
        Some(space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: FreeSpace = FreeSpace { stop: ByteSize::gib(2), resume: ByteSize::gib(4) };

    #[test]
    fn what_is_low_stays_low_until_there_is_clearly_room() {
        let gib = |count: u64| count << 30;
        let steps = [
            (5, Verdict::Enough),
            (3, Verdict::Enough),
            (2, Verdict::Enough),
            (1, Verdict::Low),
            (2, Verdict::Low),
            (3, Verdict::Low),
            (4, Verdict::Enough),
            (3, Verdict::Enough),
        ];
        let mut verdict = Verdict::Enough;
        for (free, expected) in steps {
            verdict = verdict.next(gib(free), MARKS);
            assert_eq!(verdict, expected, "{free} GiB");
        }
    }

    #[test]
    fn nobody_is_refused_for_what_was_low_before() {
        let dir = tempfile::tempdir().unwrap();
        let none = ByteSize::bytes(0);
        let guard = SpaceGuard::new(dir.path().to_owned(), FreeSpace { stop: none, resume: none });
        let low = Space { free: 0, verdict: Verdict::Low };
        // However long this test takes, the answer is fresh.
        *guard.known.lock().unwrap() = Some((Instant::now() + Duration::from_secs(3600), low));
        assert_eq!(guard.look(), Some(low));
        assert_eq!(guard.admit(), Ok(()));
        assert_eq!(guard.look().unwrap().verdict, Verdict::Enough);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("not/yet");
        let all = ByteSize::bytes(u64::MAX);
        let low = SpaceGuard::new(folder.clone(), FreeSpace { stop: all, resume: all }).admit().unwrap_err();
        assert!(low.free > 0);
        let none = ByteSize::bytes(0);
        assert_eq!(SpaceGuard::new(folder, FreeSpace { stop: none, resume: none }).admit(), Ok(()));
    }
}
