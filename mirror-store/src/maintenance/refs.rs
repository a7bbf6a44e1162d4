//! Refs that never change stand in the packed file rather than in a file each: snapshots, tags, rescues.
//!
//! Branches stay loose. They move, and whoever moves one must not wait for a file of a hundred thousand others.

use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::packer::Packer;
use super::rules::UpkeepRules;
use crate::open::Cache;
use crate::snapshots::list_loose;

/// Where refs stand, beside snapshots, that are made once.
const MADE_ONCE: [&str; 2] = ["refs/tags", "refs/mirror-rescue"];

/// The folders of refs that are to be packed, with the number of refs in each.
#[derive(Debug, Default)]
pub(super) struct LooseRefs {
    folders: Vec<(String, u64)>,
}

impl LooseRefs {
    pub(super) fn find(cache: &Cache, rules: &UpkeepRules) -> Result<Self, UpkeepError> {
        let mut folders = Vec::new();
        for folder in [rules.prefix.as_str()].into_iter().chain(MADE_ONCE) {
            let mut loose = Vec::new();
            list_loose(&cache.layout().loose(folder), folder, &mut loose)?;
            if loose.len() > rules.refs_above {
                folders.push((folder.to_owned(), loose.len() as u64));
            }
        }
        Ok(Self { folders })
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        self.step(TaskOutcome::Planned, self.folders.iter().map(|(_, refs)| refs).sum())
    }

    pub(super) fn pack(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        let mut packed = 0;
        for (folder, _) in &self.folders {
            packer.tools.pass("pack refs")?;
            packed += packer.operation.pack_folder(folder, 0)?;
        }
        Ok(self.step(TaskOutcome::Done, packed as u64))
    }

    fn step(&self, outcome: TaskOutcome, refs: u64) -> UpkeepStep {
        match self.folders.is_empty() {
            true => UpkeepStep::nothing(UpkeepTask::Refs),
            false => UpkeepStep::new(UpkeepTask::Refs, outcome, refs),
        }
    }
}
