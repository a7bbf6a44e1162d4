//! Deciding what a pack holds, before the first byte of a push leaves: what is missing here fails here.

use gix_hash::ObjectId;
use gix_object::Data;

use super::error::PackError;
use super::list::{EntryList, Link};
use super::{history, paths};

/// An object store that can be asked from another thread.
pub trait Objects: Send + 'static {
    /// Picks those of `ids` that are there.
    fn known(&self, ids: &[ObjectId]) -> Vec<ObjectId>;

    /// Reads an object, by way of `buffer`.
    ///
    /// # Errors
    ///
    /// [`PackError::Missing`] where it is not there, [`PackError::Unreadable`] where it cannot be read.
    fn read<'a>(&self, id: &ObjectId, buffer: &'a mut Vec<u8>) -> Result<Data<'a>, PackError>;
}

/// The objects of one push, and against what each may be a delta.
///
/// It holds an id and a base for each object, never their contents.
#[derive(Debug)]
pub struct PackPlan {
    pub(super) entries: EntryList,
}

impl PackPlan {
    /// Plans the pack that brings `tips` to a repository that has `boundaries` and all they reach. Boundaries that are not in the
    /// store are skipped: nothing can be known of them.
    ///
    /// # Errors
    ///
    /// [`PackError::Missing`], [`PackError::Unreadable`] and [`PackError::Kind`] where the store is not whole, [`PackError::TooMany`]
    /// above 2³² objects.
    pub fn new(store: &impl Objects, tips: &[ObjectId], boundaries: &[ObjectId]) -> Result<Self, PackError> {
        let new = history::walk(store, tips, boundaries)?;
        let mut entries = EntryList::default();
        for tag in &new.tags {
            entries.push(*tag, None, None)?;
        }
        let root = new.edge.first().map(|commit| commit.id);
        let mut base = root.map(Link::Upstream);
        for commit in &new.commits {
            base = Some(entries.push(commit.id, base, root)?);
        }
        let edge = new.edge.iter().map(|commit| commit.tree);
        paths::walk(
            store,
            paths::Versions::of_roots(edge, new.commits.iter().map(|commit| commit.tree)),
            &mut entries,
        )?;
        Ok(PackPlan { entries })
    }

    /// Says how many objects the pack holds. A pack of none is still a pack.
    pub fn objects(&self) -> usize {
        self.entries.len()
    }
}
