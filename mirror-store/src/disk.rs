//! What a disk can refuse, with the operation and the path, and the few file operations that are durable when they return.
//!
//! It never decides what a refusal means for a ref or a pack; its callers do.

use std::fs::{self, File};
use std::io::{self, Read, Write};
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
}

/// Names the operation and the path of an error of the system.
pub(super) trait At<T> {
    /// Turns the error into one that says what was done to which path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError::new(action, path, source))
    }
}

/// What most small files have room in, so that one read brings them.
const SMALL: usize = 4096;

/// Reads a small file whole; `None` where there is none.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) if is_absent(&source) => return Ok(None),
        Err(source) => return Err(DiskError::new("open", path, source)),
    };
    let mut bytes = Vec::with_capacity(SMALL);
    file.take(limit + 1).read_to_end(&mut bytes).at("read", path)?;
    if bytes.len() as u64 > limit {
        return Err(DiskError::Oversized { path: path.to_owned(), limit });
    }
    Ok(Some(bytes))
}

/// Says whether an error means that nothing stands at a path: no such entry, or a file in the place of a folder on the way.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Writes a new file and brings it to the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = File::create(path).at("create", path)?;
    file.write_all(bytes).at("write", path)?;
    file.sync_all().at("sync", path)
}

/// Brings the entries of a folder to the disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), DiskError> {
    File::open(path).and_then(|folder| folder.sync_all()).at("sync", path)
}

/// Replaces a file by another one on the same file system, and brings the change to the disk.
pub(super) fn replace(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::rename(from, to).at("replace", to)?;
    match to.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Removes a file that may be gone already.
pub(super) fn remove_if_there(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(source) if !is_absent(&source) => Err(DiskError::new("remove", path, source)),
        _ => Ok(()),
    }
}

/// Says whether two paths are links to one file; `false` where either is gone.
pub(super) fn is_same_file(one: &Path, other: &Path) -> Result<bool, DiskError> {
    use std::os::unix::fs::MetadataExt;
    let look = |path: &Path| match fs::symlink_metadata(path) {
        Ok(seen) => Ok(Some((seen.dev(), seen.ino()))),
        Err(source) if is_absent(&source) => Ok(None),
        Err(source) => Err(DiskError::new("look at", path, source)),
    };
    Ok(matches!((look(one)?, look(other)?), (Some(one), Some(other)) if one == other))
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

    #[test]
    fn a_full_disk_is_an_error_of_its_own() {
        let error = write_synced(Path::new("/dev/full"), b"x").unwrap_err();
        assert!(
            matches!(&error, DiskError::Full { action: "write", path, .. } if path == Path::new("/dev/full")),
            "{error:?}"
        );
    }

    #[test]
    fn a_file_beyond_its_bound_is_refused_unread() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap().as_deref(), Some(&b"12345"[..]));
        assert!(matches!(read_bounded(&path, 4), Err(DiskError::Oversized { limit: 4, .. })));
        assert_eq!(read_bounded(&folder.path().join("none"), 4).unwrap(), None);
        assert_eq!(read_bounded(&path.join("below"), 4).unwrap(), None);
    }
}
