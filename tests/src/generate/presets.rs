//! The two large repositories that figures are measured on.

use super::history::History;
use super::shape::Shape;
use crate::sandbox::Repository;

/// Writes a repository as teams have it onto `main`: about 120,000 objects in one pack of about 150 MB, deltas found as upstreams
/// find them. Takes a minute.
///
/// # Panics
/// Where git refuses it.
pub fn grown(repository: &Repository, seed: u64) -> History {
    let mut history = History::new(Shape::grown(seed));
    history.write(repository, "main", 8_300);
    repository.run(["repack", "-a", "-d", "-f", "-q"]);
    history
}

/// Writes a repository with a history of 100,000 commits onto `main`.
///
/// # Panics
/// Where git refuses it.
pub fn deep(repository: &Repository, seed: u64) -> History {
    let mut history = History::new(Shape::deep(seed));
    history.write(repository, "main", 100_000);
    history
}
