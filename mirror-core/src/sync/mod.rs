//! Sync: what was seen of a lane's refs, here and upstream, and the ref edits that follow from it.
//!
//! [`plan_sync`] decides a lane's source and GitOps branch, [`plan_extra`] the further refs a repository declares. Both are pure:
//! they never look, fetch, or write, and no plan can hold a deletion or a forced update, because [`RefEdit`] has no such variant.
//!
//! ```
//! use mirror_core::name::{BranchName, CommitId, GroupName, RefPrefix};
//! use mirror_core::sync::{BranchSeen, LaneView, Observation, RefOutcome, Relation, plan_sync};
//!
//! let old = CommitId::from_hex("1111111111111111111111111111111111111111")?;
//! let new = CommitId::from_hex("2222222222222222222222222222222222222222")?;
//! let (source, group) = (BranchName::parse("main")?, GroupName::parse("app")?);
//! let (gitops, prefix) = (BranchName::parse("gitops")?, RefPrefix::parse("refs/mirror/snapshots")?);
//! let lane = LaneView { source: &source, snapshot_group: &group, gitops: Some(&gitops), prefix: &prefix };
//!
//! // Upstream moved on by one commit; nobody has written a GitOps branch yet.
//! let seen = Observation {
//!     source: BranchSeen {
//!         upstream: Some(new),
//!         local: Some(old),
//!         staged: Some(old),
//!         relation: Some(Relation::LocalBehind { behind: 1 }),
//!     },
//!     gitops: BranchSeen::default(),
//!     snapshot: None,
//! };
//! let plan = plan_sync(&seen, &lane)?;
//! assert_eq!(plan.source.outcome, RefOutcome::FastForwarded);
//! assert_eq!(plan.gitops.map(|change| change.outcome), Some(RefOutcome::Absent));
//! // The snapshot is there before anyone can see the branch move.
//! assert_eq!(plan.edits[0].name().as_str(), format!("refs/mirror/snapshots/app/main/{new}"));
//! assert_eq!(plan.edits[1].name().as_str(), "refs/heads/main");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod edit;
mod extra;
mod observe;
mod outcome;
mod plan;

pub use edit::{EditRank, RefEdit, in_order};
pub use extra::{ExtraKind, ExtraPlan, ExtraSeen, plan_extra};
pub(crate) use observe::settle;
pub use observe::{BranchSeen, Observation, Relation};
pub use outcome::{RefChange, RefKind, RefOutcome, SnapshotChange, SnapshotOutcome};
pub use plan::{LaneView, SyncPlan, plan_sync};
