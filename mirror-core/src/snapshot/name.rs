//! The name of a snapshot: `<prefix>/<group>/<branch>/<commit>`.

use std::fmt;

use crate::fault::{Classified, FaultClass, Retry};
use crate::name::{BranchName, CommitId, GroupName, NameError, RefName, RefPrefix, shown};

/// What a snapshot ref is made of. Its value is always the commit in its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotName {
    /// Where all snapshots of the configuration stand.
    pub prefix: RefPrefix,
    /// The group of the lane.
    pub group: GroupName,
    /// The source branch, written as it is, slashes included.
    pub branch: BranchName,
    /// The commit that the snapshot holds.
    pub commit: CommitId,
}

/// A ref that is not a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SnapshotNameError {
    /// The ref stands somewhere else.
    #[error("`{}` does not stand under `{prefix}/`", shown(name.as_str()))]
    #[diagnostic(
        code(mirror::snapshot::elsewhere),
        help("snapshots.prefix in the configuration says where snapshots stand")
    )]
    Elsewhere {
        /// The ref.
        name: RefName,
        /// The prefix that it should have.
        prefix: RefPrefix,
    },
    /// The ref stands under the prefix and has too few parts.
    #[error("`{}` is not `<prefix>/<group>/<branch>/<commit>`", shown(name.as_str()))]
    #[diagnostic(
        code(mirror::snapshot::shape),
        help("delete the ref with `git update-ref -d`, or move it out of the snapshot prefix")
    )]
    Shape {
        /// The ref.
        name: RefName,
    },
    /// One of the parts is not what stands there in a snapshot.
    #[error("`{}` has a part that no snapshot has", shown(name.as_str()))]
    #[diagnostic(
        code(mirror::snapshot::part),
        help("delete the ref with `git update-ref -d`, or move it out of the snapshot prefix")
    )]
    Part {
        /// The ref.
        name: RefName,
        /// What is wrong with the part.
        source: NameError,
    },
}

impl Classified for SnapshotNameError {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl SnapshotName {
    /// Gives the full ref name.
    pub fn ref_name(&self) -> RefName {
        self.prefix.join(format_args!("{}/{}/{}", self.group, self.branch, self.commit))
    }

    /// Reads a full ref name back into its parts.
    ///
    /// # Errors
    /// The ref does not stand under the prefix, or is not made of group, branch and commit.
    pub fn parse(prefix: &RefPrefix, name: &RefName) -> Result<Self, SnapshotNameError> {
        let Some(rest) = prefix.strip(name) else {
            return Err(SnapshotNameError::Elsewhere { name: name.clone(), prefix: prefix.clone() });
        };
        let parts = rest.split_once('/').and_then(|(group, rest)| Some((group, rest.rsplit_once('/')?)));
        let Some((group, (branch, commit))) = parts else {
            return Err(SnapshotNameError::Shape { name: name.clone() });
        };
        let part = |source| SnapshotNameError::Part { name: name.clone(), source };
        Ok(Self {
            prefix: prefix.clone(),
            group: GroupName::parse(group).map_err(part)?,
            branch: BranchName::parse(branch).map_err(part)?,
            commit: CommitId::from_hex(commit).map_err(part)?,
        })
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.prefix, self.group, self.branch, self.commit)
    }
}
