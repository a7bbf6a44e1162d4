//! Status: the state of a lane, derived from what is in its cache and what was last observed upstream.
//!
//! It never looks at upstream: what it says of GitHub's side is what the mirror remembers, with its age (R14), and it claims
//! agreement with upstream only where an observation covers it (I4).

mod derive;
mod facts;

pub use derive::derive;
pub use facts::{BranchFacts, LaneFacts, ObservedTip, Origin};

#[cfg(test)]
mod tests;
