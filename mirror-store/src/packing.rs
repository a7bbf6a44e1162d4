//! Changing the file of packed refs: moving loose snapshots into it, and dropping refs from both places.
//!
//! It never changes the value of a ref. Packing takes no ref away: each is in the packed file before its loose file goes. Dropping is
//! for the prune of snapshots alone, and only with the value that the plan expects.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::BufWriter;
use std::time::Instant;

use mirror_core::name::{CommitId, RefName, RefPrefix};
use mirror_core::snapshot::SnapshotDrop;

use super::disk::{At, DiskError, is_absent, replace, sync};
use super::edit::ApplyError;
use super::locks::{LockError, Locks, Wanted};
use super::operation::Operation;
use super::packed::Packed;
use super::refs::RefError;
use super::snapshots::list_loose;

/// So many loose refs in one folder are packed by the next operation. A thousand files still open as fast as ten, and packing a
/// hundred thousand refs once in a thousand syncs costs less than a millisecond a sync.
pub const PACK_ABOVE: usize = 1000;

impl Operation {
    /// Packs the loose refs under a prefix, where a folder there holds more than `above` of them. Answers how many were packed.
    ///
    /// # Errors
    /// Nothing is lost by any: a ref that was packed and not yet removed as a loose file is in both places with one value.
    pub fn pack_loose(&self, prefix: &RefPrefix, above: usize) -> Result<usize, ApplyError> {
        self.pack_folder(prefix.as_str(), above)
    }

    /// Packs the loose refs below a folder of refs, as [`Operation::pack_loose`] does.
    pub(super) fn pack_folder(&self, within: &str, above: usize) -> Result<usize, ApplyError> {
        let layout = self.cache().layout();
        let mut loose = Vec::new();
        list_loose(&layout.loose(within), within, &mut loose)?;
        if largest_folder(&loose) <= above {
            return Ok(0);
        }
        let odb = self.cache().odb()?;
        let mut values = BTreeMap::new();
        for name in &loose {
            if let Some(value) = self.cache().find_loose(name)? {
                let peeled = self.cache().peel(&odb, value)?;
                values.insert(name, Some(Packed { value, peeled }));
            }
        }
        let packed = self.rewrite_packed(&values)?;
        let removed = self.remove_loose(&values)?;
        packed.finish()?;
        Ok(removed)
    }

    /// Deletes snapshots that retention dropped, each only where it still holds what the plan expects. Answers how many there were.
    ///
    /// # Errors
    /// A snapshot with another value: nothing is deleted then. What the disk refuses.
    pub fn drop_refs(&self, drops: &[SnapshotDrop]) -> Result<usize, ApplyError> {
        if drops.is_empty() {
            return Ok(0);
        }
        let layout = self.cache().layout();
        let names: Vec<RefName> = drops.iter().map(|drop| drop.name.ref_name()).collect();
        let wanted = names.iter().map(|name| Wanted { name: Some(name.clone()), content: None });
        let mut locks = Locks::prepare(layout, self.batch_folder()?, wanted.collect())?;
        locks.take_all(self.patience())?;
        let mut present = BTreeMap::new();
        for (name, drop) in names.iter().zip(drops) {
            match self.cache().find(name)? {
                None => {}
                Some(value) if value == drop.expected => {
                    present.insert(name, None);
                }
                found => {
                    return Err(ApplyError::Stale { name: name.clone(), expected: Some(drop.expected), found });
                }
            }
        }
        // The packed value goes first: with the loose file gone before it, an old value would show again.
        let packed = self.rewrite_packed(&present)?;
        let mut folders = BTreeSet::new();
        for name in present.keys() {
            let path = layout.loose(name.as_str());
            match fs::remove_file(&path) {
                Err(source) if !is_absent(&source) => return Err(DiskError::new("remove", path, source).into()),
                _ => folders.extend(path.parent().filter(|folder| folder.is_dir()).map(ToOwned::to_owned)),
            }
        }
        folders.iter().try_for_each(|folder| sync(folder))?;
        packed.finish()?;
        locks.finish()?;
        let gone: HashSet<&str> = names.iter().map(RefName::as_str).collect();
        self.forget_made(&|name| gone.contains(name))?;
        Ok(present.len())
    }

    /// Replaces the file of packed refs by one with these changes, and keeps its lock: as long as loose files do not agree with it yet,
    /// nobody else may pack them.
    fn rewrite_packed(&self, changes: &BTreeMap<&RefName, Option<Packed>>) -> Result<Locks<'_>, ApplyError> {
        let cache = self.cache();
        let wanted = vec![Wanted { name: None, content: None }];
        let mut locks = Locks::prepare(cache.layout(), self.batch_folder()?, wanted)?;
        locks.take_all(self.patience())?;
        let path = self.folder().join("packed-refs");
        let odb = cache.odb()?;
        let peel = |id: CommitId| cache.peel(&odb, id).map_err(RefError::from);
        let mut out = BufWriter::with_capacity(1 << 16, File::create(&path).at("create", &path)?);
        cache.inner.packed.merge(changes, &peel, &mut out)?;
        let out = out.into_inner().map_err(std::io::IntoInnerError::into_error).at("write", &path)?;
        out.sync_all().at("sync", &path)?;
        replace(&path, &cache.layout().packed_refs())?;
        Ok(locks)
    }

    /// Removes the loose files of refs that are packed, each under its lock and only where it still has the value that was packed.
    fn remove_loose(&self, packed: &BTreeMap<&RefName, Option<Packed>>) -> Result<usize, ApplyError> {
        let layout = self.cache().layout();
        let wanted = packed.keys().map(|name| Wanted { name: Some((*name).clone()), content: None });
        let mut locks = Locks::prepare(layout, self.batch_folder()?, wanted.collect())?;
        let mut removed = 0;
        for (number, (name, entry)) in packed.iter().enumerate() {
            match locks.take(number, Instant::now()) {
                Ok(()) => {}
                // Somebody changes it: it stays loose until the next time.
                Err(LockError::Held { .. }) => continue,
                Err(error) => return Err(error.into()),
            }
            if self.cache().find_loose(name)? == entry.map(|entry| entry.value) {
                let path = layout.loose(name.as_str());
                fs::remove_file(&path).at("remove", &path)?;
                removed += 1;
            }
            locks.release(number)?;
        }
        locks.finish()?;
        Ok(removed)
    }
}

/// Counts the refs of the folder that has most.
fn largest_folder(names: &[RefName]) -> usize {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *folders.entry(name.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)).or_default() += 1;
    }
    folders.into_values().max().unwrap_or(0)
}
