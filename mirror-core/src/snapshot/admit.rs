//! The immutability rule: a snapshot ref is created once, and holds the commit in its name for as long as it lives.

use super::name::SnapshotName;
use crate::name::CommitId;

/// What has to be done so that a snapshot exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The ref is not there: create it, expecting that it is still not there.
    Create,
    /// The ref is there and right.
    Present,
}

/// A snapshot ref that holds another commit than its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("snapshot `{name}` holds {found}")]
#[diagnostic(
    code(mirror::snapshot::moved),
    help(
        "something other than git-mirror wrote it: look at it with `git log {found}`, then delete the ref with `git update-ref -d {name}`; sync makes it again"
    )
)]
pub struct SnapshotMoved {
    /// The snapshot.
    pub name: SnapshotName,
    /// What its ref holds.
    pub found: CommitId,
}

/// Decides what makes a snapshot exist, given what its ref holds now. There is no answer that moves it.
///
/// # Errors
/// The ref is there and holds another commit.
pub fn admit(name: &SnapshotName, found: Option<CommitId>) -> Result<Admission, SnapshotMoved> {
    match found {
        None => Ok(Admission::Create),
        Some(commit) if commit == name.commit => Ok(Admission::Present),
        Some(found) => Err(SnapshotMoved { name: name.clone(), found }),
    }
}
