//! Files and file systems: what a disk can refuse, the few file operations that are durable when they return, what tells one state of a file from
//! the next, how much room there is.
//!
//! It never decides what a refusal means for a ref or a pack; its callers do.

mod durable;
mod error;
mod stamp;
mod volume;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

pub(crate) use durable::write_synced;
pub use durable::{Access, replace, replace_content, sync};
pub(crate) use error::At;
pub use error::DiskError;
pub use stamp::Stamp;
pub use volume::{free_space, network_file_system};

/// What most small files have room in, so that one read brings them.
const SMALL: usize = 4096;

/// Reads a small file whole; `None` where there is none.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DiskError> {
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
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Removes a file that may be gone already.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(source) if !is_absent(&source) => Err(DiskError::new("remove", path, source)),
        _ => Ok(()),
    }
}

/// Says whether two paths are links to one file; `false` where either is gone.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> Result<bool, DiskError> {
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
