//! Flush: brings the commits of a GitOps branch to upstream by fast-forward, and proves it by looking again.
//!
//! [`FlushMachine`] decides what to do next and never does it: effects come out as values, their answers go in with the time. It
//! opens no connection, reads no clock, and cannot ask for a forced update, because no [`Effect`] has one. What it concludes is a
//! [`FlushVerdict`], which calls a flush good only where it holds a [`Proof`], and a proof is made of nothing but an observation.
//!
//! ```
//! use std::time::Duration;
//! use mirror_core::flush::{Effect, FlushMachine, FlushOutcome, FlushPlan, FlushPolicy, Input, PushEnding, Tip};
//! use mirror_core::name::{BranchName, CommitId};
//! use mirror_core::sync::Relation;
//!
//! let old = CommitId::from_hex("1111111111111111111111111111111111111111")?;
//! let new = CommitId::from_hex("2222222222222222222222222222222222222222")?;
//! let plan = FlushPlan { branch: BranchName::parse("gitops")?, local: new };
//! let mut flush = FlushMachine::new(plan, FlushPolicy::default(), 7);
//!
//! let mut upstream = old; // stands for the real one
//! let mut now = Duration::ZERO;
//! flush.handle(now, Input::Start);
//! while flush.verdict().is_none() {
//!     now += Duration::from_millis(10);
//!     match flush.poll_effect() {
//!         Some(Effect::Look { id }) => {
//!             let relation = if upstream == new { Relation::Same } else { Relation::LocalAhead { ahead: 1 } };
//!             let seen = Tip { commit: Some(upstream), relation: Some(relation), observed_at: "2026-01-01T00:00:00Z".parse()? };
//!             flush.handle(now, Input::Looked { id, seen: Ok(seen) });
//!         }
//!         Some(Effect::Push { id, expected, new }) => {
//!             assert_eq!(expected, Some(upstream));
//!             upstream = new;
//!             flush.handle(now, Input::Pushed { id, ending: PushEnding::Accepted });
//!         }
//!         Some(Effect::Recover { .. }) | None => now = flush.poll_timeout().expect("because it waits for something"),
//!     }
//! }
//! let verdict = flush.verdict().expect("because the loop ended");
//! assert_eq!(verdict.outcome, FlushOutcome::Flushed);
//! assert!(verdict.ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod decision;
mod diagram;
mod effect;
mod fault;
mod machine;
mod policy;
mod record;
mod table;
mod verdict;

pub use backoff::Backoff;
pub use decision::{Decision, decide};
pub use diagram::diagram;
pub use effect::{CallId, Effect, FlushPlan, Input, PushEnding, Recovery, RejectionClass, Tip};
pub use fault::FlushError;
pub use machine::FlushMachine;
pub use policy::FlushPolicy;
pub use table::{Event, Next, Stage, transition};
pub use verdict::{FlushOutcome, FlushVerdict, PartialSuccess, Proof, PushOutcome, PushRecord, Recheck, Rejection};

#[cfg(test)]
mod tests;
