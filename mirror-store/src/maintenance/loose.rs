//! Objects that stand in a file each. The mirror itself makes none; somebody who works in the cache with git does.
//!
//! They are put into a pack by one run and their files removed by a later one, once that pack is as old as any reader.

use std::fs;

use gix_hash::ObjectId;
use mirror_core::report::maintain::{TaskOutcome, UpkeepStep, UpkeepTask};

use super::error::UpkeepError;
use super::packer::Packer;
use super::packs::{PackFolder, StoreFile, StorePack, list};
use super::rules::UpkeepRules;
use crate::disk::{DiskError, remove_if_there};
use crate::open::Cache;

/// An object in a file of its own.
#[derive(Debug, Clone)]
pub(super) struct LooseObject {
    pub(super) id: ObjectId,
    pub(super) bytes: u64,
    file: StoreFile,
}

/// What is to be done about them.
#[derive(Debug, Default)]
pub(super) struct LooseObjects {
    /// In a pack for long enough: the file goes.
    packed: Vec<LooseObject>,
    /// In no pack: they are put into one.
    unpacked: Vec<LooseObject>,
    /// Too young, or in a pack that is.
    young: u64,
}

/// Lists the objects that stand in a file each.
pub(super) fn list_objects(cache: &Cache) -> Result<Vec<LooseObject>, DiskError> {
    let mut found = Vec::new();
    for fan in 0..=u8::MAX {
        let fan = format!("{fan:02x}");
        for file in list(&cache.layout().objects().join(&fan))? {
            let rest = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Ok(id) = ObjectId::from_hex(format!("{fan}{rest}").as_bytes()) {
                found.push(LooseObject { id, bytes: file.bytes, file });
            }
        }
    }
    Ok(found)
}

impl LooseObjects {
    pub(super) fn find(cache: &Cache, packs: &PackFolder, rules: &UpkeepRules) -> Result<Self, UpkeepError> {
        let mut found = Self::default();
        let loose = list_objects(cache)?;
        if loose.is_empty() {
            return Ok(found);
        }
        let lasting: Vec<&StorePack> = packs.used().collect();
        let indexes = lasting.iter().map(|pack| pack.index()).collect::<Result<Vec<_>, _>>()?;
        for object in loose {
            let holders = lasting.iter().zip(&indexes).filter(|(_, index)| index.lookup(object.id).is_some());
            let holders: Vec<bool> = holders.map(|(pack, _)| rules.is_past(pack.since, rules.reader_grace)).collect();
            if holders.contains(&true) {
                found.packed.push(object);
            } else if holders.is_empty() && rules.is_past(object.file.since, rules.reader_grace) {
                found.unpacked.push(object);
            } else {
                found.young += 1;
            }
        }
        Ok(found)
    }

    pub(super) fn plan(&self) -> UpkeepStep {
        self.step(TaskOutcome::Planned, 0)
    }

    pub(super) fn carry_out(&self, packer: &Packer<'_>) -> Result<UpkeepStep, UpkeepError> {
        for object in &self.packed {
            packer.tools.pass("remove a loose object")?;
            remove_if_there(&object.file.path)?;
            if let Some(folder) = object.file.path.parent() {
                // Where others are in it, it stays.
                let _ = fs::remove_dir(folder);
            }
        }
        let mut after = 0;
        if !self.unpacked.is_empty() {
            packer.make_room(self.unpacked.iter().map(|object| object.bytes).sum())?;
            let pack = packer.pack_objects(self.unpacked.iter().map(|object| object.id))?;
            after = pack.bytes();
            packer.install(pack)?;
        }
        Ok(self.step(TaskOutcome::Done, after))
    }

    fn step(&self, outcome: TaskOutcome, after: u64) -> UpkeepStep {
        let task = UpkeepTask::LooseObjects;
        let due = || self.packed.iter().chain(&self.unpacked);
        match (due().count() as u64, self.young) {
            (0, 0) => UpkeepStep::nothing(task),
            (0, young) => UpkeepStep::new(task, TaskOutcome::Waiting, young).because("they, or their pack, are young"),
            (items, _) => {
                UpkeepStep::new(task, outcome, items).with_bytes(due().map(|object| object.bytes).sum(), after)
            }
        }
    }
}
