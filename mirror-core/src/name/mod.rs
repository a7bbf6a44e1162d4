//! Names, checked once where they enter: refs, branches, commits, nodes, lanes, repositories.
//!
//! A value of one of these types is proof that its text keeps the rules; nothing behind the edge checks a name again.
//! Ref names keep exactly the rules of `git check-ref-format`. This module never looks at a repository: whether a ref
//! exists is not its question.
//!
//! ```
//! use mirror_core::name::{BranchName, CommitId, RefName};
//!
//! let branch = BranchName::parse("v0.3")?;
//! assert_eq!(branch.ref_name().as_str(), "refs/heads/v0.3");
//! assert_eq!(branch.stage_ref().as_str(), "refs/mirror-stage/heads/v0.3");
//!
//! let tip = CommitId::from_hex("9fceb02d0ae598e95dc970b74767f19372d61af8")?;
//! assert_eq!(tip.short(), "9fceb02d0a");
//!
//! let refused = RefName::parse("refs/heads/a..b").unwrap_err();
//! assert_eq!(refused.to_string(), "ref name `refs/heads/a..b` has two dots in a row");
//! # Ok::<(), mirror_core::name::NameError>(())
//! ```

mod commit;
mod conflict;
mod error;
mod format;
mod label;
mod namespace;
mod pattern;
mod refs;
mod rescue;
#[cfg(test)]
mod tests;
mod text;

pub use commit::CommitId;
pub use conflict::{Conflict, conflicts};
pub use error::{NameError, NameFault, NameKind};
pub(crate) use error::{escaped, shown};
pub use label::{LaneName, NodeName, RepositoryName};
pub use namespace::RefNamespace;
pub(crate) use namespace::{RESCUE, STAGE};
pub use pattern::TagPattern;
pub use refs::{BranchName, GroupName, RefName, RefPrefix};
