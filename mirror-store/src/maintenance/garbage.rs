//! Files that somebody began and never finished: packs and objects that git was still writing when it was killed, packs without an index,
//! indexes without a pack.
//!
//! A file counts only when nothing happened to it for long enough that nobody can still be at work on it. Locks are never garbage: whose
//! they are, nobody here can tell.

use std::fs;
use std::path::{Path, PathBuf};

use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::packs::{PackFolder, StoreFile, list};
use super::rules::{UpkeepRules, UpkeepTools};
use crate::disk::{At, DiskError, is_absent, remove_if_there};
use crate::open::Cache;

/// What was begun and not finished.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    /// What nobody works on any more.
    pub(super) due: Vec<StoreFile>,
    /// What somebody may still work on.
    pub(super) young: u64,
    /// Folders of receives that died; they go once they are empty.
    folders: Vec<PathBuf>,
}

impl Garbage {
    /// Looks in all places where git and we begin files of the store.
    pub(super) fn find(cache: &Cache, packs: &PackFolder, rules: &UpkeepRules) -> Result<Self, UpkeepError> {
        let objects = cache.layout().objects();
        let mut found = Self::default();
        for stray in &packs.strays {
            if is_unfinished(&stray.path) || is_part_of_pack(&stray.path) {
                found.add(stray.clone(), rules);
            }
        }
        for place in [objects.clone(), objects.join("info"), objects.join("info/commit-graphs")] {
            found.add_unfinished(&place, rules)?;
        }
        for fan in 0..=u8::MAX {
            found.add_unfinished(&objects.join(format!("{fan:02x}")), rules)?;
        }
        for folder in folders_of_receives(&objects)? {
            found.add_all(&folder, rules)?;
        }
        Ok(found)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.due.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        self.step(TaskOutcome::Planned, 0)
    }

    pub(super) fn remove(&self, tools: &UpkeepTools<'_>) -> Result<UpkeepStep, UpkeepError> {
        for file in &self.due {
            tools.pass("remove an unfinished file")?;
            remove_if_there(&file.path)?;
        }
        // The innermost first. One that is not empty has somebody at work in it.
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
        Ok(self.step(TaskOutcome::Done, 0))
    }

    fn step(&self, outcome: TaskOutcome, after: u64) -> UpkeepStep {
        match (self.due.len(), self.young) {
            (0, 0) => UpkeepStep::nothing(UpkeepTask::Garbage),
            (0, young) => UpkeepStep::new(UpkeepTask::Garbage, TaskOutcome::Waiting, young)
                .because("somebody may still be at work on them"),
            (due, _) => UpkeepStep::new(UpkeepTask::Garbage, outcome, due as u64).with_bytes(self.bytes(), after),
        }
    }

    fn add(&mut self, file: StoreFile, rules: &UpkeepRules) {
        if rules.is_past(file.since, rules.garbage_grace) {
            self.due.push(file);
        } else {
            self.young += 1;
        }
    }

    fn add_unfinished(&mut self, folder: &Path, rules: &UpkeepRules) -> Result<(), DiskError> {
        for file in list(folder)? {
            if is_unfinished(&file.path) {
                self.add(file, rules);
            }
        }
        Ok(())
    }

    fn add_all(&mut self, folder: &Path, rules: &UpkeepRules) -> Result<(), DiskError> {
        self.folders.push(folder.to_owned());
        for file in list(folder)? {
            self.add(file, rules);
        }
        for inner in folders_in(folder)? {
            self.add_all(&inner, rules)?;
        }
        Ok(())
    }
}

/// Says whether git names a file so while it writes it.
///
/// # Source
/// `odb_mkstemp` and `tmp_objdir_create` in git's sources: `tmp_pack_`, `tmp_idx_`, `tmp_rev_`, `tmp_obj_`, `tmp_graph_`; `git-repack`
/// names its packs `.tmp-<process>-pack-…`.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.ends_with(".lock") && (name.starts_with("tmp_") || name.starts_with(".tmp-"))
}

fn is_part_of_pack(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("pack-")
        && [".pack", ".idx", ".rev", ".bitmap", ".mtimes"].iter().any(|ending| name.ends_with(ending))
}

/// The folders in which `git receive-pack` keeps what it receives.
fn folders_of_receives(objects: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let is_one = |folder: &PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("tmp_objdir-") || name.starts_with("incoming-")
    };
    Ok(folders_in(objects)?.into_iter().filter(is_one).collect())
}

pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if is_absent(&source) => return Ok(Vec::new()),
        Err(source) => return Err(DiskError::new("list", folder, source)),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.at("list", folder)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}
