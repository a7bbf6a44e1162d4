//! The worker of one repository: does what its plan says is due, one thing at a time, and says that it lives.
//!
//! It ends when the server does, and for no other reason: every failure is counted, reported to the plan, and retried.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{LaneName, RepositoryName};
use mirror_core::operation::Verb;
use mirror_engine::stop::Stop;
use mirror_store::PackCount;
use tokio::time::{Instant, sleep, timeout};

use super::heartbeat::{Activity, Heartbeats};
use super::plan::{Job, JobOutcome, Next, Plan};
use super::push_notifier::PushNotifier;
use crate::metrics::Metrics;
use crate::metrics::label::Ending;

/// How often a worker that waits says that it lives.
const BEAT: Duration = Duration::from_secs(30);
/// How long counting packs may take: a listing of one folder.
const COUNTED: Duration = Duration::from_secs(5);
/// How late a sign of life may be: the machine may be busy.
const GRACE: Duration = Duration::from_secs(60);
/// How long an operation that was asked to stop may take to end.
const ENDING: Duration = Duration::from_secs(20);

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    /// The lanes that it could not bring to their end.
    pub(super) failed_lanes: BTreeSet<LaneName>,
}

/// What carries out the jobs of one repository.
pub(super) trait JobRunner: Send + Sync {
    /// Carries one out. Dropping the future ends it as soon as it can be, which is never where the disk does not answer.
    fn run(&self, job: &Job, stop: &Stop) -> impl Future<Output = Ended> + Send;

    /// How long one may take at most.
    fn allowed(&self, job: &Job) -> Duration;

    /// Says whether one that was given up has not ended yet.
    fn is_still_running(&self) -> bool;

    /// Counts the packs; nothing where the disk does not answer. The future may be dropped.
    fn packs(&self) -> impl Future<Output = Option<PackCount>> + Send;
}

/// The worker of one repository.
#[derive(Debug)]
pub(super) struct Worker<E> {
    pub(super) repository: RepositoryName,
    pub(super) plan: Plan,
    pub(super) runner: E,
    pub(super) pushes: PushNotifier,
    pub(super) heartbeats: Heartbeats,
    pub(super) metrics: std::sync::Arc<Metrics>,
    /// The server's.
    pub(super) stop: Stop,
}

impl<E: JobRunner> Worker<E> {
    /// Works until the server ends.
    pub(super) async fn run(mut self) {
        let begun = Instant::now();
        let mut count = begun;
        while !self.stop.requested() {
            if count <= Instant::now() {
                count = Instant::now() + BEAT;
                self.count(begun).await;
            }
            let now = begun.elapsed();
            self.plan.pushed(now, self.pushes.take(&self.repository));
            let until = match self.plan.next(now) {
                Next::Do(job) => {
                    self.perform(&job, begun).await;
                    continue;
                }
                Next::At(at) => at.saturating_sub(now).min(BEAT),
                Next::Rest => BEAT,
            };
            self.beat(Activity::Waiting, until + GRACE);
            tokio::select! {
                () = self.stop.wished() => {}
                () = self.pushes.arrived(&self.repository) => {}
                () = sleep(until) => {}
            }
        }
        self.heartbeats.beat(&self.repository, Activity::Ended, Duration::ZERO);
    }

    /// Looks how many packs there are: where they have become many, maintenance does not wait for its day. A disk that does not answer holds up
    /// nothing else for long.
    async fn count(&mut self, begun: Instant) {
        self.beat(Activity::Waiting, COUNTED + GRACE);
        let counted = tokio::select! {
            counted = timeout(COUNTED, self.runner.packs()) => counted.ok().flatten(),
            () = self.stop.wished() => None,
        };
        if let Some(packs) = counted {
            self.metrics.store_packs(&self.repository, packs);
            self.plan.counted(begun.elapsed(), packs.to_do());
        }
    }

    /// Says that the worker lives. It does not while what it gave up goes on: that may hold the lock under which everything else would run, and
    /// only an end of the process ends it.
    fn beat(&self, doing: Activity, again_within: Duration) {
        if !self.runner.is_still_running() {
            self.heartbeats.beat(&self.repository, doing, again_within);
        }
    }

    async fn perform(&mut self, job: &Job, begun: Instant) {
        let verb = verb(job);
        let allowed = self.runner.allowed(job);
        self.beat(Activity::Running(verb), allowed + ENDING + GRACE);
        let running = self.metrics.operation_running(&self.repository, verb);
        let since = Instant::now();
        let ended = self.bounded(job, allowed).await;
        drop(running);
        let took = since.elapsed();
        self.metrics.operation(&self.repository, verb, ended.ending, took, Timestamp::now());
        tracing::info!(
            repository = %self.repository, %verb, outcome = %ended.ending, took_ms = took.as_millis(),
            "an operation of the schedule ended"
        );
        self.plan.ended(begun.elapsed(), job, came(ended.ending), ended.failed_lanes);
        self.metrics.upstream_failures(&self.repository, self.plan.failures());
    }

    /// Runs a job until it ends, or was asked to for lack of time or of a server, and had some time for that.
    async fn bounded(&self, job: &Job, allowed: Duration) -> Ended {
        let stop = Stop::new();
        let mut errand = pin!(self.runner.run(job, &stop));
        tokio::select! {
            biased;
            ended = &mut errand => return ended,
            () = self.stop.wished() => {}
            () = sleep(allowed) => tracing::warn!(
                repository = %self.repository, verb = %verb(job), "an operation took more than {} s and is ended", allowed.as_secs()
            ),
        }
        stop.request();
        match timeout(ENDING, errand).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(repository = %self.repository, verb = %verb(job), "an operation did not end and is given up");
                Ended { ending: Ending::Interrupted, failed_lanes: lanes(job) }
            }
        }
    }
}

fn verb(job: &Job) -> Verb {
    match job {
        Job::Sync => Verb::Sync,
        Job::Flush(_) => Verb::Flush,
        Job::Maintain => Verb::Maintain,
    }
}

fn lanes(job: &Job) -> BTreeSet<LaneName> {
    match job {
        Job::Flush(lanes) => lanes.clone(),
        Job::Sync | Job::Maintain => BTreeSet::new(),
    }
}

fn came(ending: Ending) -> JobOutcome {
    match ending {
        Ending::Done | Ending::Finding => JobOutcome::Succeeded,
        Ending::Upstream | Ending::Failed | Ending::Interrupted => JobOutcome::Failed,
        Ending::Busy | Ending::LowSpace => JobOutcome::NotRun,
    }
}

#[cfg(test)]
mod tests;
