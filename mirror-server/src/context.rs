//! What every request is answered with: the repositories, its settings, and the things that requests share. Holds them; decides nothing.

use std::sync::Arc;

use mirror_core::config::Serve;
use mirror_engine::space::SpaceGuard;
use mirror_engine::stop::Stop;
use mirror_store::git::GitProgram;
use mirror_store::network_file_system;

use crate::auth::Authority;
use crate::metrics::Metrics;
use crate::observe::Reports;
use crate::plan::ServePlan;
use crate::read::Packs;
use crate::repositories::Repositories;
use crate::schedule::{Heartbeats, PushNotifier};
use crate::write::PushSlots;

/// What requests share.
#[derive(Debug)]
pub(crate) struct Context {
    /// What is served.
    pub(crate) repositories: Arc<Repositories>,
    /// How it is served.
    pub(crate) serve: Serve,
    /// What makes packs, and keeps them.
    pub(crate) packs: Packs,
    /// The git that makes and takes packs.
    pub(crate) git: GitProgram,
    /// Who knows callers by what they present.
    pub(crate) authority: Arc<dyn Authority>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The turns of pushes.
    pub(crate) turns: PushSlots,
    /// What those who ask for reports share.
    pub(crate) reports: Reports,
    /// Told of every push that was accepted.
    pub(crate) pushes: PushNotifier,
    /// Whether the workers of the schedule live.
    pub(crate) heartbeats: Heartbeats,
    /// Whether there is room for what would be written.
    pub(crate) space: Arc<SpaceGuard>,
    /// Uttered when the server begins to end: what is under way is finished, and nothing new begins.
    pub(crate) stop: Stop,
}

impl Context {
    /// Opens what requests share.
    pub(crate) fn open(plan: &ServePlan, authority: Arc<dyn Authority>, git: GitProgram) -> Self {
        let repositories = Arc::new(Repositories::of(Arc::clone(&plan.node)));
        let guard = || Arc::new(SpaceGuard::new(plan.node.caches.clone(), plan.serve.free_space));
        // A typed sync and this server judge by the same marks; within this process, by the same guard.
        let space = plan.node.space().cloned().unwrap_or_else(guard);
        let metrics = Arc::new(Metrics::new());
        let names = || repositories.served().iter().map(|served| &served.name);
        names().for_each(|name| metrics.serves(name));
        if let Some(kind) = network_file_system(&plan.node.caches) {
            let caches = plan.node.caches.display();
            tracing::warn!(%caches, "the caches lie on {kind}: put them on a local disk, whose locks and stamps of files are sure");
        }
        Self {
            packs: Packs::open(git.clone(), &plan.serve, &plan.node.caches, Arc::clone(&space), Arc::clone(&metrics)),
            git,
            authority,
            turns: PushSlots::default(),
            serve: plan.serve.clone(),
            pushes: PushNotifier::to(names(), Arc::clone(&metrics)),
            metrics,
            heartbeats: Heartbeats::of(names()),
            reports: Reports::default(),
            space,
            stop: Stop::new(),
            repositories,
        }
    }
}
