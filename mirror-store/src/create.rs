//! Making a cache: a bare repository that git accepts as its own, built beside its place and moved there whole.
//!
//! A cache is therefore either not there or complete, whatever kills its maker. It never touches a folder that has anything in it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mirror_core::name::BranchName;

use super::disk::{At, DiskError, is_absent, remove_if_there, sync, write_synced};
use super::layout::Layout;
use super::open::{Cache, OpenError, marker};

/// Marks a half-made cache beside its place; the maker holds a lock on the file of the same name inside it.
const MAKING: &str = "making";
/// How many half-made neighbours, of other makers at the same moment, are stepped over.
const ATTEMPTS: u32 = 64;

/// What git reads of the repository. Nothing here is a policy of branches; that is the server's.
///
/// No reflogs and no automatic gc: history is kept by snapshots, and upkeep is git-mirror's. Where git itself receives a push, it
/// refuses deletions and rewinds.
///
/// # Source
/// <https://git-scm.com/docs/git-config>
const CONFIG: &str = "\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogallrefupdates = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tautogc = false
\tdenyDeletes = true
\tdenyNonFastForwards = true
\tfsckObjects = true
";

impl Cache {
    /// Makes a cache at a path where nothing is, or an empty folder, and opens it. Where two make it at once, both open the same one.
    ///
    /// `head` is the branch that `HEAD` names: the repository's first declared source branch.
    ///
    /// # Errors
    /// Those of [`Cache::open`], where something else stands at the path, and what the disk refuses.
    pub fn create(path: &Path, head: &BranchName) -> Result<Self, OpenError> {
        match Self::open(path) {
            Err(OpenError::Missing { .. }) => {}
            other => return other,
        }
        let (parent, name) = place(path)?;
        fs::create_dir_all(&parent).at("create", &parent)?;
        remove_dead(&parent, &name)?;
        let (folder, lock) = claim(&parent, &name)?;
        let made = build(&Layout::new(&folder), head).and_then(|()| settle(&folder, path));
        if made.is_err() {
            // What failed is what counts; a leftover is removed by the next maker.
            let _ = discard(&folder);
        }
        made?;
        drop(lock);
        sync(&parent)?;
        Self::open(path)
    }

    /// Opens the cache at a path, or makes it where there is none.
    ///
    /// # Errors
    /// Those of [`Cache::create`].
    pub fn open_or_create(path: &Path, head: &BranchName) -> Result<Self, OpenError> {
        Self::create(path, head)
    }
}

/// Splits a path into the folder it stands in and its name there.
fn place(path: &Path) -> Result<(PathBuf, String), DiskError> {
    let absolute = std::path::absolute(path).at("resolve", path)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => Ok((parent.to_owned(), name.to_string_lossy().into_owned())),
        _ => Err(DiskError::new("create a cache at", path, io::Error::from(io::ErrorKind::InvalidInput))),
    }
}

/// Makes a folder for a half-made cache, and locks it against those who would take it for a dead one.
fn claim(parent: &Path, name: &str) -> Result<(PathBuf, File), DiskError> {
    for attempt in 0..ATTEMPTS {
        let folder = parent.join(format!(".{name}.{MAKING}-{}-{attempt}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other.at("create", &folder)?,
        }
        // Another maker may take the new folder for a dead one before it is locked; then the next name is tried.
        if let Some(lock) = lock_folder(&folder)? {
            return Ok((folder, lock));
        }
    }
    Err(DiskError::new("create", parent.join(name), io::Error::from(io::ErrorKind::AlreadyExists)))
}

/// Locks a half-made folder; `None` where somebody else has it, or it is gone.
fn lock_folder(folder: &Path) -> Result<Option<File>, DiskError> {
    let path = folder.join(MAKING);
    let lock = match File::options().create(true).truncate(false).write(true).open(&path) {
        Ok(lock) => lock,
        Err(source) if is_absent(&source) => return Ok(None),
        Err(source) => return Err(DiskError::new("create", path, source)),
    };
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(source)) => return Err(DiskError::new("lock", path, source)),
    }
    let held = lock.metadata().at("look at", &path)?;
    match fs::metadata(&path) {
        Ok(seen) if (seen.dev(), seen.ino()) == (held.dev(), held.ino()) => Ok(Some(lock)),
        _ => Ok(None),
    }
}

/// Removes the half-made folders of makers that died. Those of living ones are locked.
fn remove_dead(parent: &Path, name: &str) -> Result<(), DiskError> {
    let prefix = format!(".{name}.{MAKING}-");
    for entry in fs::read_dir(parent).at("list", parent)? {
        let entry = entry.at("list", parent)?;
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let folder = entry.path();
        if let Some(lock) = lock_folder(&folder)? {
            discard(&folder)?;
            drop(lock);
        }
    }
    Ok(())
}

/// Removes a half-made folder whose lock is held. It is moved aside first: a maker that just made one of its name, or takes it for a
/// dead one as well, then finds nothing there, instead of files that go away under it.
fn discard(folder: &Path) -> Result<(), DiskError> {
    static DISCARDED: AtomicU32 = AtomicU32::new(0);
    let mut aside = folder.as_os_str().to_owned();
    aside.push(format!(".{}-{}", std::process::id(), DISCARDED.fetch_add(1, Ordering::Relaxed)));
    let aside = PathBuf::from(aside);
    let removed = fs::rename(folder, &aside).and_then(|()| fs::remove_dir_all(&aside));
    match removed {
        // Somebody else is removing it at the same moment.
        Err(source) if is_absent(&source) || source.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => other.at("remove", folder),
    }
}

/// Fills the folder with what git and this crate look for, and brings it to the disk.
fn build(layout: &Layout, head: &BranchName) -> Result<(), DiskError> {
    let root = layout.root();
    let folders =
        ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags", "git-mirror", "git-mirror/op"];
    for folder in folders.map(|folder| root.join(folder)) {
        fs::create_dir(&folder).at("create", &folder)?;
    }
    write_synced(&layout.config(), CONFIG.as_bytes())?;
    write_synced(&layout.head(), format!("ref: {}\n", head.ref_name()).as_bytes())?;
    write_synced(&layout.format(), marker().as_bytes())?;
    for folder in folders.iter().rev() {
        sync(&root.join(folder))?;
    }
    sync(root)
}

/// Moves a finished cache to its place. Where another maker was first, its cache stays and ours goes.
fn settle(folder: &Path, path: &Path) -> Result<(), DiskError> {
    match fs::rename(folder, path) {
        Ok(()) => remove_if_there(&path.join(MAKING)),
        Err(_) if Cache::open(path).is_ok() => discard(folder),
        Err(source) => Err(DiskError::new("create", path, source)),
    }
}
