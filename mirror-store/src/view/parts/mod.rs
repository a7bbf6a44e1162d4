//! The parts of a view: the folders of loose refs, and the part of the packed refs that matters.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use mirror_core::name::RefName;

use super::folder::Folder;
use super::{BRANCHES, LOOK_AGAIN, SeenRef, TAGS};
use crate::disk::Stamp;
use crate::objects::ObjectError;
use crate::open::Cache;
use crate::refs::RefError;

/// What a view was read from, with the stamps that tell whether it changed. Cheap to take over into the next view.
#[derive(Debug)]
pub(super) struct Parts {
    folders: BTreeMap<String, Arc<Folder>>,
    packed: Arc<PackedPart>,
}

/// The branches and tags in the file of packed refs.
#[derive(Debug, Clone)]
struct PackedPart {
    path: PathBuf,
    stamp: Option<Stamp>,
    is_settled: bool,
    refs: Arc<Vec<SeenRef>>,
    /// Tags that cannot be followed to what they are tags of, and when that was last tried.
    unreadable: Vec<SeenRef>,
    tried: Option<Instant>,
}

impl Parts {
    /// Reads all parts, but takes those that are settled and unmoved from an earlier reading.
    pub(super) fn read(cache: &Cache, earlier: Option<&Parts>) -> Result<Self, RefError> {
        let mut folders = BTreeMap::new();
        let mut waiting = vec![BRANCHES.to_owned(), TAGS.to_owned()];
        while let Some(name) = waiting.pop() {
            let earlier = earlier.and_then(|earlier| earlier.folders.get(&name));
            let folder = read_folder(cache, &name, earlier)?;
            waiting.extend(folder.folders.iter().cloned());
            folders.insert(name, folder);
        }
        // Packed refs last: a ref is in the packed file before its loose one goes.
        let packed = PackedPart::read(cache, earlier.map(|earlier| &earlier.packed))?;
        Ok(Self { folders, packed })
    }

    /// Says whether every part still has the stamp with which it was read.
    pub(super) fn are_unmoved(&self) -> bool {
        self.folders.values().all(|folder| is_at(&folder.path, folder.stamp))
            && is_at(&self.packed.path, self.packed.stamp)
    }

    /// Says whether every part was so old when it was read that a later change cannot leave the same stamp.
    pub(super) fn are_settled(&self) -> bool {
        self.folders.values().all(|folder| folder.is_settled) && self.packed.is_settled
    }

    /// Says whether it is time to look again at tags that could not be read, though nothing moved: the reason may have passed.
    pub(super) fn are_due(&self) -> bool {
        self.folders.values().any(|folder| is_due(folder.tried)) || is_due(self.packed.tried)
    }

    pub(super) fn loose(&self) -> impl Iterator<Item = &SeenRef> {
        self.folders.values().flat_map(|folder| &folder.refs)
    }

    pub(super) fn packed(&self) -> impl Iterator<Item = &SeenRef> {
        self.packed.refs.iter()
    }

    /// The loose refs that cannot be read. Each hides the packed one of its name.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = &RefName> {
        self.folders.values().flat_map(|folder| &folder.unreadable)
    }

    /// The packed refs that cannot be read.
    pub(super) fn unreadable_packed(&self) -> impl Iterator<Item = &RefName> {
        self.packed.unreadable.iter().map(|seen| &seen.name)
    }
}

fn read_folder(cache: &Cache, name: &str, earlier: Option<&Arc<Folder>>) -> Result<Arc<Folder>, RefError> {
    let now = SystemTime::now();
    let stamp = Stamp::of(&cache.layout().loose(name))?;
    match earlier {
        Some(earlier) if earlier.is_settled && earlier.stamp == stamp && !is_due(earlier.tried) => {
            Ok(Arc::clone(earlier))
        }
        _ => Ok(Arc::new(Folder::read(cache, name, stamp, now, earlier.map(Arc::as_ref))?)),
    }
}

impl PackedPart {
    fn read(cache: &Cache, earlier: Option<&Arc<Self>>) -> Result<Arc<Self>, RefError> {
        let now = SystemTime::now();
        let path = cache.layout().packed_refs();
        let stamp = Stamp::of(&path)?;
        if let Some(earlier) = earlier
            && earlier.is_settled
            && earlier.stamp == stamp
        {
            return if is_due(earlier.tried) { earlier.tried_again(cache) } else { Ok(Arc::clone(earlier)) };
        }
        let mut refs = Vec::new();
        for prefix in [BRANCHES, TAGS] {
            for seen in cache.inner.packed.run(&format!("{prefix}/"))? {
                refs.push(seen?);
            }
        }
        let unreadable = match refs.iter().any(is_unpeeled) && !cache.inner.packed.is_fully_peeled()? {
            true => cache.peel_tags(&mut refs)?,
            false => Vec::new(),
        };
        let is_settled = stamp.is_none_or(|stamp| stamp.is_settled(now));
        let tried = (!unreadable.is_empty()).then(Instant::now);
        Ok(Arc::new(Self { path, stamp, is_settled, refs: Arc::new(refs), unreadable, tried }))
    }

    /// Looks once more at the tags that could not be read, and at nothing else.
    fn tried_again(&self, cache: &Cache) -> Result<Arc<Self>, RefError> {
        let mut found = self.unreadable.clone();
        let unreadable = cache.peel_tags(&mut found)?;
        let refs = match found.is_empty() {
            true => Arc::clone(&self.refs),
            false => Arc::new(self.refs.iter().cloned().chain(found).collect()),
        };
        let tried = (!unreadable.is_empty()).then(Instant::now);
        Ok(Arc::new(Self { path: self.path.clone(), stamp: self.stamp, is_settled: true, refs, unreadable, tried }))
    }
}

impl Cache {
    /// Fills in what tags peel to where the writer of the packed refs did not say it. Takes out, and gives, those of which that cannot be read.
    fn peel_tags(&self, refs: &mut Vec<SeenRef>) -> Result<Vec<SeenRef>, RefError> {
        let odb = self.odb()?;
        let mut unreadable = Vec::new();
        for mut seen in std::mem::take(refs) {
            if is_unpeeled(&seen) {
                match self.peel(&odb, seen.value) {
                    Ok(peeled) => seen.peeled = peeled,
                    Err(ObjectError::Unreadable { .. }) => {
                        unreadable.push(seen);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            refs.push(seen);
        }
        Ok(unreadable)
    }
}

/// Says whether a tag may be one of which it is not known what it is a tag of.
fn is_unpeeled(seen: &SeenRef) -> bool {
    seen.peeled.is_none() && seen.name.tag().is_some()
}

/// Says whether what was last tried in vain at a time is to be tried again.
fn is_due(tried: Option<Instant>) -> bool {
    tried.is_some_and(|tried| tried.elapsed() >= LOOK_AGAIN)
}

fn is_at(path: &std::path::Path, stamp: Option<Stamp>) -> bool {
    // What cannot be looked at has moved; the reading that follows says why.
    Stamp::of(path).is_ok_and(|now| now == stamp)
}

#[cfg(test)]
mod tests;
