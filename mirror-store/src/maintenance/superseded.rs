//! Packs that others have replaced: removed when their readers are gone, and only after each of their objects was found elsewhere.

use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::cover::first_uncovered;
use super::error::UpkeepError;
use super::notes::Notes;
use super::packer::Packer;
use super::packs::{PackFolder, Role, StorePack};
use super::rules::UpkeepRules;
use crate::disk::sync;

/// The replaced packs of a store.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    due: Vec<StorePack>,
    waiting: Vec<StorePack>,
}

impl Superseded {
    pub(super) fn find(packs: &PackFolder, rules: &UpkeepRules) -> Self {
        let mut found = Self::default();
        for pack in &packs.packs {
            match pack.role {
                Role::Superseded(since) if rules.is_past(since, rules.reader_grace) => found.due.push(pack.clone()),
                Role::Superseded(_) => found.waiting.push(pack.clone()),
                Role::Used | Role::Kept | Role::Unreachable(_) => {}
            }
        }
        found
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        self.step(&self.due, TaskOutcome::Planned)
    }

    /// Removes the packs whose time is over. One of which an object is nowhere else counts as in use again.
    pub(super) fn remove(&self, packs: &PackFolder, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        let mut notes = Notes::read(packer.operation.cache())?;
        let (mut removed, mut missed) = (Vec::new(), Vec::new());
        for pack in &self.due {
            match first_uncovered(pack, packs.lasting())? {
                None => {
                    packer.tools.pass("remove a pack that was replaced")?;
                    pack.remove()?;
                    removed.push(pack.clone());
                }
                Some(id) => {
                    tracing::warn!(pack = pack.stem, %id, "a pack that was replaced has an object of its own; it stays");
                    missed.push(pack);
                }
            }
            notes.superseded.remove(&pack.stem);
        }
        // A note whose pack somebody else removed says nothing any more.
        let is_there = |stem: &String| packs.packs.iter().any(|pack| pack.stem == *stem);
        notes.superseded.retain(|stem, _| is_there(stem));
        notes.unreachable.retain(|stem, _| is_there(stem));
        if !removed.is_empty() {
            sync(&packer.operation.cache().layout().packs())?;
            packer.tools.pass("forget the packs that were removed")?;
        }
        if notes != Notes::read(packer.operation.cache())? {
            notes.write(packer.operation)?;
        }
        let step = self.step(&removed, TaskOutcome::Done);
        match missed.as_slice() {
            [] => Ok(step),
            missed => {
                Ok(step.because(format!("{} of them have objects that are nowhere else, and stay", missed.len())))
            }
        }
    }

    fn step(&self, packs: &[StorePack], outcome: TaskOutcome) -> UpkeepStep {
        let task = UpkeepTask::Superseded;
        let bytes = |packs: &[StorePack]| packs.iter().map(|pack| pack.bytes).sum();
        match (packs.len(), self.waiting.len()) {
            (0, 0) => UpkeepStep::nothing(task),
            (0, waiting) => UpkeepStep::new(task, TaskOutcome::Waiting, waiting as u64)
                .with_bytes(bytes(&self.waiting), bytes(&self.waiting))
                .because("somebody may still read them"),
            (items, _) => UpkeepStep::new(task, outcome, items as u64).with_bytes(bytes(packs), 0),
        }
    }
}
