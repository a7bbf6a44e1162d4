//! Deltas: an object as copies from its base and new bytes between them.
//!
//! [`apply`] makes the object that a delta describes, [`encode`] describes an object by a delta. Never: packs, or which object is the base of which.
//!
//! # Source
//! `gitformat-pack(5)`, "Deltified representation".

mod apply;
mod encode;

pub(crate) use apply::{DeltaFault, apply};
pub use encode::encode;
