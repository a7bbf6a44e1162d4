//! Changes of files that are on the disk when they return, and whole or not there at all after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::{At, DiskError};
use super::remove_if_there;

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone whom the mask of the process admits.
    Shared,
    /// Its owner alone.
    Private,
}

/// Gives a file a new content in one step: written beside it, as `<name>.new`, synced, then moved to its name. A reader sees the old or the new.
///
/// # Errors
/// What the disk refuses; the old content stays then.
pub fn replace_content(path: &Path, bytes: &[u8], access: Access) -> Result<(), DiskError> {
    let beside = beside(path);
    // What a change left that was cut may have other rights.
    remove_if_there(&beside)?;
    let mode = match access {
        Access::Shared => 0o666,
        Access::Private => 0o600,
    };
    let written = (|| {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).at("create", &beside)?;
        write_all_synced(file, &beside, bytes)?;
        replace(&beside, path)
    })();
    if written.is_err() {
        // The refusal is what counts; a leftover is removed by the next change.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Writes a file and brings it to the disk.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    write_all_synced(File::create(path).at("create", path)?, path, bytes)
}

fn write_all_synced(mut file: File, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    file.write_all(bytes).at("write", path)?;
    file.sync_all().at("sync", path)
}

/// Brings the content of a file, or the entries of a folder, to the disk.
///
/// # Errors
/// What the disk refuses.
pub fn sync(path: &Path) -> Result<(), DiskError> {
    File::open(path).and_then(|opened| opened.sync_all()).at("sync", path)
}

/// Replaces a file by another one on the same file system, and brings the change to the disk.
///
/// # Errors
/// What the disk refuses.
pub fn replace(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::rename(from, to).at("replace", to)?;
    match to.parent() {
        Some(folder) if folder.as_os_str().is_empty() => sync(Path::new(".")),
        Some(folder) => sync(folder),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_full_disk_is_an_error_of_its_own() {
        let error = write_synced(Path::new("/dev/full"), b"x").unwrap_err();
        assert!(
            matches!(&error, DiskError::Full { action: "write", path, .. } if path == Path::new("/dev/full")),
            "{error:?}"
        );
    }

    #[test]
    fn a_replaced_content_has_its_rights_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(beside(&path), "left by one that was cut").unwrap();
        for (bytes, access, mode) in [(b"one", Access::Private, 0o600), (b"two", Access::Shared, 0o600)] {
            replace_content(&path, bytes, access).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            let rights = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(rights & mode, mode);
            assert!(access == Access::Shared || rights == mode, "{rights:o}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        fs::create_dir(folder.path().join("d")).unwrap();
        let refused = replace_content(&folder.path().join("d"), b"x", Access::Shared).unwrap_err();
        assert!(matches!(refused, DiskError::Failed { action: "replace", .. }), "{refused:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "what could not be moved is gone");
    }
}
