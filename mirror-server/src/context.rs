//! What every request is answered with: the site, its settings, and the things that requests share. Holds them; decides nothing.

use std::sync::Arc;

use mirror_core::config::Serve;
use mirror_engine::space::SpaceGuard;
use mirror_engine::stop::Stop;
use mirror_transport::git::GitProgram;

use crate::observe::Metrics;
use crate::read::Packs;
use crate::schedule::Pushes;
use crate::server::ServePlan;
use crate::site::Site;
use crate::write::Authority;

/// What requests share.
#[derive(Debug)]
pub(crate) struct Context {
    /// What is served.
    pub(crate) site: Arc<Site>,
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
    /// Told of every push that was accepted.
    pub(crate) pushes: Pushes,
    /// Whether there is room for what would be written.
    pub(crate) space: Arc<SpaceGuard>,
    /// Uttered when the server begins to end: what is under way is finished, and nothing new begins.
    pub(crate) stop: Stop,
}

impl Context {
    /// Opens what requests share.
    pub(crate) fn open(plan: &ServePlan, authority: Arc<dyn Authority>, git: GitProgram) -> Self {
        let site = Arc::new(Site::of(Arc::clone(&plan.node)));
        let guard = || Arc::new(SpaceGuard::new(plan.node.caches.clone(), plan.serve.free_space));
        let metrics = Arc::new(Metrics::new());
        Self {
            packs: Packs::open(git.clone(), &plan.serve, &plan.node.caches, Arc::clone(&metrics)),
            git,
            authority,
            serve: plan.serve.clone(),
            metrics,
            pushes: Pushes::to(site.served().iter().map(|served| &served.name)),
            // A typed sync and this server judge by the same marks; within this process, by the same guard.
            space: plan.node.space().cloned().unwrap_or_else(guard),
            stop: Stop::new(),
            site,
        }
    }
}
