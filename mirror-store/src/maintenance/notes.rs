//! What one upkeep leaves to the next: `git-mirror/upkeep.json`, which packs others have replaced, which hold only what no ref reached, and
//! since when.
//!
//! It is a hint and no proof: whoever removes a pack looks at the store itself. A file that is lost or cannot be read costs time only, as
//! the packs then count as any others.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::packs::StorePack;
use crate::disk::{DiskError, read_bounded, replace, write_synced};
use crate::open::Cache;
use crate::operation::Operation;

/// A line for each of a hundred thousand packs would still fit.
const LIMIT: u64 = 16 << 20;

/// The notes of one cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notes {
    /// The packs that others have replaced, by their names without ending.
    #[serde(default)]
    pub(super) superseded: BTreeMap<String, Noted>,
    /// The packs of objects that no ref reached.
    #[serde(default)]
    pub(super) unreachable: BTreeMap<String, Noted>,
    /// When all refs were walked for the last time.
    #[serde(default)]
    pub(super) looked_at: Option<Timestamp>,
}

/// A pack that was noted. One of the same name that came later is another file, and not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Noted {
    pub(super) inode: u64,
    pub(super) since: Timestamp,
}

impl Notes {
    pub(super) fn read(cache: &Cache) -> Result<Self, DiskError> {
        let text = read_bounded(&cache.layout().upkeep_notes(), LIMIT)?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
    }

    /// Notes that some packs came into the place of others, which from now on wait for their end.
    ///
    /// A new one may be one that was replaced before: the same objects make the same pack. It is in use again. And where an old one is
    /// what all of them come to, it stays.
    pub(super) fn replace(&mut self, old: &[&StorePack], new: &[&StorePack], now: Timestamp) {
        for pack in old {
            self.superseded.insert(pack.stem.clone(), Noted { inode: pack.inode, since: now });
        }
        for pack in new {
            self.superseded.remove(&pack.stem);
            self.unreachable.remove(&pack.stem);
        }
    }

    pub(super) fn write(&self, operation: &Operation) -> Result<(), DiskError> {
        let text = serde_json::to_vec_pretty(self).expect("because notes are plain data");
        let file = operation.folder().join("upkeep.json");
        write_synced(&file, &text)?;
        replace(&file, &operation.cache().layout().upkeep_notes())
    }
}
