//! Removing what dead operations left: their locks of refs, their half-installed packs, their folders, and nothing else.
//!
//! It never removes a lock or a pack by its name or its age. A file goes only where it is the same file (device and inode) as one in the
//! dead operation's own folder. It never takes a folder whose `alive` somebody holds, and holds it itself while it sweeps.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{At, DiskError, is_absent, is_same_file, read_bounded, remove_if_there, sync};
use super::layout::Layout;
use super::locks::INTENT;
use super::open::Cache;
use super::operation::{ALIVE, LOCKS, QUARANTINE, lock_folder};

/// 100,000 refs of 2 KiB each would still fit.
const INTENT_LIMIT: u64 = 256 << 20;
/// What the name of a folder ends with once its links were taken back.
const SWEPT: &str = ".swept";

/// What [`Cache::recover`] found and removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The folders of dead operations, by their names.
    pub operations: Vec<String>,
    /// The locks that they held.
    pub locks: Vec<PathBuf>,
    /// The packs that they had moved without their index.
    pub packs: Vec<PathBuf>,
    /// The folders of dead operations that stay, because the disk refused to sweep them. The log says of each why.
    pub stuck: Vec<String>,
}

impl Cache {
    /// Removes what operations left whose process is gone. Run by each new holder of the cache's `op.lock` before it begins, by a server when it
    /// starts, and by a push that meets a lock. It needs no lock of the cache, and may run beside living operations and beside itself.
    ///
    /// One folder that cannot be swept stands in the way of no other: it is told to the log, and named in [`Recovered::stuck`].
    ///
    /// # Errors
    /// A disk on which the folders cannot be listed.
    pub fn recover(&self) -> Result<Recovered, DiskError> {
        let mut recovered = Recovered::default();
        let operations = self.layout().operations();
        let entries = match fs::read_dir(&operations) {
            Ok(entries) => entries,
            Err(source) if is_absent(&source) => return Ok(recovered),
            Err(source) => return Err(DiskError::new("list", operations, source)),
        };
        for entry in entries {
            let folder = entry.at("list", &operations)?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match self.recover_one(&folder) {
                Ok(None) => {}
                Ok(Some(left)) => {
                    recovered.operations.push(name);
                    recovered.locks.extend(left.locks);
                    recovered.packs.extend(left.packs);
                }
                Err(error) => {
                    let folder = folder.display();
                    tracing::error!(%folder, error = &error as &dyn std::error::Error, "what a dead operation left cannot be removed");
                    recovered.stuck.push(name);
                }
            }
        }
        Ok(recovered)
    }

    /// Sweeps the folder of one operation, where it is a dead one's.
    fn recover_one(&self, folder: &Path) -> Result<Option<Recovered>, DiskError> {
        if is_swept(folder) {
            // Nothing outside belongs to it any more. Whoever moved it aside may be removing it right now.
            return remove_folder(folder).map(|()| None);
        }
        match lock_folder(folder)? {
            None => Ok(None),
            Some(_dead) => sweep(self.layout(), folder).map(Some),
        }
    }
}

impl Cache {
    /// Says whether the operation whose folder has this name is under way.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn is_under_way(&self, operation: &str) -> Result<bool, DiskError> {
        let path = self.layout().operations().join(operation).join(ALIVE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if is_absent(&source) => return Ok(false),
            Err(source) => return Err(DiskError::new("open", path, source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(DiskError::new("lock", path, source)),
        }
    }
}

/// Takes back everything of one operation that shows outside its folder, then removes the folder. The caller holds its `alive`.
pub(super) fn sweep(layout: &Layout, folder: &Path) -> Result<Recovered, DiskError> {
    let mut swept = Recovered::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if is_absent(&source) => return Ok(swept),
        Err(source) => return Err(DiskError::new("list", folder, source)),
    };
    for entry in entries {
        let entry = entry.at("list", folder)?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(LOCKS) {
            sweep_locks(layout, &entry.path(), &mut swept)?;
        } else if name == QUARANTINE {
            sweep_packs(layout, &entry.path(), &mut swept)?;
        }
    }
    // Moved aside first: who looks for it finds it whole or not at all, never with its `alive` gone.
    let mut aside = folder.as_os_str().to_owned();
    aside.push(SWEPT);
    let aside = PathBuf::from(aside);
    remove_folder(match fs::rename(folder, &aside) {
        Ok(()) => &aside,
        // It is removed where it stands.
        Err(_) => folder,
    })?;
    Ok(swept)
}

fn is_swept(folder: &Path) -> bool {
    folder.as_os_str().as_encoded_bytes().ends_with(SWEPT.as_bytes())
}

/// Removes a folder that somebody else may be removing as well.
fn remove_folder(folder: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(folder) {
        // A git that was killed a moment ago may have put something there; the next who sweeps finds it.
        Err(source) if !is_absent(&source) && source.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(DiskError::new("remove", folder, source))
        }
        _ => Ok(()),
    }
}

/// Removes the locks that are links to files of this batch.
fn sweep_locks(layout: &Layout, batch: &Path, swept: &mut Recovered) -> Result<(), DiskError> {
    // The list was written and synced before the first link was made: where it is missing or torn, there is no link.
    let intent = read_bounded(&batch.join(INTENT), INTENT_LIMIT)?.unwrap_or_default();
    for line in intent.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        let Some((file, lock)) = line.and_then(|line| line.split_once(' ')) else { continue };
        let lock = layout.root().join(lock);
        if is_same_file(&batch.join(file), &lock)? {
            remove_if_there(&lock)?;
            swept.locks.push(lock);
        }
    }
    Ok(())
}

/// Removes the packs that are links to files of this quarantine, or of a transfer's folder in it, and have no index. One with its
/// index is whole, and stays.
fn sweep_packs(layout: &Layout, quarantine: &Path, swept: &mut Recovered) -> Result<(), DiskError> {
    for entry in fs::read_dir(quarantine).at("list", quarantine)? {
        let entry = entry.at("list", quarantine)?;
        let ours = entry.path();
        if entry.file_type().at("look at", &ours)?.is_dir() {
            sweep_packs(layout, &ours, swept)?;
            continue;
        }
        if ours.extension().is_none_or(|extension| extension != "pack") {
            continue;
        }
        let Some(name) = ours.file_name() else { continue };
        let installed = layout.packs().join(name);
        let has_index = fs::symlink_metadata(installed.with_extension("idx")).is_ok();
        if !has_index && is_same_file(&ours, &installed)? {
            remove_if_there(&installed)?;
            // Somebody who installs the same pack may have built on this one meanwhile. Either they see that it is gone, or this sees their index.
            if fs::symlink_metadata(installed.with_extension("idx")).is_ok() {
                match fs::hard_link(&ours, &installed) {
                    Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(DiskError::new("install", installed, source));
                    }
                    _ => sync(&layout.packs())?,
                }
                continue;
            }
            swept.packs.push(installed);
        }
    }
    Ok(())
}
