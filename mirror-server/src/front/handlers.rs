//! What requests are answered by: one value for all connections of a server. Holds it; decides nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use mirror_core::config::Readers;

use crate::auth::Authority;
use crate::metrics::Metrics;
use crate::observe::Observing;
use crate::read::Reading;
use crate::repositories::Repositories;
use crate::write::Writing;

/// What requests are answered by.
#[derive(Debug)]
pub(crate) struct Handlers {
    /// What is served.
    pub(crate) repositories: Arc<Repositories>,
    /// Answers readers.
    pub(crate) reading: Reading,
    /// Answers writers.
    pub(crate) writing: Arc<Writing>,
    /// Answers questions about the server itself.
    pub(crate) observing: Observing,
    /// Knows callers by the credentials that they present.
    pub(crate) authority: Arc<dyn Authority>,
    /// Who may read.
    pub(crate) readers: Readers,
    /// The most bytes of one push.
    pub(crate) largest_push: u64,
    /// The address of the configuration, for links where a client does not name the server.
    pub(crate) listen: SocketAddr,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}
