//! What is observed of a server: everything that health, API, page and metrics read. Holds it; changes nothing but counts.

use std::sync::Arc;

use mirror_engine::space::SpaceGuard;
use mirror_engine::stop::Stop;

use super::api::Reports;
use crate::metrics::Metrics;
use crate::repositories::Repositories;
use crate::schedule::Heartbeats;

/// What answers questions about the server itself.
#[derive(Debug)]
pub(crate) struct Observing {
    /// What is served.
    pub(super) repositories: Arc<Repositories>,
    /// What was counted.
    pub(super) metrics: Arc<Metrics>,
    /// Whether the workers of the schedule live.
    pub(super) heartbeats: Heartbeats,
    /// How much disk is free.
    pub(super) space: Arc<SpaceGuard>,
    /// Whether the server is ending.
    pub(super) stop: Stop,
    /// What the requests of the API share.
    pub(super) reports: Reports,
}

impl Observing {
    /// Observes these parts of a server.
    pub(crate) fn new(
        repositories: Arc<Repositories>,
        metrics: Arc<Metrics>,
        heartbeats: Heartbeats,
        space: Arc<SpaceGuard>,
        stop: Stop,
    ) -> Self {
        Self { repositories, metrics, heartbeats, space, stop, reports: Reports::default() }
    }
}
