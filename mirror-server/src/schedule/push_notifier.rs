//! Notifies the worker of a repository of accepted pushes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use mirror_core::name::{LaneName, RepositoryName};
use tokio::sync::Notify;

/// Notifies workers of accepted pushes. Never waits, never fails, and loses none: what a worker has not taken yet is collected by lane.
#[derive(Debug, Clone)]
pub(crate) struct PushNotifier {
    inboxes: Arc<BTreeMap<RepositoryName, Inbox>>,
}

/// The lanes of one repository that were pushed to.
#[derive(Debug, Default)]
struct Inbox {
    lanes: Mutex<BTreeSet<LaneName>>,
    news: Notify,
}

impl PushNotifier {
    /// Makes an inbox for each repository.
    pub(crate) fn to<'a>(repositories: impl IntoIterator<Item = &'a RepositoryName>) -> Self {
        let inboxes = repositories.into_iter().map(|name| (name.clone(), Inbox::default())).collect();
        Self { inboxes: Arc::new(inboxes) }
    }

    /// A push was accepted on the GitOps branch of these lanes.
    pub(crate) fn accepted(&self, repository: &RepositoryName, lanes: &[LaneName]) {
        let Some(inbox) = self.inboxes.get(repository) else { return };
        inbox.lanes().extend(lanes.iter().cloned());
        inbox.news.notify_one();
    }

    /// Takes the lanes that were pushed to since the last time.
    pub(super) fn take(&self, repository: &RepositoryName) -> BTreeSet<LaneName> {
        self.inboxes.get(repository).map(|inbox| std::mem::take(&mut *inbox.lanes())).unwrap_or_default()
    }

    /// Waits until there is something to take; for ever where there never is.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken.
    pub(super) async fn arrived(&self, repository: &RepositoryName) {
        let Some(inbox) = self.inboxes.get(repository) else { return std::future::pending().await };
        loop {
            let news = inbox.news.notified();
            if !inbox.lanes().is_empty() {
                return;
            }
            news.await;
        }
    }
}

impl Inbox {
    fn lanes(&self) -> std::sync::MutexGuard<'_, BTreeSet<LaneName>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_push_is_heard_once_whenever_it_comes() {
        let app = RepositoryName::parse("app").expect("a name");
        let lane = |name: &str| LaneName::parse(name).expect("a name");
        let pushes = PushNotifier::to([&app]);
        pushes.accepted(&app, &[lane("a"), lane("b")]);
        pushes.accepted(&app, &[lane("a")]);
        pushes.arrived(&app).await;
        assert_eq!(pushes.take(&app), BTreeSet::from([lane("a"), lane("b")]));
        assert!(pushes.take(&app).is_empty());

        // One that comes while the worker waits wakes it up.
        let (heard, ()) = tokio::join!(
            async {
                pushes.arrived(&app).await;
                pushes.take(&app)
            },
            async { pushes.accepted(&app, &[lane("b")]) }
        );
        assert_eq!(heard, BTreeSet::from([lane("b")]));
        // Of a repository that is not served, nothing is collected.
        pushes.accepted(&RepositoryName::parse("other").expect("a name"), &[lane("a")]);
        assert!(pushes.take(&app).is_empty());
    }
}
