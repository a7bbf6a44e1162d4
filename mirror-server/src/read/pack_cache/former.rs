//! Removes the folder that held cached packs under an earlier name: nothing reads it any more, and it may be as large as the quota.
//!
//! It removes only what that cache wrote. A folder of this name with anything else in it stays, without the files of the cache.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::key::Key;

/// The folder's name, beside the caches.
const FOLDER: &str = "fanout";
const LOCK: &str = "lock";
const UNFINISHED: &str = ".making";

/// Removes the folder beside these caches, unless an older server, which may end only after this one has begun, still uses it. Blocks.
pub(in crate::read) fn remove_former_folder(caches: &Path) {
    let folder = caches.join(FOLDER);
    match remove(&folder) {
        Ok(Removal::Done) => tracing::info!(folder = %folder.display(), "removed the former folder of cached packs"),
        Ok(Removal::Nothing) => {}
        Ok(Removal::InUse) => {
            tracing::info!(folder = %folder.display(), "another server still uses the former folder of cached packs; the next start removes it");
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(folder = %folder.display(), error, "the former folder of cached packs cannot be removed");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Removal {
    Done,
    /// There is no such folder, or it is not one of ours.
    Nothing,
    InUse,
}

fn remove(folder: &Path) -> io::Result<Removal> {
    // Every version that wrote there made the lock first.
    let lock = match File::options().write(true).open(folder.join(LOCK)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Removal::Nothing);
        }
        opened => opened?,
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Removal::InUse),
        locked => locked?,
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_ours = |name: &str| name.ends_with(UNFINISHED) || Key::from_name(name).is_some();
        if entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(is_ours) {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(folder.join(LOCK))?;
    fs::remove_dir(folder)?;
    Ok(Removal::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn former(files: &[&str]) -> tempfile::TempDir {
        let caches = tempfile::tempdir().unwrap();
        fs::create_dir(caches.path().join(FOLDER)).unwrap();
        for file in files {
            fs::write(caches.path().join(FOLDER).join(file), "pack").unwrap();
        }
        caches
    }

    #[test]
    fn the_former_folder_goes_with_all_that_the_cache_wrote() {
        let caches = former(&[LOCK, &"0f".repeat(32), "17-0.making"]);
        fs::write(caches.path().join("app.git"), "").unwrap();
        remove_former_folder(caches.path());
        let left: Vec<_> = fs::read_dir(caches.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["app.git"]);
        assert_eq!(remove(&caches.path().join(FOLDER)).unwrap(), Removal::Nothing);
    }

    #[test]
    fn what_another_server_uses_stays() {
        let caches = former(&[LOCK, &"0f".repeat(32)]);
        let folder = caches.path().join(FOLDER);
        let lock = File::open(folder.join(LOCK)).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(remove(&folder).unwrap(), Removal::InUse);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        drop(lock);
        assert_eq!(remove(&folder).unwrap(), Removal::Done);
    }

    #[test]
    fn files_of_others_are_not_removed() {
        for files in [&["notes"][..], &[LOCK, "notes", "0f"][..]] {
            let caches = former(files);
            remove_former_folder(caches.path());
            assert!(caches.path().join(FOLDER).join("notes").exists(), "{files:?}");
        }
    }
}
