//! What every request is answered with: the site, its settings, and the things that requests share. Holds them; decides nothing.

use std::sync::Arc;

use mirror_core::config::Serve;
use mirror_engine::stop::Stop;

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
    /// Who knows callers by what they present.
    pub(crate) authority: Arc<dyn Authority>,
    /// Uttered when the server begins to end: what is under way is finished, and nothing new begins.
    pub(crate) stop: Stop,
}

impl Context {
    /// Opens what requests share.
    pub(crate) fn open(plan: &ServePlan, authority: Arc<dyn Authority>) -> Self {
        Self { authority, site: Arc::new(Site::of(Arc::clone(&plan.node))), serve: plan.serve.clone(), stop: Stop::new() }
    }
}
