//! Which trees and blobs the new commits bring: all versions of one path are looked at together, level by level, beside the versions
//! that upstream has there. So what is upstream's is left out wherever it moved to in between, and each version finds its base: the
//! version before it at the same path.

use std::collections::{BTreeMap, VecDeque};

use gix_hash::ObjectId;
use gix_object::{Kind, TreeRefIter};

use super::error::PackError;
use super::ids::IdSet;
use super::list::{EntryList, Link};
use super::plan::Objects;

/// One directory: its trees on upstream's side, and the new ones, oldest first.
#[derive(Debug, Default)]
pub(super) struct Versions {
    upstream: Vec<ObjectId>,
    new: Vec<ObjectId>,
}

impl Versions {
    /// Collects the root trees, without doubles.
    pub(super) fn of_roots(upstream: impl Iterator<Item = ObjectId>, new: impl Iterator<Item = ObjectId>) -> Self {
        let mut met = IdSet::default();
        let upstream: Vec<_> = upstream.filter(|id| met.insert(*id)).collect();
        Versions { upstream, new: new.filter(|id| met.insert(*id)).collect() }
    }
}

/// Walks down from `roots` and adds what is new to `list`.
pub(super) fn walk(store: &impl Objects, roots: Versions, list: &mut EntryList) -> Result<(), PackError> {
    let mut walk = PathWalk { store, upstream: IdSet::default(), met: IdSet::default(), buffer: Vec::new() };
    walk.upstream.extend(&roots.upstream);
    let first = list.len();
    let mut directories = VecDeque::from([roots]);
    while let Some(directory) = directories.pop_front() {
        walk.directory(directory, list, &mut directories)?;
    }
    // A version may have been added before the directory it moved from was looked at.
    list.drop_known(first, |id| walk.upstream.contains(id));
    Ok(())
}

struct PathWalk<'a, S> {
    store: &'a S,
    /// What upstream was seen to have.
    upstream: IdSet,
    /// What was added.
    met: IdSet,
    buffer: Vec<u8>,
}

impl<S: Objects> PathWalk<'_, S> {
    fn directory(
        &mut self,
        here: Versions,
        list: &mut EntryList,
        below: &mut VecDeque<Versions>,
    ) -> Result<(), PackError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut theirs = Vec::with_capacity(here.upstream.len());
        for id in &here.upstream {
            let tree = read_tree(self.store, id, &mut buffer)?;
            for_each(id, tree, |_, child| _ = self.upstream.insert(child))?;
            theirs.push((id, tree.to_vec()));
        }
        let mut children: BTreeMap<Vec<u8>, Versions> = BTreeMap::new();
        let root = here.upstream.first().copied();
        let mut base = root.map(Link::Upstream);
        for id in &here.new {
            base = Some(list.push(*id, base, root)?);
            let tree = read_tree(self.store, id, &mut buffer)?;
            for_each(id, tree, |name, child| {
                if !self.upstream.contains(&child) && self.met.insert(child) {
                    children.entry(name.to_vec()).or_default().new.push(child);
                }
            })?;
        }
        self.buffer = buffer;
        for (id, tree) in &theirs {
            for_each(id, tree, |name, child| {
                if let Some(versions) = children.get_mut(name)
                    && !versions.upstream.contains(&child)
                {
                    versions.upstream.push(child);
                }
            })?;
        }
        for (name, versions) in children {
            if name.ends_with(b"/") {
                below.push_back(versions);
                continue;
            }
            let root = versions.upstream.first().copied();
            let mut base = root.map(Link::Upstream);
            for id in versions.new {
                base = Some(list.push(id, base, root)?);
            }
        }
        Ok(())
    }
}

fn read_tree<'a>(store: &impl Objects, id: &ObjectId, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], PackError> {
    let object = store.read(id, buffer)?;
    match object.kind {
        Kind::Tree => Ok(object.data),
        found => Err(PackError::Kind { id: *id, found, expected: Kind::Tree }),
    }
}

/// Calls `each` with name and id of each entry that is an object of this repository. The name of a directory ends with a slash: as a
/// directory and as a file the same name is two paths.
fn for_each(id: &ObjectId, tree: &[u8], mut each: impl FnMut(&[u8], ObjectId)) -> Result<(), PackError> {
    let mut directory = Vec::new();
    for entry in TreeRefIter::from_bytes(tree, gix_hash::Kind::Sha1) {
        let entry = entry.map_err(|error| PackError::Unreadable { id: *id, source: error.into() })?;
        if entry.mode.is_tree() {
            directory.clear();
            directory.extend_from_slice(entry.filename);
            directory.push(b'/');
            each(&directory, entry.oid.to_owned());
        } else if !entry.mode.is_commit() {
            // A commit in a tree is a submodule's: it is another repository's object, and not sent.
            each(entry.filename, entry.oid.to_owned());
        }
    }
    Ok(())
}
