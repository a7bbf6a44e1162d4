//! What a server does by itself: syncs, flushes after pushes, maintenance.
//!
//! Every operation goes through the engine's verbs, as if it had been typed. Never changes a repository itself.

mod plan;
mod pushes;

pub(crate) use pushes::Pushes;
