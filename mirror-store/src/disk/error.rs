//! What a disk can refuse, with the operation and the path.
//!
//! It never decides what a refusal means for a ref or a pack; its callers do.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A file operation that the system refused.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DiskError {
    /// No space, or no quota, is left.
    #[error("no room to {action} {}", path.display())]
    #[diagnostic(
        code(mirror::disk::full),
        help("free space on the file system that holds {} (`df -h`, `df -i`), then run the same command again", path.display())
    )]
    Full {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file system, or the mount, takes no writes.
    #[error("cannot {action} {}: the file system is read-only", path.display())]
    #[diagnostic(
        code(mirror::disk::read_only),
        help("mount the cache's file system writable, or set `cache` of the node to a writable folder")
    )]
    ReadOnly {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The user that runs this may not do it.
    #[error("not permitted to {action} {}", path.display())]
    #[diagnostic(
        code(mirror::disk::denied),
        help("run as the user that owns the cache, or give this user the right with `chown -R` or `chmod -R u+rwX`")
    )]
    Denied {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file system has no hard links, on which the locks of refs stand.
    #[error("the file system of {} has no hard links", path.display())]
    #[diagnostic(
        code(mirror::disk::hard_links),
        help("set `cache` of the node to a folder on a local file system such as ext4 or xfs")
    )]
    NoHardLinks {
        /// The link that was wanted.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file of ours is larger than it can honestly be.
    #[error("{} is larger than {limit} bytes", path.display())]
    #[diagnostic(code(mirror::disk::oversized), help("look at the file; it is not one that git-mirror wrote"))]
    Oversized {
        /// The file.
        path: PathBuf,
        /// What it may have.
        limit: u64,
    },
    /// Anything else.
    #[error("cannot {action} {}", path.display())]
    #[diagnostic(code(mirror::disk::failed), help("look at the path and at the system's log (`dmesg`)"))]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
}

impl DiskError {
    /// Puts an error of the system into its class.
    pub fn new(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match Errno::from_io_error(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { action, path, source },
            Some(Errno::ROFS) => Self::ReadOnly { action, path, source },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { action, path, source },
            _ => Self::Failed { action, path, source },
        }
    }

    /// Gives what the system answered, for callers whose own error names the operation and the path.
    #[must_use]
    pub fn into_source(self) -> io::Error {
        match self {
            Self::Full { source, .. }
            | Self::ReadOnly { source, .. }
            | Self::Denied { source, .. }
            | Self::NoHardLinks { source, .. }
            | Self::Failed { source, .. } => source,
            Self::Oversized { .. } => io::Error::new(io::ErrorKind::FileTooLarge, self),
        }
    }
}

/// Names the operation and the path of an error of the system.
pub(crate) trait At<T> {
    /// Turns the error into one that says what was done to which path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError::new(action, path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(errno: Errno, expect: &str) {
        let error = DiskError::new("write", "/x/y", errno.into());
        assert_eq!(error.to_string(), expect);
        assert!(miette::Diagnostic::help(&error).is_some());
    }

    #[test]
    fn each_refusal_names_the_operation_and_the_path() {
        check(Errno::NOSPC, "no room to write /x/y");
        check(Errno::DQUOT, "no room to write /x/y");
        check(Errno::ROFS, "cannot write /x/y: the file system is read-only");
        check(Errno::ACCESS, "not permitted to write /x/y");
        check(Errno::IO, "cannot write /x/y");
    }
}
