//! What tells one state of a file or folder from the next, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{DiskError, is_absent};

/// The clock of a file system moves in steps of some milliseconds, so two changes within one step leave one stamp. A stamp that was
/// older than this when the content was read cannot be that of a later change.
///
/// # Source
/// Git's technical documentation, `racy-git`.
const RACY: Duration = Duration::from_millis(50);

/// The identity, the length and the times of a file or a folder. While it stays the same, nothing was written, replaced or given other rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Takes the stamp of what is at a path, links followed; `None` where nothing is there.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn of(path: &Path) -> Result<Option<Self>, DiskError> {
        match fs::metadata(path) {
            Ok(seen) => Ok(Some(Self {
                device: seen.dev(),
                inode: seen.ino(),
                length: seen.len(),
                modified: (seen.mtime(), seen.mtime_nsec()),
                changed: (seen.ctime(), seen.ctime_nsec()),
            })),
            Err(source) if is_absent(&source) => Ok(None),
            Err(source) => Err(DiskError::new("look at", path, source)),
        }
    }

    /// Says which file or folder it is, whatever changed in it.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Says whether what was read at `now` is all that this stamp can stand for.
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        let before = now.checked_sub(RACY).unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
        let before = (i64::try_from(before.as_secs()).unwrap_or(i64::MAX), i64::from(before.subsec_nanos()));
        self.modified.max(self.changed) < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_settled_once_it_is_older_than_a_step_of_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp::of(folder.path()).unwrap().unwrap();
        let (seconds, nanoseconds) = stamp.modified.max(stamp.changed);
        let made = UNIX_EPOCH + Duration::new(seconds.try_into().unwrap(), nanoseconds.try_into().unwrap());
        assert!(!stamp.is_settled(made));
        assert!(!stamp.is_settled(made + RACY));
        assert!(stamp.is_settled(made + RACY + Duration::from_nanos(1)));
        // A clock that was set back: never settled rather than wrong.
        assert!(!stamp.is_settled(made - Duration::from_secs(3600)));
        assert!(!stamp.is_settled(UNIX_EPOCH));
    }

    #[test]
    fn nothing_has_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Stamp::of(&folder.path().join("none")).unwrap(), None);
    }
}
