//! The pack of a push: exactly what upstream lacks, as thin deltas, streamed.
//!
//! [`PackPlan`] decides which objects go (the commits that no boundary reaches, then their trees and blobs path by path) and against which
//! base each may be a delta; [`PackPlan::write`] encodes them one at a time. Both cost what is new, not what the history has.
//!
//! Never: knowing of refs, reports or the wire; writing to the store.
//!
//! # Source
//!
//! `gitformat-pack(5)`.

mod error;
mod history;
mod ids;
mod list;
mod paths;
mod plan;
mod write;

pub use error::PackError;
pub use plan::{Objects, PackPlan};
pub use write::{DeltaForm, PackFigures};

#[cfg(test)]
mod tests;
