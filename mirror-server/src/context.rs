//! What every request is answered with: the site, its settings, and the things that requests share. Holds them; decides nothing.

use std::sync::Arc;

use mirror_core::config::Serve;
use mirror_engine::stop::Stop;

use crate::server::ServePlan;
use crate::site::Site;

/// What requests share.
#[derive(Debug)]
pub(crate) struct Context {
    /// What is served.
    pub(crate) site: Arc<Site>,
    /// How it is served.
    pub(crate) serve: Serve,
    /// Uttered when the server begins to end: what is under way is finished, and nothing new begins.
    pub(crate) stop: Stop,
}

impl Context {
    /// Opens what requests share.
    pub(crate) fn open(plan: &ServePlan) -> Self {
        Self { site: Arc::new(Site::of(Arc::clone(&plan.node))), serve: plan.serve.clone(), stop: Stop::new() }
    }
}
