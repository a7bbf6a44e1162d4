//! One consistent view of the branches and tags of a cache, and the cheap question whether it still holds.
//!
//! A view is made of parts: the file of packed refs and each folder below `refs/heads` and `refs/tags`. Every change of a ref replaces the
//! file or changes an entry of a folder, so that the stamp of the part changes. A view is read between two looks at all stamps; it is
//! read again where they moved. A part whose stamp is as young as the file system's clock is coarse may change again without a trace:
//! such a view is good for the question it was read for and for no later one.
//!
//! Reading again reads only the parts that changed. What it costs does not depend on the refs that stand elsewhere: snapshots, stage and
//! rescue refs are in no view.
//!
//! It never takes a lock, and never changes a ref.

mod below;
mod folder;
mod parts;

use std::collections::HashSet;
use std::time::Duration;

use mirror_core::name::{CommitId, RefName};

pub use self::below::Below;
use self::parts::Parts;
use super::open::Cache;
use super::refs::RefError;

const BRANCHES: &str = "refs/heads";
const TAGS: &str = "refs/tags";
/// How often a view is read again because refs moved meanwhile. Whoever moves refs brings each to the disk, which takes longer than
/// reading a few folders.
const ATTEMPTS: usize = 5;

/// How long a tag whose object could not be read is left alone, though neither it nor what it is in has changed. The reason may be one that passes; and
/// one that does not must not cost a look on every question.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A ref with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRef {
    /// Its name.
    pub name: RefName,
    /// Its value: a commit, or an annotated tag.
    pub value: CommitId,
    /// What an annotated tag is a tag of, in the end.
    pub peeled: Option<CommitId>,
}

/// The branches and tags of a cache as they were at one time.
#[derive(Debug)]
pub struct View {
    refs: Vec<SeenRef>,
    unreadable: Vec<RefName>,
    parts: Parts,
    is_whole: bool,
}

impl Cache {
    /// Reads the branches and tags, and again where they move meanwhile. Parts that did not change since an earlier view are taken from it.
    ///
    /// # Errors
    /// A file of packed refs that cannot be read, and what the disk refuses. A single ref that holds no value is in
    /// [`View::unreadable`] instead.
    pub fn view(&self, earlier: Option<&View>) -> Result<View, RefError> {
        let mut parts = Parts::read(self, earlier.map(|view| &view.parts))?;
        for _ in 1..ATTEMPTS {
            if parts.are_unmoved() {
                return Ok(View::of(parts, true));
            }
            parts = Parts::read(self, Some(&parts))?;
        }
        let is_whole = parts.are_unmoved();
        Ok(View::of(parts, is_whole))
    }
}

impl View {
    /// Says whether the view is still what reading anew would give. Costs one look at each folder of branches and tags.
    ///
    /// Where an object of a tag could not be read, it is good for some seconds only.
    pub fn is_current(&self) -> bool {
        self.is_whole && self.parts.are_settled() && !self.parts.are_due() && self.parts.are_unmoved()
    }

    /// All branches and tags, in the order of their names.
    pub fn refs(&self) -> &[SeenRef] {
        &self.refs
    }

    /// The tags, in the order of their names.
    pub fn tags(&self) -> &[SeenRef] {
        let start = self.refs.partition_point(|seen| seen.name.as_str() < "refs/tags/");
        &self.refs[start..]
    }

    /// Looks one of them up.
    pub fn find(&self, name: &str) -> Option<&SeenRef> {
        let at = self.refs.binary_search_by(|seen| seen.name.as_str().cmp(name)).ok()?;
        Some(&self.refs[at])
    }

    /// The refs that are not in the view because their files hold no value, or what they tag cannot be read.
    pub fn unreadable(&self) -> &[RefName] {
        &self.unreadable
    }

    /// Says whether no ref moved while the view was read. Where they kept moving, each ref has a value that it had meanwhile.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    fn of(parts: Parts, is_whole: bool) -> Self {
        let mut unreadable: Vec<RefName> = parts.unreadable().cloned().collect();
        let mut refs: Vec<SeenRef> = parts.loose().chain(parts.packed()).cloned().collect();
        // The sort keeps the order of equals, so that a loose ref hides the packed one.
        refs.sort_by(|a, b| a.name.cmp(&b.name));
        refs.dedup_by(|later, first| later.name == first.name);
        if !unreadable.is_empty() {
            let hidden: HashSet<&RefName> = unreadable.iter().collect();
            refs.retain(|seen| !hidden.contains(&seen.name));
        }
        // A loose ref that can be read stands before the packed one.
        let is_loose =
            |name: &RefName| refs.binary_search_by(|seen| seen.name.cmp(name)).is_ok() || unreadable.contains(name);
        let packed: Vec<RefName> = parts.unreadable_packed().filter(|name| !is_loose(name)).cloned().collect();
        unreadable.extend(packed);
        refs.shrink_to_fit();
        Self { refs, unreadable, parts, is_whole }
    }
}
