//! All workers of a server: how they begin, and how they end with it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::config::{FlushOnPush, Schedule};
use mirror_core::name::{LaneName, RepositoryName};
use mirror_core::operation::{RecordedVerb, Verb};
use mirror_engine::journal::Journal;
use mirror_engine::node::LocalNode;
use mirror_engine::stop::Stop;
use mirror_engine::verbs;
use mirror_engine::warm::{Change, Patience, Sessions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::heartbeat::{Activity, Heartbeats};
use super::job_runner::{EngineRunner, lanes_of};
use super::plan::Plan;
use super::push_notifier::PushNotifier;
use super::worker::Worker;
use crate::metrics::Metrics;
use crate::metrics::label::SessionEvent;
use crate::repositories::Repositories;

/// How long a worker may read the journal and the refs before it begins.
const READING: Duration = Duration::from_secs(5 * 60);

/// What happens without a request, and what it touches.
#[derive(Debug)]
pub(crate) struct Scheduling {
    /// The repositories, each with a worker of its own.
    pub(crate) repositories: Arc<Repositories>,
    /// When operations are due.
    pub(crate) schedule: Schedule,
    /// Notifies workers of accepted pushes.
    pub(crate) pushes: PushNotifier,
    /// Where workers show that they live.
    pub(crate) heartbeats: Heartbeats,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The server's: requested when it begins to end.
    pub(crate) stop: Stop,
}

/// The workers of a server, one for each repository.
#[derive(Debug)]
pub(crate) struct Workers {
    working: TaskTracker,
    sessions: Arc<Sessions>,
    /// Ends those that tend sessions.
    tending: CancellationToken,
}

impl Workers {
    /// Begins to work, until the server's stop is requested.
    pub(crate) fn start(scheduling: &Scheduling) -> Self {
        let names: Vec<_> = scheduling.repositories.all().iter().map(|served| served.name.clone()).collect();
        let sessions = Arc::new(Sessions::new(names.clone(), Patience::default(), count_sessions(&scheduling.metrics)));
        let node = Arc::new(LocalNode::clone(&scheduling.repositories.node).keeping(Arc::clone(&sessions)));
        let workers = Self { working: TaskTracker::new(), sessions, tending: CancellationToken::new() };
        for name in names {
            workers.begin(scheduling, &node, name);
        }
        workers.working.close();
        workers
    }

    fn begin(&self, scheduling: &Scheduling, node: &Arc<LocalNode>, name: RepositoryName) {
        let schedule = scheduling.schedule;
        let seed = RandomState::new().hash_one(&name);
        let (node, pushes, heartbeats) = (Arc::clone(node), scheduling.pushes.clone(), scheduling.heartbeats.clone());
        let (metrics, stop) = (Arc::clone(&scheduling.metrics), scheduling.stop.clone());
        if let Some(pool) = self.sessions.of(&name).cloned() {
            let tending = self.tending.clone();
            self.working.spawn(async move { tending.run_until_cancelled(pool.tend()).await });
        }
        self.working.spawn(async move {
            let (from, of) = (Arc::clone(&node), name.clone());
            let read = tokio::task::spawn_blocking(move || (maintained(&from, &of), waiting(&from, &of)));
            let (maintained, waiting) = read_with_heartbeat(&heartbeats, &name, read).await.unwrap_or_default();
            let mut plan = Plan::new(schedule, maintained, seed);
            if schedule.flush_on_push == FlushOnPush::Yes {
                plan.pushed(Duration::ZERO, waiting);
            }
            let runner = EngineRunner::new(node, name.clone());
            Worker { repository: name, plan, runner, pushes, heartbeats, metrics, stop }.run().await;
        });
    }

    /// Waits until all have ended, which they do soon after the server's stop; then closes the sessions to upstream.
    pub(crate) async fn ended(self) {
        self.tending.cancel();
        self.working.wait().await;
        self.sessions.close().await;
    }
}

/// Waits for what a worker reads first. A disk that does not answer then makes it a stuck one, and not one that was never heard of.
async fn read_with_heartbeat<T>(
    heartbeats: &Heartbeats,
    repository: &RepositoryName,
    read: impl Future<Output = T>,
) -> T {
    heartbeats.beat(repository, Activity::Beginning, READING);
    read.await
}

/// How long ago the last maintenance of a repository was, whatever started it.
fn maintained(node: &LocalNode, repository: &RepositoryName) -> Option<Duration> {
    let journal = Journal::at(node.cache(repository).join("git-mirror/journal"));
    let last = journal.last().ok()?;
    let at =
        last.values().filter_map(|verbs| verbs.get(&RecordedVerb::Known(Verb::Maintain))).map(|last| last.at).max()?;
    Duration::try_from(Timestamp::now().duration_since(at)).ok()
}

/// The lanes with commits that an earlier server accepted and that were not flushed.
fn waiting(node: &LocalNode, repository: &RepositoryName) -> BTreeSet<LaneName> {
    let report = verbs::status(node, &lanes_of(node, repository));
    let waiting = report.lanes.into_iter().filter(|lane| lane.state.pending_flush && !lane.state.diverged);
    waiting.map(|lane| lane.lane).collect()
}

fn count_sessions(metrics: &Arc<Metrics>) -> impl Fn(&RepositoryName, Change) + Send + Sync + 'static {
    let metrics = Arc::clone(metrics);
    move |repository, change| {
        let event = match change {
            Change::Opened => SessionEvent::Opened,
            Change::Reused => SessionEvent::Reused,
            Change::Lost => SessionEvent::Lost,
            Change::Closed => SessionEvent::Closed,
        };
        metrics.session(repository, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_first_read_never_ends_is_stuck() {
        let app = RepositoryName::parse("app").expect("a name");
        let heartbeats = Heartbeats::of([&app]);
        let read = read_with_heartbeat(&heartbeats, &app, std::future::pending::<()>());
        assert!(tokio::time::timeout(READING, read).await.is_err());
        assert_eq!(heartbeats.stuck(), [], "it may be slow");
        tokio::time::advance(Duration::from_secs(1)).await;
        let stuck = heartbeats.stuck();
        assert_eq!(stuck.iter().map(|stuck| stuck.doing).collect::<Vec<_>>(), [Activity::Beginning]);
    }
}
