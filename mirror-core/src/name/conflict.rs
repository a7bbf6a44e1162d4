//! Directory/file conflicts: where `a` is a ref, `a/b` cannot be one.

use std::collections::BTreeSet;
use std::fmt;

use super::refs::RefName;

/// Two ref names that cannot both exist in one repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The name that the other one would need as a folder.
    pub outer: RefName,
    /// The name below it.
    pub inner: RefName,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` and `{}` cannot both exist", self.outer, self.inner)
    }
}

/// Finds every pair of names of which one would be a folder of the other; the pairs are in order, each once.
///
/// # Source
/// <https://git-scm.com/docs/gitrepository-layout>, `refs`
pub fn conflicts(names: impl IntoIterator<Item = RefName>) -> Vec<Conflict> {
    let names: BTreeSet<RefName> = names.into_iter().collect();
    let texts: BTreeSet<&str> = names.iter().map(RefName::as_str).collect();
    let mut found = Vec::new();
    for inner in &names {
        for (at, _) in inner.as_str().match_indices('/') {
            let folder = &inner.as_str()[..at];
            if texts.contains(folder)
                && let Ok(outer) = RefName::parse(folder)
            {
                found.push(Conflict { outer, inner: inner.clone() });
            }
        }
    }
    found.sort();
    found
}
