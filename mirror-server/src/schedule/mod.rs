//! What a server does by itself: syncs, flushes after pushes, maintenance.
//!
//! One worker for each repository, however many lanes and readers it has: upstream is never asked twice for the same. Every operation goes
//! through the engine's verbs, as if it had been typed: same lock, journal and report. Never changes a repository itself.

mod heartbeat;
mod job_runner;
mod plan;
mod push_notifier;
mod worker;
mod workers;

pub(crate) use heartbeat::{Activity, Heartbeats, Stuck};
pub(crate) use push_notifier::PushNotifier;
pub(crate) use workers::{Scheduling, Workers};
