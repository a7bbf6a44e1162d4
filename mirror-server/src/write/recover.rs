//! What a server does before it answers anybody: take back what a killed one left.

use std::error::Error;
use std::sync::Arc;

use mirror_store::OpenError;

use super::take::blocking;
use crate::repositories::{Repositories, ServedRepository};

/// Removes from every cache what dead operations left: quarantines, locks of refs. Living ones are not touched, so nobody is waited for.
///
/// What cannot be removed is told to the log and stands in nobody's way but its own branch's, and not in that of the other folders; the
/// next push or operation tries again.
pub(crate) async fn recover(repositories: &Repositories) {
    for served in repositories.all() {
        let served = Arc::clone(served);
        blocking(move || recover_one(&served)).await;
    }
}

fn recover_one(served: &ServedRepository) {
    let cache = match served.cache() {
        Ok(cache) => cache,
        Err(OpenError::Missing { .. }) => return,
        Err(error) => {
            tracing::error!(repository = %served.name, error = &error as &dyn Error, "the cache cannot be opened");
            return;
        }
    };
    match cache.recover() {
        Ok(recovered) if recovered.operations.is_empty() => {}
        Ok(recovered) => tracing::warn!(
            repository = %served.name,
            operations = ?recovered.operations,
            locks = ?recovered.locks,
            packs = ?recovered.packs,
            "took back what dead operations had left"
        ),
        Err(error) => {
            tracing::error!(repository = %served.name, error = &error as &dyn Error, "what dead operations left cannot be looked for");
        }
    }
}
