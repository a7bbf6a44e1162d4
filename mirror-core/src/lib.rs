//! The decisions of git-mirror: names, configuration, plans, machines and reports, as pure values and functions.
//!
//! It never reads a file, a clock or the environment, opens no socket, starts no thread and is not async: what was observed
//! comes in as a value, what should happen goes out as one.
//!
//! The tree reads in the order of an operation: [`name`]s, the [`config`]uration that declares them, the vocabulary of [`operation`]s, [`snapshot`]s, what a [`sync`] would do about
//! an observation, how a [`flush`] goes on after each answer, the [`status`] that follows from facts, and the [`report`] of it all. An error of any
//! crate says by [`fault::Classified`] whose it is and whether trying again can help.
//!
//! # A plan from an observation
//!
//! ```
//! use mirror_core::config;
//! use mirror_core::name::CommitId;
//! use mirror_core::sync::{self, BranchSeen, LaneView, Observation, RefEdit, RefOutcome, Relation};
//!
//! let text = "
//! apiVersion: git-mirror/v1
//! kind: MirrorConfig
//! repositories:
//!   app: { upstream: git@github.com:octo/app.git }
//! nodes:
//!   here:
//!     cache: ./mirror-cache
//!     githubTransport: { identity: { agent: true } }
//!     lanes:
//!       main: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
//! ";
//! let config = config::parse("git-mirror.yaml", text)?;
//! let lane = config.node("here")?.lane("main")?;
//!
//! // Upstream's source branch went on by one commit; nobody has a GitOps branch yet.
//! let (old, new) = (CommitId::from_bytes([1; 20]), CommitId::from_bytes([2; 20]));
//! let seen = Observation {
//!     source: BranchSeen {
//!         upstream: Some(new),
//!         local: Some(old),
//!         staged: Some(old),
//!         relation: Some(Relation::LocalBehind { behind: 1 }),
//!     },
//!     gitops: BranchSeen { upstream: None, local: None, staged: None, relation: None },
//!     snapshot: None,
//! };
//! let plan = sync::plan_sync(&seen, &LaneView::of(lane, &config.snapshots.prefix))?;
//!
//! assert_eq!(plan.source.outcome, RefOutcome::FastForwarded);
//! assert_eq!(plan.gitops.map(|change| change.outcome), Some(RefOutcome::Absent));
//! // The snapshot is made before anyone can see the branch move, and every edit carries the value it expects.
//! let refs: Vec<_> = plan.edits.iter().map(|edit| edit.name().as_str()).collect();
//! assert_eq!(refs[0], format!("refs/mirror/snapshots/app/main/{new}"));
//! assert_eq!(refs[1..], ["refs/heads/main", "refs/mirror-stage/heads/main"]);
//! assert!(matches!(&plan.edits[1], RefEdit::Update { expected, .. } if *expected == old));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A flush without a network
//!
//! The machine asks for looks and pushes as values. Whoever runs it carries them out and tells it the answers, in any order.
//!
//! ```
//! use std::time::Duration;
//!
//! use mirror_core::flush::{Effect, FlushMachine, FlushOutcome, FlushPlan, FlushPolicy, Input, PushEnding, Tip};
//! use mirror_core::name::{BranchName, CommitId};
//! use mirror_core::sync::Relation;
//!
//! let (base, local) = (CommitId::from_bytes([1; 20]), CommitId::from_bytes([2; 20]));
//! let plan = FlushPlan { branch: BranchName::parse("gitops")?, local };
//! let mut machine = FlushMachine::new(plan, FlushPolicy::default(), 7);
//! let mut upstream = base;
//!
//! let now = Duration::ZERO;
//! machine.handle(now, Input::Start);
//! while let Some(effect) = machine.poll_effect() {
//!     let input = match effect {
//!         Effect::Look { id } => {
//!             let relation = if upstream == local { Relation::Same } else { Relation::LocalAhead { ahead: 1 } };
//!             let observed_at = "2026-01-01T00:00:00Z".parse()?;
//!             Input::Looked { id, seen: Ok(Tip { commit: Some(upstream), relation: Some(relation), observed_at }) }
//!         }
//!         Effect::Push { id, expected, new } => {
//!             assert_eq!(expected, Some(upstream));
//!             upstream = new;
//!             Input::Pushed { id, ending: PushEnding::Accepted }
//!         }
//!         Effect::Recover { .. } => unreachable!("every look of this example succeeds"),
//!     };
//!     machine.handle(now, input);
//! }
//! let verdict = machine.verdict().expect("because the machine has ended");
//! assert_eq!(verdict.outcome, FlushOutcome::Flushed);
//! // It is good only with a proof in hand: an observation that was made after the push.
//! assert!(verdict.ok() && verdict.proof().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod config;
pub mod fault;
pub mod flush;
pub mod name;
pub mod operation;
pub mod report;
pub mod snapshot;
pub mod status;
pub mod sync;
