//! Upkeep: what keeps a cache quick and small while it grows, and never costs it an object that anybody needs.
//!
//! The tree reads in the order of the steps of [`UpkeepTask`](mirror_core::report::maintain::UpkeepTask). A survey tells
//! what is there; each step selects its work from it, which is all that a dry run does ([`Cache::plan_upkeep`](super::Cache::plan_upkeep)),
//! and [`Operation::maintain`](super::Operation::maintain) carries it out.
//!
//! Invariants:
//! - *Making comes before removing, and they are runs apart.* A roll-up only adds a pack, and notes which packs it replaces. Those are
//!   removed by a later run, when the readers that opened them are gone, and only after each of their objects was found in another pack.
//!   A note is never proof: without it, nothing but time is lost.
//! - *What nobody reaches is set apart first and dropped weeks later*, in a window in which nobody adds objects ([`Adding`](super::Adding)), and
//!   only after all that the refs reach then was found without it.
//! - *Packs that arrive meanwhile, and packs with a `.keep`, are not touched.*
//! - *A kill at any moment leaves a store that works*: new packs are made in the operation's quarantine, and git gets no chance to leave a
//!   lock or a half file in the store.
//!
//! It never moves a ref, never decides which snapshots stay, and never takes `op.lock`.

mod count;
mod cover;
mod error;
mod garbage;
mod geometry;
mod graph;
mod loose;
mod notes;
mod packer;
mod packs;
mod reach;
mod refs;
mod roll;
mod rules;
mod run;
mod superseded;
mod survey;
mod unreachable;

pub use count::PackCount;
pub use error::UpkeepError;
pub use rules::{Halt, LONGEST_READ, Pace, UpkeepRules, UpkeepTools};
pub use run::Upkept;
