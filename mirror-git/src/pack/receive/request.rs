//! What a pack is to bring, and where it goes.

use std::path::Path;
use std::sync::Arc;

use mirror_core::name::CommitId;

use super::watch::Watch;

/// What a pack is to bring, and where it goes.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// An existing folder that this pack has to itself.
    pub into: &'a Path,
    /// The objects that the pack must hold, where the store does not.
    pub wants: &'a [CommitId],
    /// Who listens.
    pub watch: Option<&'a Arc<dyn Watch>>,
}
