//! The roll-up: small packs become one, by [`geometry`](super::geometry).

use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::geometry::roll_up;
use super::notes::Notes;
use super::packer::Packer;
use super::packs::{PackFolder, StorePack};

/// The packs that become one.
#[derive(Debug)]
pub(super) struct RollUp {
    rolled: Vec<StorePack>,
    /// Packs without an object: nothing has to replace them.
    empty: Vec<StorePack>,
}

impl RollUp {
    pub(super) fn find(packs: &PackFolder) -> Self {
        let (empty, mut rolled): (Vec<_>, Vec<_>) = packs.used().cloned().partition(|pack| pack.objects == 0);
        rolled.sort_by(|a, b| (a.objects, &a.stem).cmp(&(b.objects, &b.stem)));
        let objects: Vec<u64> = rolled.iter().map(|pack| pack.objects).collect();
        rolled.truncate(roll_up(&objects));
        Self { rolled, empty }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rolled.is_empty() && self.empty.is_empty()
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        self.step(TaskOutcome::Planned, self.bytes())
    }

    /// Makes the one pack, and notes which it replaces. They stay where they are.
    pub(super) fn carry_out(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        let mut after = 0;
        let mut new = None;
        if !self.rolled.is_empty() {
            packer.make_room(self.bytes())?;
            let rolled: Vec<&StorePack> = self.rolled.iter().collect();
            let made = packer.pack_packs(&rolled)?;
            rolled.iter().try_for_each(|old| packer.verify_covered(old, &[&made]))?;
            after = made.bytes();
            new = Some(packer.install(made)?);
        }
        let old: Vec<&StorePack> = self.rolled.iter().chain(&self.empty).collect();
        let mut notes = Notes::read(packer.operation.cache())?;
        notes.replace(&old, new.as_ref().as_slice(), packer.rules.now);
        packer.tools.pass("note the packs that were replaced")?;
        notes.write(packer.operation)?;
        Ok(self.step(TaskOutcome::Done, after))
    }

    fn bytes(&self) -> u64 {
        self.rolled.iter().map(|pack| pack.bytes).sum()
    }

    fn step(&self, outcome: TaskOutcome, after: u64) -> UpkeepStep {
        match self.rolled.len() + self.empty.len() {
            0 => UpkeepStep::nothing(UpkeepTask::RollUp),
            items => UpkeepStep::new(UpkeepTask::RollUp, outcome, items as u64).with_bytes(self.bytes(), after),
        }
    }
}
