//! The cache: a bare repository on disk that mirrors one upstream, in a form that git accepts as its own.
//!
//! The tree reads in the order of an operation. [`Cache::open`] or [`Cache::create`]; [`Cache::recover`] for what a dead operation left;
//! [`Cache::begin`] for an [`Operation`] of one's own; a received pack waits in [`Operation::quarantine`], is proved whole by
//! [`Operation::verify_received`] and becomes visible by [`Operation::install`]; [`Cache::find`] and [`Cache::relation`] are the facts a plan
//! is made of; [`Operation::apply`] carries its edits out. Readers are shown a [`Cache::view`], and what is too much for one by [`Cache::below`].
//!
//! Invariants, on which the parts rely:
//! - *The store is closed*: an object is in it only when all that it refers to is.
//! - *A snapshot is there before anyone can see its branch move*, also after a power cut.
//! - *What an operation has not finished is told apart from everybody else's* by hard links to files in its own folder; nothing needs to be
//!   removed by hand after a crash.
//!
//! It never decides what a ref should be, never runs `git`, never deletes a ref that retention did not plan to drop, and never takes the
//! lock that makes operations wait for each other: that is the engine's. All of it blocks; an async caller gives it a thread.
//!
//! [`git`] runs the `git` program, for what is git's to do: serving packs and checking received ones.
//!
//! # A cache and its refs
//!
//! A [`Cache`] is a bare repository that git accepts. One ref costs the same however many snapshots there are.
//!
//! ```
//! use mirror_core::name::{BranchName, CommitId};
//! use mirror_store::{Cache, OpenError};
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("app.git");
//! assert!(matches!(Cache::open(&path), Err(OpenError::Missing { .. })));
//!
//! let main = BranchName::parse("main")?;
//! let cache = Cache::create(&path, &main)?;
//! assert_eq!(cache.head()?, Some(main.clone()));
//! assert_eq!(cache.find(&main.ref_name())?, None);
//! assert!(!cache.has_commit(CommitId::from_bytes([1; 20]))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ancestry;
mod connectivity;
mod create;
pub mod disk;
mod edit;
mod fault;
pub mod git;
mod handle;
mod install;
mod layout;
mod locks;
mod maintenance;
mod objects;
mod observed;
mod open;
mod operation;
mod packed;
mod packing;
mod receive;
mod recover;
mod refs;
mod snapshots;
mod view;
mod window;

pub use ancestry::AncestryError;
pub use connectivity::{ClosedPack, ClosureError, Tip};
pub use disk::DiskError;
pub use edit::{ApplyError, Edited};
pub use handle::ObjectHandle;
pub use locks::LockError;
pub use maintenance::{Halt, LONGEST_READ, Pace, PackCount, UpkeepError, UpkeepRules, UpkeepTools, Upkept};
pub use objects::ObjectError;
pub use observed::{Observed, ObservedError, ObservedRef};
pub use open::{Cache, OpenError};
pub use operation::Operation;
pub use packing::PACK_ABOVE;
pub use receive::{Quarantined, Receiving};
pub use recover::Recovered;
pub use refs::RefError;
pub use snapshots::{SnapshotFound, Snapshots};
pub use view::{Below, SeenRef, View};

pub use window::Adding;
