//! The signs of life of workers. A worker says by when it will be heard of again; who is silent for longer is stuck.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::RepositoryName;
use mirror_core::operation::Verb;
use tokio::time::Instant;

/// The signs of life of all workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heartbeats {
    workers: Arc<BTreeMap<RepositoryName, Heartbeat>>,
}

/// The signs of life of one worker.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat(Mutex<Option<Beat>>);

/// One sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    /// What the worker does.
    pub(crate) doing: Activity,
    /// When it said so.
    pub(crate) at: Timestamp,
    /// By when it will say something again.
    due: Instant,
}

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It reads what was before it.
    Beginning,
    /// It waits for its next turn.
    Waiting,
    /// It runs an operation.
    Running(Verb),
    /// The server is ending, and it has ended.
    Ended,
}

/// A worker that was silent for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stuck {
    /// Of which repository.
    pub(crate) repository: RepositoryName,
    /// What it did when it was last heard of.
    pub(crate) doing: Activity,
    /// When that was.
    pub(crate) since: Timestamp,
}

impl Heartbeats {
    /// Makes a heartbeat for the worker of each repository.
    pub(crate) fn of<'a>(repositories: impl IntoIterator<Item = &'a RepositoryName>) -> Self {
        let workers = repositories.into_iter().map(|name| (name.clone(), Heartbeat::default())).collect();
        Self { workers: Arc::new(workers) }
    }

    /// The workers that are stuck now. One that has not begun yet is not.
    pub(crate) fn stuck(&self) -> Vec<Stuck> {
        let now = Instant::now();
        let stuck = self.all().filter(|(_, beat)| beat.doing != Activity::Ended && beat.due < now);
        stuck.map(|(name, beat)| Stuck { repository: name.clone(), doing: beat.doing, since: beat.at }).collect()
    }

    /// The last sign of life of each worker that has begun.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&RepositoryName, Beat)> {
        self.workers.iter().filter_map(|(name, heartbeat)| Some((name, heartbeat.last()?)))
    }

    /// A worker of this repository is alive, and will be heard of again within so long.
    pub(crate) fn beat(&self, repository: &RepositoryName, doing: Activity, again_within: Duration) {
        if let Some(heartbeat) = self.workers.get(repository) {
            let beat = Beat { doing, at: Timestamp::now(), due: Instant::now() + again_within };
            *heartbeat.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(beat);
        }
    }
}

impl Heartbeat {
    fn last(&self) -> Option<Beat> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beginning => f.write_str("reading what was before"),
            Self::Waiting => f.write_str("waiting for its next turn"),
            Self::Running(verb) => write!(f, "running a {verb}"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_for_longer_than_it_said_is_stuck() {
        let app = RepositoryName::parse("app").expect("a name");
        let heartbeats = Heartbeats::of([&app]);
        assert_eq!(heartbeats.stuck(), [], "one that has not begun");
        heartbeats.beat(&app, Activity::Running(Verb::Sync), Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(heartbeats.stuck(), []);
        tokio::time::advance(Duration::from_secs(2)).await;
        let stuck = heartbeats.stuck();
        assert_eq!(stuck.len(), 1);
        assert_eq!((&stuck[0].repository, stuck[0].doing), (&app, Activity::Running(Verb::Sync)));
        heartbeats.beat(&app, Activity::Waiting, Duration::from_secs(60));
        assert_eq!(heartbeats.stuck(), [], "it was heard of again");
        heartbeats.beat(&app, Activity::Ended, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(heartbeats.stuck(), [], "one that ended with the server");
    }
}
