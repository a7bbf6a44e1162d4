//! How many packs there are for an upkeep to make fewer of. A listing tells; no pack is opened.

use std::collections::HashSet;
use std::fs;

use jiff::Timestamp;

use super::notes::Notes;
use super::packs::STAYING;
use super::rules::{READER_GRACE, is_past};
use crate::disk::{At, DiskError, is_absent};
use crate::open::Cache;

/// How many packs a store has, by what an upkeep may do with them. Those that stay whatever it does are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackCount {
    /// Those that no other has replaced: an upkeep makes few of many.
    pub used: u64,
    /// Those that others have replaced, and that stay for the readers that have them open.
    pub leaving: u64,
    /// Those that others have replaced so long ago that the next upkeep takes them away.
    pub overdue: u64,
}

impl PackCount {
    /// All that whoever looks for an object may have to look into.
    pub fn all(self) -> u64 {
        self.used + self.leaving + self.overdue
    }

    /// How many of them an upkeep could make fewer of now.
    pub fn to_do(self) -> u64 {
        self.used + self.overdue
    }
}

impl Cache {
    /// Counts the packs as they are at a time. A new one that has come under the name of a replaced one counts as that.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn count_packs(&self, now: Timestamp) -> Result<PackCount, DiskError> {
        let folder = self.layout().packs();
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => return Ok(PackCount::default()),
            entries => entries.at("list", &folder)?,
        };
        let (mut packs, mut staying) = (HashSet::new(), Vec::new());
        for entry in entries {
            let name = entry.at("list", &folder)?.file_name();
            match name.to_str().and_then(|name| name.split_once('.')) {
                Some((stem, "idx")) if stem.starts_with("pack-") => drop(packs.insert(stem.to_owned())),
                Some((stem, ending)) if STAYING.contains(&ending) => staying.push(stem.to_owned()),
                _ => {}
            }
        }
        let notes = Notes::read(self)?;
        for stem in staying.iter().chain(notes.unreachable.keys()) {
            packs.remove(stem);
        }
        let mut count = PackCount::default();
        for (stem, noted) in notes.superseded {
            if packs.remove(&stem) {
                let (leaving, overdue) = (&mut count.leaving, &mut count.overdue);
                *if is_past(now, noted.since, READER_GRACE) { overdue } else { leaving } += 1;
            }
        }
        count.used = packs.len() as u64;
        Ok(count)
    }
}
