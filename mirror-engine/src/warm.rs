//! The SSH sessions that a program of long life keeps between operations, one for each repository.
//!
//! A node that was given them hands them to every operation that goes upstream; a node without them opens and closes its own, as a verb
//! on the command line does. Never opens a session by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use mirror_core::name::RepositoryName;
use mirror_transport::upstream::Warm;
pub use mirror_transport::upstream::{Change, Patience};

/// The sessions to the upstreams of some repositories.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: BTreeMap<RepositoryName, Arc<Warm>>,
}

impl Sessions {
    /// Makes an empty place for each repository; `tell` hears what becomes of their sessions, and must not block.
    #[must_use]
    pub fn new(
        repositories: impl IntoIterator<Item = RepositoryName>,
        patience: Patience,
        tell: impl Fn(&RepositoryName, Change) + Send + Sync + 'static,
    ) -> Self {
        let tell = Arc::new(tell);
        let place = |name: RepositoryName| {
            let (tell, of) = (Arc::clone(&tell), name.clone());
            (name, Arc::new(Warm::new(patience, move |change| tell(&of, change))))
        };
        Self { kept: repositories.into_iter().map(place).collect() }
    }

    /// Where the session of a repository is kept.
    #[must_use]
    pub fn of(&self, repository: &RepositoryName) -> Option<&Arc<Warm>> {
        self.kept.get(repository)
    }

    /// Closes those that are kept.
    pub async fn close(&self) {
        for kept in self.kept.values() {
            kept.close().await;
        }
    }
}
