//! Edits of refs as one ordered transaction: all locks, then all expected values, then the changes in the order given.
//!
//! Until every expected value was seen under its lock, nothing changes. A crash between two changes leaves the earlier ones, each durable
//! before the next begins; the same edits applied again converge, because a ref that has its new value already is left as it is.
//!
//! It never deletes a ref, and never writes a value whose object is not in the store.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gix_object::Kind;
use mirror_core::name::{BranchName, CommitId, RefName, conflicts};
use mirror_core::sync::RefEdit;

use super::disk::{At, DiskError, is_absent, replace, sync, write_synced};
use super::locks::{LockError, Locks, Wanted};
use super::objects::{ObjectError, object_id};
use super::operation::Operation;
use super::refs::RefError;

/// What an edit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The ref has its new value now.
    Changed,
    /// The ref had it already.
    AlreadyThere,
}

/// A transaction that changed nothing, except as [`ApplyError::Interrupted`] says.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ApplyError {
    /// A ref does not have the value that the plan was made for. Nothing was changed.
    #[error("{name} is {}, not {} as it was when the operation looked", shown(found), shown(expected))]
    #[diagnostic(
        code(mirror::cache::stale),
        help("something else changed the ref meanwhile; run the same command again, which looks anew")
    )]
    Stale {
        /// The ref.
        name: RefName,
        /// The value it should have; `None` where it should not exist.
        expected: Option<CommitId>,
        /// The value it has.
        found: Option<CommitId>,
    },
    /// The name of a ref needs another ref as its folder. Nothing was changed.
    #[error("{name} cannot be a ref beside {existing}")]
    #[diagnostic(
        code(mirror::cache::name_conflict),
        help(
            "where `a` is a ref, `a/b` cannot be one; rename one of the two upstream, or drop one from the configuration"
        )
    )]
    NameConflict {
        /// The ref that was wanted.
        name: RefName,
        /// What stands in its way.
        existing: String,
    },
    /// Two edits of one ref in one transaction. Nothing was changed.
    #[error("{name} is edited twice")]
    #[diagnostic(code(mirror::cache::edited_twice), help("this is a fault of git-mirror; please report it"))]
    EditedTwice {
        /// The ref.
        name: RefName,
    },
    /// The new value of a ref is not in the store. Nothing was changed.
    #[error("{name} would point at {id}, which is not in the cache")]
    #[diagnostic(code(mirror::cache::missing_tip), help("run `git-mirror sync --confirm` again, which fetches it"))]
    MissingObject {
        /// The ref.
        name: RefName,
        /// Its new value.
        id: CommitId,
    },
    /// A branch would point at something else than a commit. Nothing was changed.
    #[error("{name} would point at {id}, which is a {kind}")]
    #[diagnostic(
        code(mirror::cache::not_a_commit),
        help("upstream's branch does not hold a commit; look at it with `git ls-remote`")
    )]
    NotACommit {
        /// The ref.
        name: RefName,
        /// Its new value.
        id: CommitId,
        /// What that is.
        kind: Kind,
    },
    /// The disk failed between two changes. The first `done` edits hold; the same edits applied again finish the rest.
    #[error("stopped after {done} of {total} ref edits")]
    #[diagnostic(
        code(mirror::cache::interrupted),
        help("once the disk works again, run the same command again; it finishes the rest")
    )]
    Interrupted {
        /// How many edits were made.
        done: usize,
        /// How many there were to make.
        total: usize,
        /// Whether what failed was to bring them to the disk. A system tells of that once and forgets, so no later success proves that they are there.
        is_unsynced: bool,
        /// What failed.
        source: DiskError,
    },
    /// A lock could not be taken. Nothing was changed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// A ref could not be read. Nothing was changed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ref(#[from] RefError),
    /// The store could not be read. Nothing was changed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Object(#[from] ObjectError),
    /// The disk refused. Nothing was changed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

fn shown(value: &Option<CommitId>) -> String {
    value.map_or_else(|| "absent".to_owned(), |value| value.short())
}

impl Operation {
    /// Makes all edits, in the order given, or none. Answers for each, in the same order, whether the ref had its value already.
    ///
    /// # Errors
    /// [`ApplyError`]; only [`ApplyError::Interrupted`] leaves a part of the edits made.
    pub fn apply(&self, edits: &[RefEdit]) -> Result<Vec<Edited>, ApplyError> {
        self.verify_edits(edits)?;
        let layout = self.cache().layout();
        let wanted = edits.iter().map(|edit| Wanted {
            name: Some(edit.name().clone()),
            content: Some(format!("{}\n", edit.new_value()).into_bytes()),
        });
        let mut locks = Locks::prepare(layout, self.batch_folder()?, wanted.collect())?;
        locks.take_all(self.patience())?;
        let found = edits.iter().map(|edit| self.verify_value(edit)).collect::<Result<Vec<_>, _>>()?;
        let total = found.iter().filter(|edited| **edited == Edited::Changed).count();
        let mut done = 0;
        let cut = |done, is_unsynced| move |source| ApplyError::Interrupted { done, total, is_unsynced, source };
        let mut unsynced: Option<PathBuf> = None;
        for (number, edit) in edits.iter().enumerate().filter(|(number, _)| found[*number] == Edited::Changed) {
            let folder = layout.loose(edit.name().as_str()).parent().map(Path::to_owned);
            // What came before is durable before the next folder changes: a branch never survives a power cut without its snapshot.
            if let Some(last) = unsynced.take().filter(|last| Some(last) != folder.as_ref()) {
                sync(&last).map_err(cut(done, true))?;
            }
            locks.commit(number).map_err(cut(done, false))?;
            done += 1;
            unsynced = folder;
        }
        let mut last: BTreeSet<PathBuf> = unsynced.into_iter().collect();
        // Whoever moved a ref gave its lock back before the move was on the disk, and may have died since.
        let there = edits.iter().zip(&found).filter(|(_, edited)| **edited == Edited::AlreadyThere);
        let there = there.map(|(edit, _)| layout.loose(edit.name().as_str())).filter(|file| file.exists());
        last.extend(there.filter_map(|file| file.parent().map(Path::to_owned)));
        for folder in last {
            sync(&folder).map_err(cut(done, true))?;
        }
        // The edits hold by now; what failed is only to give the locks back.
        locks.finish().map_err(cut(done, false))?;
        Ok(found)
    }

    /// Makes `HEAD` name a branch; readers that ask for nothing in particular get it.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn point_head(&self, branch: &BranchName) -> Result<(), ApplyError> {
        if self.cache().head()?.as_ref() == Some(branch) {
            return Ok(());
        }
        let file = self.folder().join("HEAD");
        write_synced(&file, format!("ref: {}\n", branch.ref_name()).as_bytes())?;
        replace(&file, &self.cache().layout().head())?;
        Ok(())
    }

    /// Checks what can be checked without a lock: the edits against each other, and their values against the store.
    fn verify_edits(&self, edits: &[RefEdit]) -> Result<(), ApplyError> {
        let mut names = BTreeSet::new();
        for edit in edits {
            if !names.insert(edit.name()) {
                return Err(ApplyError::EditedTwice { name: edit.name().clone() });
            }
        }
        if let Some(conflict) = conflicts(edits.iter().map(|edit| edit.name().clone())).into_iter().next() {
            return Err(ApplyError::NameConflict { name: conflict.inner, existing: conflict.outer.to_string() });
        }
        let odb = self.cache().odb()?;
        for edit in edits {
            let (name, id) = (edit.name(), edit.new_value());
            match self.cache().kind_of(&odb, &object_id(id))? {
                None => return Err(ApplyError::MissingObject { name: name.clone(), id }),
                Some(Kind::Commit) => {}
                // A tag may point at anything.
                Some(_) if name.tag().is_some() => {}
                Some(kind) => return Err(ApplyError::NotACommit { name: name.clone(), id, kind }),
            }
        }
        Ok(())
    }

    /// Checks, under its lock, that a ref has the value an edit expects, and that its name is free where it has none.
    fn verify_value(&self, edit: &RefEdit) -> Result<Edited, ApplyError> {
        let (name, expected) = (edit.name(), edit.expected());
        let found = self.cache().find(name)?;
        if found == Some(edit.new_value()) {
            return Ok(Edited::AlreadyThere);
        }
        if found != expected {
            return Err(ApplyError::Stale { name: name.clone(), expected, found });
        }
        if found.is_none() {
            self.verify_name_is_free(name)?;
        }
        // Git leaves empty folders where refs were. Even a packed ref may have one in the place of its loose file.
        match remove_empty_folders(&self.cache().layout().loose(name.as_str()))? {
            None => Ok(Edited::Changed),
            Some(existing) => {
                Err(ApplyError::NameConflict { name: name.clone(), existing: self.shown_path(&existing) })
            }
        }
    }

    /// Checks that no ref is a folder of this one, and this one a folder of no ref.
    fn verify_name_is_free(&self, name: &RefName) -> Result<(), ApplyError> {
        let taken = |existing| ApplyError::NameConflict { name: name.clone(), existing };
        for (at, _) in name.as_str().match_indices('/') {
            if let Ok(folder) = RefName::parse(&name.as_str()[..at])
                && self.cache().find(&folder)?.is_some()
            {
                return Err(taken(folder.to_string()));
            }
        }
        match self.cache().inner.packed.first_below(name)? {
            Some(existing) => Err(taken(existing)),
            None => Ok(()),
        }
    }

    fn shown_path(&self, path: &Path) -> String {
        path.strip_prefix(self.cache().path()).unwrap_or(path).display().to_string()
    }
}

/// Removes a folder in which nothing but empty folders is; otherwise gives a file that is in it.
fn remove_empty_folders(path: &Path) -> Result<Option<PathBuf>, DiskError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(source) if is_absent(&source) => return Ok(None),
        Err(source) => return Err(DiskError::new("list", path, source)),
    };
    for entry in entries {
        let entry = entry.at("list", path)?;
        if !entry.file_type().at("look at", &entry.path())?.is_dir() {
            return Ok(Some(entry.path()));
        }
        if let Some(file) = remove_empty_folders(&entry.path())? {
            return Ok(Some(file));
        }
    }
    match fs::remove_dir(path) {
        Ok(()) => Ok(None),
        Err(source) if is_absent(&source) => Ok(None),
        // Somebody put something in it just now.
        Err(source) if source.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(Some(path.to_owned())),
        Err(source) => Err(DiskError::new("remove", path, source)),
    }
}
