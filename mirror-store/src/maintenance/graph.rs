//! The commit-graph: which commits there are and how they stand to each other, in one file, so that histories are compared without
//! unpacking commits.
//!
//! It is written whole, into the quarantine, and then put in the place of the old one: readers have the one or the other, and no lock of
//! git's is left behind where it is killed. Commits that came later, or went, do no harm: readers look at the objects for the ones, and
//! never ask for the others.

use std::fs;
use std::time::SystemTime;

use jiff::Timestamp;
use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::packer::Packer;
use super::packs::stamp;
use crate::disk::{At, DiskError, is_absent, replace};
use crate::open::Cache;

/// The file, inside the folder of objects.
const FILE: &str = "info/commit-graph";

/// Tells when the commit-graph was written; nothing where there is none.
pub(super) fn written_at(cache: &Cache) -> Result<Option<Timestamp>, DiskError> {
    let path = cache.layout().objects().join(FILE);
    match fs::metadata(&path) {
        Ok(seen) => Ok(Some(stamp(&seen))),
        Err(source) if is_absent(&source) => Ok(None),
        Err(source) => Err(DiskError::new("look at", path, source)),
    }
}

/// Whether the commit-graph is as new as the packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommitGraph {
    is_due: bool,
    bytes: u64,
    /// When a pack last came or went. The new graph gets this date: what comes while it is written makes it old again.
    packs_changed: SystemTime,
}

impl CommitGraph {
    pub(super) fn find(cache: &Cache) -> Result<Self, UpkeepError> {
        let (path, packs) = (cache.layout().objects().join(FILE), cache.layout().packs());
        let packs_changed = fs::metadata(&packs).and_then(|seen| seen.modified()).at("look at", &packs)?;
        match fs::metadata(&path) {
            Ok(seen) => {
                let dated = seen.modified().at("look at", &path)?;
                Ok(Self { is_due: dated < packs_changed, bytes: seen.len(), packs_changed })
            }
            Err(source) if is_absent(&source) => {
                let is_empty = fs::read_dir(&packs).at("list", &packs)?.next().is_none();
                Ok(Self { is_due: !is_empty, bytes: 0, packs_changed })
            }
            Err(source) => Err(DiskError::new("look at", path, source).into()),
        }
    }

    pub(super) fn plan(self) -> UpkeepStep {
        if self.is_due {
            UpkeepStep::new(UpkeepTask::CommitGraph, TaskOutcome::Planned, 0).with_bytes(self.bytes, self.bytes)
        } else {
            UpkeepStep::nothing(UpkeepTask::CommitGraph)
        }
    }

    pub(super) fn write(self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        if !self.is_due {
            return Ok(UpkeepStep::nothing(UpkeepTask::CommitGraph));
        }
        packer.make_room(self.bytes)?;
        let folder = packer.operation.transfer_folder()?;
        packer.tools.pass("write the commit-graph")?;
        let args = ["commit-graph", "write", "--reachable", "--no-progress"].map(std::ffi::OsStr::new);
        packer.tools.run(packer.apart(&args, &folder)?, b"", 4096)?;
        let file = folder.join("objects").join(FILE);
        if !file.exists() {
            // No ref, no commit, no graph.
            return Ok(UpkeepStep::nothing(UpkeepTask::CommitGraph));
        }
        let graph =
            gix_commitgraph::File::at(&file).map_err(|error| UpkeepError::DamagedGraph { fault: error.to_string() })?;
        let commits = u64::from(graph.num_commits());
        drop(graph);
        let opened = fs::File::open(&file).at("open", &file)?;
        opened.sync_all().at("sync", &file)?;
        opened.set_modified(self.packs_changed).at("date", &file)?;
        let bytes = opened.metadata().at("look at", &file)?.len();
        packer.tools.pass("replace the commit-graph")?;
        let info = packer.operation.cache().layout().objects().join("info");
        fs::create_dir_all(&info).at("create", &info)?;
        replace(&file, &packer.operation.cache().layout().objects().join(FILE))?;
        Ok(UpkeepStep::new(UpkeepTask::CommitGraph, TaskOutcome::Done, commits).with_bytes(self.bytes, bytes))
    }
}
