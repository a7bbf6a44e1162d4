//! What the pushes of a server share. Holds it; decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use mirror_core::name::RepositoryName;
use mirror_engine::space::SpaceGuard;
use mirror_store::git::GitProgram;

use super::receive::PushSlots;
use super::record::Refusals;
use crate::metrics::Metrics;
use crate::read::AllRefs;
use crate::schedule::PushNotifier;

/// What answers writers.
#[derive(Debug)]
pub(crate) struct Writing {
    /// The refs that clients are shown before they push.
    pub(super) refs: Arc<AllRefs>,
    /// The git that checks packs.
    pub(super) git: GitProgram,
    /// How many pushes are received at the same time.
    pub(super) slots: PushSlots,
    /// Whether enough disk is free for a push.
    pub(super) space: Arc<SpaceGuard>,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// Notified of every push that was accepted.
    pub(super) pushes: PushNotifier,
    refusals: BTreeMap<RepositoryName, Refusals>,
}

impl Writing {
    /// Takes what pushes to these repositories share.
    pub(crate) fn new<'a>(
        refs: Arc<AllRefs>,
        repositories: impl IntoIterator<Item = &'a RepositoryName>,
        git: GitProgram,
        space: Arc<SpaceGuard>,
        metrics: Arc<Metrics>,
        pushes: PushNotifier,
    ) -> Self {
        let refusals = repositories.into_iter().map(|name| (name.clone(), Refusals::default())).collect();
        Self { refs, git, slots: PushSlots::default(), space, metrics, pushes, refusals }
    }

    /// Whether one more refused push of a repository goes to its journal.
    pub(super) fn records_refusal(&self, repository: &RepositoryName) -> bool {
        self.refusals.get(repository).is_some_and(|refusals| refusals.admit(repository))
    }
}
