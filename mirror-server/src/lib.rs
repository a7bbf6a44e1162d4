//! The mirror as a Git server: builds read snapshots from it, promotions push to it.
//!
//! Owns smart HTTP for readers and GitOps writers, the pack cache, authentication, the schedule of syncs, flushes and
//! maintenance, and what is shown of all that: metrics, health, API and status page. Never has git semantics of its own: what an
//! operation means is the engine's, what a repository is the transport's. Never prints.
//!
//! The tree reads along a request: `front` takes it in and checks who asks, `read`, `write` or `observe` answers, `http` carries the bytes, and
//! `metrics` counts. What happens without a request is in `schedule`.

mod assembly;
mod auth;
mod front;
mod http;
mod metrics;
mod observe;
mod plan;
mod read;
mod repositories;
mod schedule;
mod server;
#[cfg(test)]
mod testing;
pub mod tokens;
mod write;

pub use front::CertificatesError;
pub use metrics::reference as metrics_reference;
pub use plan::ServePlan;
pub use server::{ServeError, Server};
