//! Deltas: an object as copies from its base and new bytes between them.
//!
//! [`apply()`] makes the object that a delta describes, [`encode()`] describes an object by a delta. Never: packs, or which object is the base of which.
//!
//! ```
//! use mirror_git::delta::{apply, encode};
//!
//! let (base, target) = (b"replicas: 2\nimage: a\n".repeat(20), b"replicas: 3\nimage: a\n".repeat(20));
//! let mut delta = Vec::new();
//! assert!(encode(&base, &target, target.len(), &mut delta), "the delta is shorter than the target");
//!
//! let mut made = Vec::new();
//! apply(&base, &delta, 1 << 20, &mut made)?;
//! assert_eq!(made, target);
//! # Ok::<(), mirror_git::delta::DeltaFault>(())
//! ```
//!
//! # Source
//! `gitformat-pack(5)`, "Deltified representation".

mod apply;
mod encode;
mod instruction;

pub use apply::{DeltaFault, apply};
pub use encode::encode;
