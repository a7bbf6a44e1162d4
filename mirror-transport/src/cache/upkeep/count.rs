//! How many packs whoever looks for an object has to look into. A listing tells; no pack is opened.

use std::collections::HashSet;
use std::fs;

use super::notes::Notes;
use super::packs::STAYING;
use crate::cache::disk::{At, DiskError, is_absent};
use crate::cache::open::Cache;

impl Cache {
    /// Counts the packs that an upkeep may make fewer of: no other has replaced them, and nobody asked that they stay. One that came back under
    /// the name of a replaced one is missed.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn packs_in_use(&self) -> Result<u64, DiskError> {
        let folder = self.layout().packs();
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => return Ok(0),
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
        for stem in staying.iter().chain(notes.superseded.keys()).chain(notes.unreachable.keys()) {
            packs.remove(stem);
        }
        Ok(packs.len() as u64)
    }
}
