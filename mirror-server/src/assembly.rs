//! Puts a server together: what its layers share is made here, and each layer gets what it may touch. Decides nothing.

use std::sync::Arc;

use mirror_engine::space::SpaceGuard;
use mirror_engine::stop::Stop;
use mirror_store::disk::network_file_system;
use mirror_store::git::GitProgram;

use crate::auth::Authority;
use crate::front::Handlers;
use crate::metrics::Metrics;
use crate::observe::Observing;
use crate::plan::ServePlan;
use crate::read::{AllRefs, Packs, Reading};
use crate::repositories::Repositories;
use crate::schedule::{Heartbeats, PushNotifier, Scheduling};
use crate::write::Writing;

/// The layers of a server.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// What requests are answered by.
    pub(crate) handlers: Arc<Handlers>,
    /// What happens without a request.
    pub(crate) scheduling: Scheduling,
    /// Requested when the server begins to end: what is under way is finished, and nothing new begins.
    pub(crate) stop: Stop,
}

impl Assembly {
    /// Makes the layers. Nothing runs yet.
    pub(crate) fn of(plan: &ServePlan, authority: Arc<dyn Authority>, git: GitProgram) -> Self {
        let (caches, serve) = (&plan.node.caches, &plan.serve);
        if let Some(kind) = network_file_system(caches) {
            let caches = caches.display();
            tracing::warn!(%caches, "the caches lie on {kind}: put them on a local disk, whose locks and stamps of files are sure");
        }
        let repositories = Arc::new(Repositories::of(Arc::clone(&plan.node)));
        let names = || repositories.all().iter().map(|repository| &repository.name);
        // A typed sync and this server judge by the same marks; within this process, by the same guard.
        let guard = || Arc::new(SpaceGuard::new(caches.clone(), serve.free_space));
        let space = plan.node.space().cloned().unwrap_or_else(guard);
        let metrics = Arc::new(Metrics::new());
        names().for_each(|name| metrics.serves(name));
        let (heartbeats, pushes, stop) = (Heartbeats::of(names()), PushNotifier::to(names()), Stop::new());
        let refs = Arc::new(AllRefs::of(repositories.all()));
        let packs = Packs::open(git.clone(), serve, caches, Arc::clone(&space), Arc::clone(&metrics));
        let writing =
            Writing::new(Arc::clone(&refs), names(), git, Arc::clone(&space), Arc::clone(&metrics), pushes.clone());
        let observing = Observing::new(
            Arc::clone(&repositories),
            Arc::clone(&metrics),
            heartbeats.clone(),
            Arc::clone(&space),
            stop.clone(),
        );
        let handlers = Handlers {
            repositories: Arc::clone(&repositories),
            reading: Reading::new(refs, packs),
            writing: Arc::new(writing),
            observing,
            authority,
            readers: serve.readers,
            largest_push: serve.limits.body.get(),
            listen: serve.listen,
            metrics: Arc::clone(&metrics),
        };
        let scheduling =
            Scheduling { repositories, schedule: serve.schedule, pushes, heartbeats, metrics, stop: stop.clone() };
        Self { handlers: Arc::new(handlers), scheduling, stop }
    }
}
