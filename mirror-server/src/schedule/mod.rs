//! What a server does by itself: syncs, flushes after pushes, maintenance.
//!
//! One worker for each repository, however many lanes and readers it has: upstream is never asked twice for the same. Every operation goes
//! through the engine's verbs, as if it had been typed: same lock, journal and report. Never changes a repository itself.

mod errands;
mod plan;
mod pulse;
mod pushes;
mod worker;
mod workers;

pub(crate) use pulse::{Doing, Pulses, Stuck};
pub(crate) use pushes::Pushes;
pub(crate) use workers::Workers;
