//! The methods by which other layers count.

use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{LaneName, RepositoryName};
use mirror_core::operation::Verb;
use mirror_core::report::status::LaneState;
use mirror_store::PackCount;
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;

use super::label::{
    Alone, AloneLabels, Ending, Endpoint, EndpointLabels, Lane, LaneLabels, Method, OperationLabels, PackLabels,
    PackSource, Push, PushLabels, Refusal, RefusalLabels, Repository, RepositoryLabels, RequestLabels, ScheduledVerb,
    SessionEvent, SessionLabels, Status, TokenFailure, TokenFailureLabels, VerbLabels,
};
use super::table::{Metrics, Since};

/// One more, for as long as this lives.
#[derive(Debug)]
#[must_use = "it counts for as long as it lives"]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn on(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// This repository is served: what can be counted of it begins at zero.
    pub(crate) fn serves(&self, repository: &RepositoryName) {
        self.table.begin_repository(repository);
    }

    /// A request was answered, to the last byte of its body or to where the client went away.
    pub(crate) fn request(
        &self,
        endpoint: Endpoint,
        method: &http::Method,
        status: http::StatusCode,
        took: Duration,
        sent: u64,
    ) {
        let labels = RequestLabels { endpoint, method: Method::from(method), status: Status(status) };
        self.table.requests.get_or_create(&labels).inc();
        let labels = EndpointLabels { endpoint };
        self.table.request_durations.get_or_create(&labels).observe(took.as_secs_f64());
        self.table.sent.get_or_create(&labels).inc_by(sent);
    }

    /// The body of a request was taken.
    pub(crate) fn received(&self, endpoint: Endpoint, bytes: u64) {
        self.table.received.get_or_create(&EndpointLabels { endpoint }).inc_by(bytes);
    }

    /// A request or a connection was turned away.
    pub(crate) fn refused(&self, reason: Refusal) {
        self.table.refused.get_or_create(&RefusalLabels { reason }).inc();
    }

    /// A connection was accepted; it counts as open while the value lives.
    pub(crate) fn connection(&self) -> Counted {
        self.table.connections_made.inc();
        Counted::on(&self.table.connections)
    }

    /// A token was not taken.
    pub(crate) fn token_failed(&self, reason: TokenFailure) {
        self.table.tokens_failed.get_or_create(&TokenFailureLabels { reason }).inc();
    }

    /// A fetch got its pack.
    pub(crate) fn pack(&self, source: PackSource, took: Duration) {
        let labels = PackLabels { source };
        self.table.packs.get_or_create(&labels).inc();
        self.table.pack_durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A fetch gets an answer that is not shared.
    pub(crate) fn pack_alone(&self, reason: Alone) {
        self.table.packs_alone.get_or_create(&AloneLabels { reason }).inc();
    }

    /// Git makes a pack while the value lives.
    pub(crate) fn pack_running(&self) -> Counted {
        Counted::on(&self.table.packs_running)
    }

    /// A request waits for its turn while the value lives.
    pub(crate) fn pack_waiting(&self) -> Counted {
        Counted::on(&self.table.packs_waiting)
    }

    /// How much the pack cache holds now.
    pub(crate) fn pack_cache(&self, bytes: u64, entries: usize) {
        self.table.pack_cache_bytes.set(signed(bytes));
        self.table.pack_cache_entries.set(signed(entries as u64));
    }

    /// Cached packs were evicted.
    pub(crate) fn pack_cache_evicted(&self, entries: u64) {
        self.table.pack_cache_evicted.inc_by(entries);
    }

    /// A cached pack was damaged.
    pub(crate) fn pack_cache_damaged(&self) {
        self.table.pack_cache_damaged.inc();
    }

    /// A push of one ref ended.
    pub(crate) fn push(&self, repository: &RepositoryName, outcome: Push) {
        self.table.pushes.get_or_create(&PushLabels { repository: Repository(repository.clone()), outcome }).inc();
    }

    /// A whole push was answered.
    pub(crate) fn push_took(&self, repository: &RepositoryName, took: Duration) {
        self.table
            .push_durations
            .get_or_create(&RepositoryLabels { repository: Repository(repository.clone()) })
            .observe(took.as_secs_f64());
    }

    /// An operation of the schedule runs while the value lives.
    pub(crate) fn operation_running(&self, repository: &RepositoryName, verb: Verb) -> Counted {
        Counted::on(
            &self
                .table
                .operation_running
                .get_or_create(&VerbLabels { repository: Repository(repository.clone()), verb: ScheduledVerb(verb) }),
        )
    }

    /// An operation of the schedule ended.
    pub(crate) fn operation(
        &self,
        repository: &RepositoryName,
        verb: Verb,
        outcome: Ending,
        took: Duration,
        at: Timestamp,
    ) {
        let (named, label) = (Repository(repository.clone()), ScheduledVerb(verb));
        self.table.operations.get_or_create(&OperationLabels { repository: named.clone(), verb: label, outcome }).inc();
        self.table
            .operation_durations
            .get_or_create(&VerbLabels { repository: named, verb: label })
            .observe(took.as_secs_f64());
        if matches!(outcome, Ending::Done | Ending::Finding) {
            self.since().done.insert((repository.clone(), verb.as_str()), (verb, at));
        }
    }

    /// How many operations in a row failed on the connection to upstream.
    pub(crate) fn upstream_failures(&self, repository: &RepositoryName, in_a_row: u32) {
        self.table
            .failures
            .get_or_create(&RepositoryLabels { repository: Repository(repository.clone()) })
            .set(i64::from(in_a_row));
    }

    /// So many packs of a repository were found.
    pub(crate) fn store_packs(&self, repository: &RepositoryName, packs: PackCount) {
        let named = RepositoryLabels { repository: Repository(repository.clone()) };
        self.table.store_packs.get_or_create(&named).set(signed(packs.all()));
        self.table.store_packs_replaced.get_or_create(&named).set(signed(packs.leaving + packs.overdue));
    }

    /// The worker of a repository made progress.
    pub(crate) fn beat(&self, repository: &RepositoryName, at: Timestamp) {
        self.since().beats.insert(repository.clone(), at);
    }

    /// How many workers are stuck.
    pub(crate) fn stuck(&self, workers: usize) {
        self.table.stuck.set(signed(workers as u64));
    }

    /// Something became of an SSH session.
    pub(crate) fn session(&self, repository: &RepositoryName, event: SessionEvent) {
        self.table.sessions.get_or_create(&SessionLabels { repository: Repository(repository.clone()), event }).inc();
    }

    /// The state of a lane, as its status reports it.
    pub(crate) fn lane(&self, lane: &LaneName, state: &LaneState, now: Timestamp) {
        let labels = LaneLabels { lane: Lane(lane.clone()) };
        self.table.in_sync.get_or_create(&labels).set(i64::from(state.github_in_sync));
        self.table.diverged.get_or_create(&labels).set(i64::from(state.diverged));
        self.table.pending.get_or_create(&labels).set(i64::from(state.pending_flush));
        let mut since = self.since();
        if let Some(at) = state.ref_sources.observed_at {
            since.looked.insert(lane.clone(), at);
        }
        let pending = since.pending.entry(lane.clone()).or_default();
        if state.pending_flush {
            pending.get_or_insert(now);
        } else {
            *pending = None;
        }
    }

    /// A push was accepted on a lane's GitOps branch, and waits for a flush from now on.
    pub(crate) fn pushed(&self, lane: &LaneName, at: Timestamp) {
        self.since().pending.entry(lane.clone()).or_default().get_or_insert(at);
    }

    /// How much disk is free, and whether that is too little.
    pub(crate) fn disk(&self, free: u64, low: bool) {
        self.table.disk_free.set(signed(free));
        self.table.disk_low.set(i64::from(low));
    }

    /// Everything, in the text format of OpenMetrics; ages are those at `now`.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        self.set_ages(now);
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("because a text takes whatever is written to it");
        text
    }

    fn set_ages(&self, now: Timestamp) {
        let since = self.since();
        let age = |at: &Timestamp| now.duration_since(*at).as_secs_f64().max(0.0);
        for (lane, at) in &since.looked {
            self.table.observation_ages.get_or_create(&LaneLabels { lane: Lane(lane.clone()) }).set(age(at));
        }
        for (lane, at) in &since.pending {
            let waits = at.as_ref().map_or(0.0, age);
            self.table.pending_ages.get_or_create(&LaneLabels { lane: Lane(lane.clone()) }).set(waits);
        }
        for ((repository, _), (verb, at)) in &since.done {
            self.table
                .done_ages
                .get_or_create(&VerbLabels { repository: Repository(repository.clone()), verb: ScheduledVerb(*verb) })
                .set(age(at));
        }
        for (repository, at) in &since.beats {
            self.table
                .beat_ages
                .get_or_create(&RepositoryLabels { repository: Repository(repository.clone()) })
                .set(age(at));
        }
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Since> {
        self.since.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
