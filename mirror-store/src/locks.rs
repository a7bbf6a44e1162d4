//! Locks of refs that git honours and that name their owner: `<ref>.lock`, made as a hard link to a file in the operation's folder.
//!
//! Making a link fails where the lock is held, by git or anybody, exactly as git's exclusive creation does; and it leaves no moment at
//! which a lock exists whose owner could not be told.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mirror_core::name::RefName;
use rustix::io::Errno;

use super::disk::{At, DiskError, remove_if_there, sync};
use super::layout::Layout;

/// The list of a batch's links, written before the first is made.
pub(super) const INTENT: &str = "intent";
/// Files beyond this number are brought to the disk together instead of one by one.
const SYNC_SINGLY: usize = 16;
/// A file cannot have more links than this on every file system that counts.
const LINKS_PER_FILE: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A lock that somebody else holds.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    /// The lock stayed held until the patience of the operation ended.
    #[error("{} has been locked for {} s", name.as_ref().map_or("packed-refs", RefName::as_str), held_for.as_secs())]
    #[diagnostic(
        code(mirror::cache::ref_locked),
        help("a git process is changing the ref; run the command again, and where no git runs on this cache, remove {}", path.display())
    )]
    Held {
        /// The ref; `None` for the file of packed refs.
        name: Option<RefName>,
        /// The lock.
        path: PathBuf,
        /// How long ago it was made.
        held_for: Duration,
    },
    /// A ref stands where the lock's name needs a folder.
    #[error("{name} cannot be a ref: a part of its name is a ref already")]
    #[diagnostic(
        code(mirror::cache::name_conflict),
        help(
            "where `a` is a ref, `a/b` cannot be one; rename one of the branches, or drop one from the configuration"
        )
    )]
    Conflict {
        /// The ref that was wanted.
        name: RefName,
    },
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

/// What a lock is taken for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// `None` for the file of packed refs.
    pub(super) name: Option<RefName>,
    /// The new content of the file under the lock, where it gets one from here.
    pub(super) content: Option<Vec<u8>>,
}

/// A batch of locks of one operation, from the files behind them to their release.
#[derive(Debug)]
pub(super) struct Locks<'a> {
    layout: &'a Layout,
    folder: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: Option<RefName>,
    lock: PathBuf,
    file: PathBuf,
    is_held: bool,
}

impl<'a> Locks<'a> {
    /// Writes the files behind the locks and the list of them, and brings both to the disk. No lock is taken yet.
    pub(super) fn prepare(layout: &'a Layout, folder: PathBuf, wanted: Vec<Wanted>) -> Result<Self, DiskError> {
        let mut locks = Self { layout, folder, entries: Vec::with_capacity(wanted.len()) };
        let mut intent = Vec::new();
        let mut written = Vec::new();
        for (number, Wanted { name, content }) in wanted.into_iter().enumerate() {
            let lock = name.as_ref().map_or_else(|| layout.packed_refs_lock(), |name| layout.lock_of(name));
            // Locks without a content of their own share one empty file.
            let file = match &content {
                Some(_) => number.to_string(),
                None => format!("empty-{}", number / LINKS_PER_FILE),
            };
            let within = name.as_ref().map_or("packed-refs", RefName::as_str);
            writeln!(intent, "{file} {within}.lock").at("write", &locks.folder)?;
            let file = locks.folder.join(file);
            if let Some(content) = content {
                let mut out = File::create(&file).at("create", &file)?;
                out.write_all(&content).at("write", &file)?;
                written.push((file.clone(), out));
            } else if locks.entries.last().is_none_or(|last: &Entry| last.file != file) {
                File::create(&file).at("create", &file)?;
            }
            locks.entries.push(Entry { name, lock, file, is_held: false });
        }
        let list = locks.folder.join(INTENT);
        let mut out = File::create(&list).at("create", &list)?;
        out.write_all(&intent).at("write", &list)?;
        written.push((list, out));
        sync_all(&written, &locks.folder)?;
        Ok(locks)
    }

    /// Takes all locks, in the order of their names so that two who want the same ones never wait for each other in a circle.
    pub(super) fn take_all(&mut self, patience: Duration) -> Result<(), LockError> {
        let until = Instant::now() + patience;
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by(|a, b| self.entries[*a].lock.cmp(&self.entries[*b].lock));
        order.into_iter().try_for_each(|number| self.take(number, until))
    }

    /// Takes one lock.
    pub(super) fn take(&mut self, number: usize, until: Instant) -> Result<(), LockError> {
        let layout = self.layout;
        let entry = &mut self.entries[number];
        let mut has_made_folders = false;
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(source) = fs::hard_link(&entry.file, &entry.lock) else {
                entry.is_held = true;
                return Ok(());
            };
            let is_late = Instant::now() >= until;
            match (Errno::from_io_error(&source), &entry.name) {
                (Some(Errno::EXIST), _) if is_late => {
                    let path = entry.lock.clone();
                    return Err(LockError::Held { name: entry.name.clone(), held_for: age(&path), path });
                }
                (Some(Errno::EXIST), _) => {}
                // The folder is not there yet; or it was there, empty, and git removed it just now.
                (Some(Errno::NOENT | Errno::NOTDIR), Some(name)) if !(has_made_folders && is_late) => {
                    create_parents(layout, name)?;
                    if !std::mem::replace(&mut has_made_folders, true) {
                        continue;
                    }
                }
                (Some(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS), _) => {
                    return Err(DiskError::NoHardLinks { path: entry.lock.clone(), source }.into());
                }
                _ => return Err(DiskError::new("lock", &entry.lock, source).into()),
            }
            std::thread::sleep(pause);
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Moves the file behind the lock of a ref into the place of the ref.
    pub(super) fn commit(&mut self, number: usize) -> Result<(), DiskError> {
        let entry = &mut self.entries[number];
        let Some(name) = &entry.name else { return Ok(()) };
        let target = self.layout.loose(name.as_str());
        fs::rename(&entry.lock, &target).at("replace", &target)?;
        entry.is_held = false;
        Ok(())
    }

    /// Gives one lock back without a change.
    pub(super) fn release(&mut self, number: usize) -> Result<(), DiskError> {
        let entry = &mut self.entries[number];
        if entry.is_held {
            remove_if_there(&entry.lock)?;
            entry.is_held = false;
        }
        Ok(())
    }

    /// Gives every lock back that is still held, and removes the files behind them.
    pub(super) fn finish(mut self) -> Result<(), DiskError> {
        (0..self.entries.len()).try_for_each(|number| self.release(number))?;
        fs::remove_dir_all(&self.folder).at("remove", &self.folder)
    }
}

impl Drop for Locks<'_> {
    fn drop(&mut self) {
        // What stays is found by the sweep of the operation's folder.
        for number in 0..self.entries.len() {
            let _ = self.release(number);
        }
    }
}

/// Brings files and the folder they stand in to the disk.
fn sync_all(files: &[(PathBuf, File)], folder: &Path) -> Result<(), DiskError> {
    if files.len() > SYNC_SINGLY {
        let opened = File::open(folder).at("open", folder)?;
        return rustix::fs::syncfs(&opened).map_err(io::Error::from).at("sync", folder);
    }
    // Asked for at the same moment, the file system writes them in one turn instead of one each.
    std::thread::scope(|scope| {
        let waiting: Vec<_> =
            files.iter().map(|(path, file)| scope.spawn(|| file.sync_all().at("sync", path))).collect();
        waiting.into_iter().try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    sync(folder)
}

/// Makes the folders in which a loose ref stands, each brought to the disk.
fn create_parents(layout: &Layout, name: &RefName) -> Result<(), LockError> {
    for (at, _) in name.as_str().match_indices('/') {
        let folder = layout.loose(&name.as_str()[..at]);
        match fs::create_dir(&folder) {
            Ok(()) => {
                if let Some(parent) = folder.parent() {
                    sync(parent)?;
                }
            }
            Err(_) if folder.is_dir() => {}
            Err(source) => match source.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    return Err(LockError::Conflict { name: name.clone() });
                }
                // A parent vanished in between: the caller comes back.
                io::ErrorKind::NotFound => return Ok(()),
                _ => return Err(DiskError::new("create", folder, source).into()),
            },
        }
    }
    Ok(())
}

/// Says how long ago a lock was made.
fn age(lock: &Path) -> Duration {
    let made = fs::symlink_metadata(lock).and_then(|seen| seen.modified()).ok();
    made.and_then(|made| SystemTime::now().duration_since(made).ok()).unwrap_or_default()
}
