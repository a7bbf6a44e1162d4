//! Snapshots: how their refs are named, that they never move, and which of them retention may drop.
//!
//! The one place of the project that can write down the deletion of a ref is [`plan_prune`]. This module never looks at a
//! repository or a clock: what exists, what is in use and what time it is come in as values.
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::time::Duration;
//!
//! use jiff::Timestamp;
//! use mirror_core::name::{BranchName, CommitId, GroupName, RefPrefix};
//! use mirror_core::snapshot::{Retention, SnapshotName, SnapshotSeen, plan_prune};
//!
//! let name = SnapshotName {
//!     prefix: RefPrefix::parse("refs/unidesk/snapshots")?,
//!     group: GroupName::parse("hwlab-node-runtime")?,
//!     branch: BranchName::parse("v0.3")?,
//!     commit: CommitId::from_hex("9fceb02d0ae598e95dc970b74767f19372d61af8")?,
//! };
//! assert_eq!(
//!     name.ref_name().as_str(),
//!     "refs/unidesk/snapshots/hwlab-node-runtime/v0.3/9fceb02d0ae598e95dc970b74767f19372d61af8"
//! );
//!
//! let retention = Retention { keep_at_least: 1, keep_for: Duration::from_secs(3600) };
//! let seen = [SnapshotSeen { name, made_at: Timestamp::UNIX_EPOCH }];
//! let plan = plan_prune(&seen, &BTreeSet::new(), &retention, "2030-01-01T00:00:00Z".parse()?);
//! assert!(plan.drop.is_empty(), "the newest of a branch stays, however old it is");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admit;
mod name;
mod prune;
#[cfg(test)]
mod tests;

pub use admit::{Admission, SnapshotMoved, admit};
pub use name::{SnapshotName, SnapshotNameError};
pub use prune::{KeepReason, PrunePlan, Retention, SnapshotDrop, SnapshotSeen, plan_prune};
