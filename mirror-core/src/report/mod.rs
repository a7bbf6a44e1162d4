//! Reports: what a verb tells, as typed values of a published, versioned schema.
//!
//! One file a verb. Text output is made from the same values, so a person and a program are told the same. A report never decides
//! anything new: whether it is good, which exit code it has and which commands come next follow from what its lanes hold.

mod holder;
mod instant;

pub use holder::Holder;
pub use instant::Instant;
