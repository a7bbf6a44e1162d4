//! What every request is answered with: the site, its settings, and the things that requests share. Holds them; decides nothing.

use std::sync::Arc;

use mirror_core::config::Serve;

use crate::site::Site;

/// What requests share.
#[derive(Debug)]
pub(crate) struct Context {
    /// What is served.
    pub(crate) site: Arc<Site>,
    /// How it is served.
    pub(crate) serve: Serve,
}
