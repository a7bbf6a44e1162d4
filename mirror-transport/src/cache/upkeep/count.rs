//! How many packs whoever looks for an object has to look into. A listing tells; no pack is opened.

use std::fs;

use super::notes::Notes;
use crate::cache::disk::{At, DiskError, is_absent};
use crate::cache::open::Cache;

impl Cache {
    /// Counts the packs that no other has replaced. One that came back under the name of a replaced one is missed.
    ///
    /// # Errors
    /// What the disk refuses.
    pub fn packs_in_use(&self) -> Result<u64, DiskError> {
        let folder = self.layout().packs();
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => return Ok(0),
            entries => entries.at("list", &folder)?,
        };
        let notes = Notes::read(self)?;
        let mut packs = 0;
        for entry in entries {
            let name = entry.at("list", &folder)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".idx"));
            let is_noted = |stem: &str| notes.superseded.contains_key(stem) || notes.unreachable.contains_key(stem);
            packs += u64::from(stem.is_some_and(|stem| stem.starts_with("pack-") && !is_noted(stem)));
        }
        Ok(packs)
    }
}
