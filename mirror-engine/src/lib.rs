//! Runs one operation of the mirror end to end on a local cache.
//!
//! Every operation goes the same road: **lock → observe → plan → act → prove → journal**. What should happen is decided by
//! the pure `mirror-core`; how bytes reach upstream and the disk is known by `mirror-transport`; this crate holds the one
//! loop that performs effects, the lock that keeps operations apart, the journal that remembers them, and the clock.
//!
//! It never prints, never speaks HTTP and never knows Kubernetes.
//!
//! The loop sees the world through the traits in [`ports`], so the same driver runs against an in-memory world in tests and
//! against real disks and sockets in [`local`].
//!
//! # Status, without a runtime
//!
//! A node of a configuration becomes a [`node::LocalNode`], whose paths are whole; [`verbs`] has one function a verb. Each gives a report, and what
//! kept it from acting stands in there.
//!
//! ```
//! use mirror_core::config;
//! use mirror_core::report::{Finding, LaneReport, Reported};
//! use mirror_engine::node::{Base, LocalNode};
//! use mirror_engine::verbs;
//!
//! let text = "
//! apiVersion: git-mirror/v1
//! kind: MirrorConfig
//! repositories:
//!   app: { upstream: git@github.com:octo/app.git }
//! nodes:
//!   here:
//!     cache: ./mirror-cache
//!     githubTransport: { identity: { file: ./id_ed25519 } }
//!     lanes:
//!       main: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: gitops } }
//! ";
//! # let folder = tempfile::tempdir()?;
//! let config = config::parse("git-mirror.yaml", text)?;
//! // Relative paths begin at the folder of the configuration; no environment is read behind the caller's back.
//! let base = Base { folder: folder.path().to_owned(), home: None, agent: None };
//! let node = LocalNode::resolve(&config, &base, "HERE")?;
//! let lanes = node.lanes(&["main"])?;
//!
//! // Nothing was ever synced: no fault, but not as wanted, and the report says what to run.
//! let report = verbs::status(&node, &lanes);
//! assert!(!report.ok() && report.faults().is_empty());
//! assert!(report.lanes[0].findings().contains(&Finding::OutOfSync));
//! assert!(!report.next().is_empty());
//! // A status leaves no trace, not even an empty cache.
//! assert!(!node.caches.exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A confirmed sync
//!
//! What may change, how long to wait for a busy cache, who listens and how to stop it come as [`drive::Terms`].
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use mirror_core::operation::{Mode, WaitForTurn};
//! use mirror_core::report::Reported;
//! use mirror_engine::drive::Terms;
//! use mirror_engine::node::LocalNode;
//! use mirror_engine::stop::Stop;
//! use mirror_engine::verbs;
//! use mirror_engine::watch::Silent;
//!
//! async fn sync_all(node: &LocalNode, stop: &Stop) -> Result<(), Box<dyn std::error::Error>> {
//!     let terms = Terms {
//!         mode: Mode::Confirm,
//!         wait: WaitForTurn::UpTo(Duration::from_secs(15 * 60)),
//!         watch: Arc::new(Silent),
//!         // `stop.request()` from anywhere ends the operation with the truth as far as it is known.
//!         stop: stop.clone(),
//!     };
//!     let report = verbs::sync(node, &node.lanes::<&str>(&[])?, &terms).await;
//!     for lane in &report.lanes {
//!         println!("{}: {}", lane.lane, lane.word());
//!     }
//!     match report.faults().first() {
//!         Some(fault) => Err((*fault).clone().into()),
//!         None => Ok(()),
//!     }
//! }
//! ```

pub mod doctor;
pub mod drive;
pub mod flush;
pub mod history;
pub mod journal;
pub mod local;
pub mod lock;
pub mod maintain;
pub mod node;
pub mod ports;
pub mod resolve;
pub mod road;
pub mod snapshots;
pub mod space;
pub mod status;
pub mod stop;
pub mod sync;
pub mod verbs;
pub mod warm;
pub mod watch;
