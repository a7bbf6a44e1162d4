//! The parts of a view: the folders of loose refs, and the part of the packed refs that matters.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use mirror_core::name::RefName;

use super::super::objects::ObjectError;
use super::super::open::Cache;
use super::super::refs::RefError;
use super::folder::Folder;
use super::stamp::Stamp;
use super::{BRANCHES, SeenRef, TAGS};

/// What a view was read from, with the stamps that tell whether it changed. Cheap to take over into the next view.
#[derive(Debug)]
pub(super) struct Parts {
    folders: BTreeMap<String, Arc<Folder>>,
    packed: Arc<PackedPart>,
}

/// The branches and tags in the file of packed refs.
#[derive(Debug)]
struct PackedPart {
    path: PathBuf,
    stamp: Option<Stamp>,
    is_settled: bool,
    refs: Vec<SeenRef>,
    /// Tags that cannot be followed to what they are tags of.
    unreadable: Vec<RefName>,
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
        self.packed.unreadable.iter()
    }
}

fn read_folder(cache: &Cache, name: &str, earlier: Option<&Arc<Folder>>) -> Result<Arc<Folder>, RefError> {
    let now = SystemTime::now();
    let stamp = Stamp::of(&cache.layout().loose(name))?;
    match earlier {
        Some(earlier) if earlier.is_settled && earlier.stamp == stamp => Ok(Arc::clone(earlier)),
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
            return Ok(Arc::clone(earlier));
        }
        let mut refs = Vec::new();
        for prefix in [BRANCHES, TAGS] {
            for seen in cache.inner.packed.run(&format!("{prefix}/"))? {
                refs.push(seen?);
            }
        }
        let unreadable = cache.peel_packed(&mut refs)?;
        let is_settled = stamp.is_none_or(|stamp| stamp.is_settled(now));
        Ok(Arc::new(Self { path, stamp, is_settled, refs, unreadable }))
    }
}

impl Cache {
    /// Fills in what tags peel to where the writer of the packed refs did not say it; takes out, and names, those of which that cannot be read.
    fn peel_packed(&self, refs: &mut Vec<SeenRef>) -> Result<Vec<RefName>, RefError> {
        let is_tag = |seen: &SeenRef| seen.peeled.is_none() && seen.name.tag().is_some();
        if !refs.iter().any(is_tag) || self.inner.packed.is_fully_peeled()? {
            return Ok(Vec::new());
        }
        let odb = self.odb()?;
        let mut unreadable = Vec::new();
        for seen in refs.iter_mut().filter(|seen| is_tag(seen)) {
            match self.peel(&odb, seen.value) {
                Ok(peeled) => seen.peeled = peeled,
                Err(ObjectError::Unreadable { .. }) => unreadable.push(seen.name.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        if !unreadable.is_empty() {
            let names: HashSet<&RefName> = unreadable.iter().collect();
            refs.retain(|seen| !names.contains(&seen.name));
        }
        Ok(unreadable)
    }
}

fn is_at(path: &std::path::Path, stamp: Option<Stamp>) -> bool {
    // What cannot be looked at has moved; the reading that follows says why.
    Stamp::of(path).is_ok_and(|now| now == stamp)
}
