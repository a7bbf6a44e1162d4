//! The record of what was seen upstream, and when: `git-mirror/observed.json`.
//!
//! The refs under `refs/mirror-stage/` hold the values; this record adds the time, and the branches that upstream did not have. It is
//! replaced whole, never edited, and never says more than an operation saw.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RefName};
use serde::{Deserialize, Serialize};

use super::disk::{DiskError, read_bounded, replace, write_synced};
use super::open::Cache;
use super::operation::Operation;

/// Upstream refs are declared one by one; this has room for a hundred thousand.
const LIMIT: u64 = 32 << 20;

/// What was seen upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observed {
    /// For each upstream ref that was asked for, by its name upstream, what was seen last.
    pub refs: BTreeMap<RefName, ObservedRef>,
}

/// What was seen of one upstream ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservedRef {
    /// Its value; `None` where upstream did not have it.
    pub commit: Option<CommitId>,
    /// When it was seen.
    pub observed_at: Timestamp,
}

/// A record that is there and cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ObservedError {
    /// It is not what this build writes.
    #[error("{} is malformed", path.display())]
    #[diagnostic(
        code(mirror::cache::malformed_observed),
        help("remove the file and run `git-mirror sync --confirm`, which writes it again")
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The disk refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

impl Cache {
    /// Reads the record; an empty one where nothing was observed yet.
    ///
    /// # Errors
    /// A record that is not one, and what the disk refuses.
    pub fn observed(&self) -> Result<Observed, ObservedError> {
        let path = self.layout().observed();
        match read_bounded(&path, LIMIT)? {
            None => Ok(Observed::default()),
            Some(text) => serde_json::from_slice(&text).map_err(|source| ObservedError::Malformed { path, source }),
        }
    }
}

impl Operation {
    /// Replaces the record. It is on the disk when this returns.
    ///
    /// # Errors
    /// What the disk refuses; the old record stays then.
    pub fn record_observed(&self, observed: &Observed) -> Result<(), ObservedError> {
        let path = self.cache().layout().observed();
        let mut text = serde_json::to_vec_pretty(observed)
            .map_err(|source| ObservedError::Malformed { path: path.clone(), source })?;
        text.push(b'\n');
        let file = self.folder().join("observed.json");
        write_synced(&file, &text)?;
        Ok(replace(&file, &path)?)
    }
}
