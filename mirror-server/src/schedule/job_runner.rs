//! Carries out jobs by the engine's verbs, on a thread of their own: what an operation does on the disk must not hold up requests.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::config::Lane;
use mirror_core::name::RepositoryName;
use mirror_core::operation::{Mode, WaitForTurn};
use mirror_core::report::{ExitCode, LaneReport, Report, Reported};
use mirror_engine::drive::Terms;
use mirror_engine::node::LocalNode;
use mirror_engine::stop::Stop;
use mirror_engine::verbs;
use mirror_engine::watch::{Event, Watch};
use mirror_store::{Cache, OpenError, PackCount};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::plan::Job;
use super::worker::{Ended, JobRunner};
use crate::metrics::label::Ending;

/// How long a job waits for an operation from the command line. A job that waited in vain is due again soon.
const TURN: Duration = Duration::from_secs(60);
/// What the work on the disk may take on top of the connection's own deadline.
const DISK: Duration = Duration::from_secs(10 * 60);
/// How long a maintenance may take.
const MAINTENANCE: Duration = Duration::from_secs(2 * 60 * 60);

/// The jobs of one repository.
#[derive(Debug, Clone)]
pub(super) struct EngineRunner {
    node: Arc<LocalNode>,
    repository: RepositoryName,
    /// Held while packs are counted: where the disk does not answer, no other count waits for it.
    counting: Arc<Mutex<()>>,
    /// Shared with the copies of this that carry something out, each for as long as that takes.
    running: Arc<()>,
}

impl EngineRunner {
    pub(super) fn new(node: Arc<LocalNode>, repository: RepositoryName) -> Self {
        Self { node, repository, counting: Arc::default(), running: Arc::default() }
    }

    async fn carry_out(&self, job: &Job, stop: &Stop) -> Ended {
        let terms = Terms {
            mode: Mode::Confirm,
            wait: WaitForTurn::UpTo(TURN),
            watch: Arc::new(LogProgress(self.repository.clone())),
            stop: stop.clone(),
        };
        let all = lanes_of(&self.node, &self.repository);
        match job {
            Job::Sync => judge(&verbs::sync(&self.node, &all, &terms).await),
            Job::Flush(lanes) => {
                let lanes: Vec<&Lane> = all.into_iter().filter(|lane| lanes.contains(&lane.name)).collect();
                judge(&verbs::flush(&self.node, &lanes, &terms).await)
            }
            Job::Maintain => judge(&verbs::maintain(&self.node, &all, &terms).await),
        }
    }
}

impl JobRunner for EngineRunner {
    async fn run(&self, job: &Job, stop: &Stop) -> Ended {
        let given_up = CancellationToken::new();
        let _giving_up = given_up.clone().drop_guard();
        let (runner, wanted, stop) = (self.clone(), job.clone(), stop.clone());
        let threads = Handle::current();
        let run = tokio::task::spawn_blocking(move || {
            threads.block_on(async {
                tokio::select! {
                    biased;
                    ended = runner.carry_out(&wanted, &stop) => Some(ended),
                    () = given_up.cancelled() => None,
                }
            })
        });
        match run.await {
            Ok(Some(ended)) => ended,
            Ok(None) => unreachable!("the future of a job that was given up is dropped"),
            Err(error) => {
                tracing::error!(repository = %self.repository, %error, "an operation of the schedule broke off; please report this");
                let failed_lanes = if let Job::Flush(lanes) = job { lanes.clone() } else { BTreeSet::new() };
                Ended { ending: Ending::Failed, failed_lanes }
            }
        }
    }

    fn is_still_running(&self) -> bool {
        // Asked between operations only.
        Arc::strong_count(&self.running) > 1
    }

    async fn packs(&self) -> Option<PackCount> {
        let (place, counting) = (self.node.cache(&self.repository), Arc::clone(&self.counting));
        let count = move || {
            let _alone = counting.try_lock().ok()?;
            let cache = match Cache::open(&place) {
                // The first sync makes it.
                Err(OpenError::Missing { .. }) => return None,
                opened => opened.map_err(|error| tracing::debug!(%error, "the packs cannot be counted")).ok()?,
            };
            let packs = cache.count_packs(Timestamp::now());
            packs.map_err(|error| tracing::debug!(%error, "the packs cannot be counted")).ok()
        };
        tokio::task::spawn_blocking(count).await.ok().flatten()
    }

    fn allowed(&self, job: &Job) -> Duration {
        let total = self.node.transport().timeouts.total;
        match job {
            Job::Sync => TURN + total + DISK,
            // Each lane has all of it, and the one controlled sync after it once more.
            Job::Flush(lanes) => TURN + total.saturating_mul(2 * u32::try_from(lanes.len()).unwrap_or(u32::MAX)) + DISK,
            Job::Maintain => TURN + MAINTENANCE,
        }
    }
}

/// The lanes of one repository.
pub(super) fn lanes_of<'a>(node: &'a LocalNode, repository: &RepositoryName) -> Vec<&'a Lane> {
    let mut lanes = node.node.lanes_in_order();
    lanes.retain(|lane| lane.repository == *repository);
    lanes
}

/// Reduces a report to what the schedule depends on, and logs its faults.
fn judge<L: LaneReport>(report: &Report<L>) -> Ended {
    for fault in report.faults() {
        tracing::warn!(code = %fault.code, verb = %L::VERB, %fault, "an operation of the schedule met a fault");
    }
    let has = |code: &str| report.faults().iter().any(|fault| fault.code == code);
    let ending = match report.exit() {
        ExitCode::Done => Ending::Done,
        ExitCode::Finding => Ending::Finding,
        ExitCode::Busy => Ending::Busy,
        ExitCode::Upstream => Ending::Upstream,
        ExitCode::Failed if has("mirror::space::low") => Ending::LowSpace,
        ExitCode::Failed if has("mirror::interrupted") => Ending::Interrupted,
        ExitCode::Failed | ExitCode::Usage | ExitCode::Cluster => Ending::Failed,
    };
    let broken = report.lanes.iter().filter(|end| end.fault().is_some());
    Ended { ending, failed_lanes: broken.map(|end| end.lane().clone()).collect() }
}

/// Logs the progress of an operation.
struct LogProgress(RepositoryName);

impl Watch for LogProgress {
    fn event(&self, event: Event) {
        let repository = &self.0;
        match event {
            Event::Waiting { holder } => tracing::info!(%repository, %holder, "waits for its turn"),
            Event::Phase(phase) => tracing::debug!(%repository, ?phase),
            Event::ServerMessage(words) => tracing::info!(%repository, words, "upstream says"),
            Event::Retrying { fault, after } => {
                tracing::info!(%repository, fault, after_ms = after.as_millis(), "tries again");
            }
            Event::StepPassed { step, took, detail } => {
                tracing::debug!(%repository, %step, took_ms = took.as_millis(), detail);
            }
            _ => {}
        }
    }
}
