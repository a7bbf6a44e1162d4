//! The table of metrics.

use std::sync::Mutex;

use jiff::Timestamp;
use mirror_core::name::{LaneName, RepositoryName};
use mirror_core::operation::Verb;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::catalogue::{Catalogue, Counts, FloatGauge, Histograms};
use super::label::{
    Alone, AloneLabels, Ending, EndpointLabels, LaneLabels, OperationLabels, PackLabels, PackSource, Push, PushLabels,
    Refusal, RefusalLabels, Repository, RepositoryLabels, RequestLabels, ScheduledVerb, SessionEvent, SessionLabels,
    TokenFailure, TokenFailureLabels, VerbLabels, Version, VersionLabels,
};

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(super) registry: Registry,
    pub(super) table: Table,
    /// Since when things are as they are; ages are computed when they are scraped.
    pub(super) since: Mutex<Since>,
}

/// Moments whose age is a metric.
#[derive(Debug, Default)]
pub(super) struct Since {
    pub(super) looked: std::collections::BTreeMap<LaneName, Timestamp>,
    /// Each known lane, and since when its commits wait for a flush, where they do.
    pub(super) pending: std::collections::BTreeMap<LaneName, Option<Timestamp>>,
    pub(super) done: std::collections::BTreeMap<(RepositoryName, &'static str), (Verb, Timestamp)>,
    pub(super) beats: std::collections::BTreeMap<RepositoryName, Timestamp>,
}

/// Every metric, by what it counts.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) requests: Family<RequestLabels, Counter>,
    pub(super) request_durations: Histograms<EndpointLabels>,
    pub(super) sent: Family<EndpointLabels, Counter>,
    pub(super) received: Family<EndpointLabels, Counter>,
    pub(super) refused: Family<RefusalLabels, Counter>,
    pub(super) connections: Gauge,
    pub(super) connections_made: Counter,
    pub(super) tokens_failed: Family<TokenFailureLabels, Counter>,

    pub(super) packs: Family<PackLabels, Counter>,
    pub(super) packs_alone: Family<AloneLabels, Counter>,
    pub(super) packs_running: Gauge,
    pub(super) packs_waiting: Gauge,
    pub(super) pack_durations: Histograms<PackLabels>,
    pub(super) pack_cache_bytes: Gauge,
    pub(super) pack_cache_entries: Gauge,
    pub(super) pack_cache_evicted: Counter,
    pub(super) pack_cache_damaged: Counter,

    pub(super) pushes: Family<PushLabels, Counter>,
    pub(super) push_durations: Histograms<RepositoryLabels>,

    pub(super) operations: Family<OperationLabels, Counter>,
    pub(super) operation_durations: Histograms<VerbLabels>,
    pub(super) operation_running: Family<VerbLabels, Gauge>,
    pub(super) done_ages: Family<VerbLabels, FloatGauge>,
    pub(super) failures: Family<RepositoryLabels, Gauge>,
    pub(super) store_packs: Family<RepositoryLabels, Gauge>,
    pub(super) store_packs_replaced: Family<RepositoryLabels, Gauge>,
    pub(super) beat_ages: Family<RepositoryLabels, FloatGauge>,
    pub(super) stuck: Gauge,
    pub(super) observation_ages: Family<LaneLabels, FloatGauge>,
    pub(super) pending: Family<LaneLabels, Gauge>,
    pub(super) pending_ages: Family<LaneLabels, FloatGauge>,
    pub(super) in_sync: Family<LaneLabels, Gauge>,
    pub(super) diverged: Family<LaneLabels, Gauge>,

    pub(super) sessions: Family<SessionLabels, Counter>,

    pub(super) disk_free: Gauge,
    pub(super) disk_low: Gauge,
    pub(super) build: Family<VersionLabels, Gauge>,
}

impl Metrics {
    /// Makes metrics that nothing was counted in yet.
    pub(crate) fn new() -> Self {
        let mut catalogue = Catalogue::new();
        let table = Self::registered(&mut catalogue);
        table.build.get_or_create(&VersionLabels { version: Version }).set(1);
        table.begin();
        Self { registry: catalogue.registry, table, since: Mutex::default() }
    }

    /// The one place where each metric has its name, its type, its labels and its words.
    pub(super) fn registered(to: &mut Catalogue) -> Table {
        use Counts::{Bytes, Pieces, Seconds};
        Table {
            requests: to.counters("http_requests", Pieces, "Requests that were answered"),
            request_durations: to.histograms(
                "http_request_duration",
                Seconds,
                "From the end of a request's headers to the last byte of its answer",
            ),
            sent: to.counters("http_sent", Bytes, "Bytes of answers' bodies that were sent"),
            received: to.counters("http_received", Bytes, "Bytes of requests' bodies that were taken"),
            refused: to.counters("refused", Pieces, "Requests that were turned away"),
            connections: to.gauge("connections", Pieces, "Connections that are open"),
            connections_made: to.counter("connections_accepted", Pieces, "Connections that were accepted"),
            tokens_failed: to.counters("token_failures", Pieces, "Tokens that were not taken"),

            packs: to.counters("packs", Pieces, "Fetches that were answered with a pack, by where its bytes came from"),
            packs_alone: to.counters("packs_alone", Pieces, "Fetches whose answer is not shared, by the reason"),
            packs_running: to.gauge("packs_running", Pieces, "Packs that git is making now"),
            packs_waiting: to.gauge("packs_waiting", Pieces, "Requests that wait for their turn to have a pack made"),
            pack_durations: to.histograms(
                "pack_duration",
                Seconds,
                "From a fetch's request to the first byte of its answer",
            ),
            pack_cache_bytes: to.gauge("pack_cache", Bytes, "Bytes of packs that are kept for the next request"),
            pack_cache_entries: to.gauge("pack_cache_entries", Pieces, "Packs that are kept for the next request"),
            pack_cache_evicted: to.counter("pack_cache_evictions", Pieces, "Kept packs that made room for others"),
            pack_cache_damaged: to.counter(
                "pack_cache_damaged",
                Pieces,
                "Kept packs that were dropped because their bytes were not those that were made",
            ),

            pushes: to.counters("pushed_refs", Pieces, "Refs that pushes wanted to move, by how that ended"),
            push_durations: to.histograms("push_duration", Seconds, "From a push's request to its answer"),

            operations: to.counters("operations", Pieces, "Operations of the schedule that ended"),
            operation_durations: to.histograms(
                "operation_duration",
                Seconds,
                "How long operations of the schedule took",
            ),
            operation_running: to.gauges("operation_running", Pieces, "1 while the schedule runs such an operation"),
            done_ages: to.float_gauges(
                "operation_success_age",
                Seconds,
                "How long ago such an operation of the schedule last reached upstream, or maintained, without a fault",
            ),
            failures: to.gauges(
                "upstream_consecutive_failures",
                Pieces,
                "Operations of the schedule that failed on the connection to upstream since the last that did not",
            ),
            store_packs: to.gauges(
                "store_packs",
                Pieces,
                "Packs of a repository that maintenance may replace or has replaced, as last counted",
            ),
            store_packs_replaced: to.gauges(
                "store_packs_replaced",
                Pieces,
                "Those of them that others have replaced; maintenance removes them when their readers are gone",
            ),
            beat_ages: to.float_gauges(
                "worker_heartbeat_age",
                Seconds,
                "How long ago the worker of a repository last made progress",
            ),
            stuck: to.gauge(
                "workers_stuck",
                Pieces,
                "Workers that were silent for longer than they said they would be",
            ),
            observation_ages: to.float_gauges(
                "observation_age",
                Seconds,
                "How long ago upstream was last looked at, for the older of the lane's two branches",
            ),
            pending: to.gauges("pending_flush", Pieces, "1 where commits that were accepted here are not upstream yet"),
            pending_ages: to.float_gauges(
                "pending_flush_age",
                Seconds,
                "Since when the lane's GitOps commits wait for a flush, as far as this server saw it; 0 where none do",
            ),
            in_sync: to.gauges("in_sync", Pieces, "1 where both tips of the lane equal those last seen upstream"),
            diverged: to.gauges("diverged", Pieces, "1 where the lane's GitOps branch and upstream's went apart"),

            sessions: to.counters("ssh_sessions", Pieces, "What became of SSH sessions to upstream"),

            disk_free: to.gauge("disk_free", Bytes, "Bytes that are free where the caches are"),
            disk_low: to.gauge("disk_low", Pieces, "1 while pushes and syncs are refused for lack of disk"),
            build: to.gauges("build_info", Pieces, "Always 1; its label tells what runs"),
        }
    }
}

impl Table {
    /// Shows what is known to be countable before it is counted: the first step of a counter that appears with its first count is lost to `rate()`.
    fn begin(&self) {
        for why in Refusal::ALL {
            let _ = self.refused.get_or_create(&RefusalLabels { reason: *why });
        }
        for why in TokenFailure::ALL {
            let _ = self.tokens_failed.get_or_create(&TokenFailureLabels { reason: *why });
        }
        for why in Alone::ALL {
            let _ = self.packs_alone.get_or_create(&AloneLabels { reason: *why });
        }
        for source in PackSource::ALL {
            let _ = self.packs.get_or_create(&PackLabels { source: *source });
        }
    }

    /// Shows what can be counted of a repository.
    pub(super) fn begin_repository(&self, name: &RepositoryName) {
        let repository = Repository(name.clone());
        let labels = RepositoryLabels { repository: repository.clone() };
        let _ = self.failures.get_or_create(&labels);
        let _ = self.store_packs.get_or_create(&labels);
        let _ = self.store_packs_replaced.get_or_create(&labels);
        for verb in ScheduledVerb::ALL {
            let _ = self.operation_running.get_or_create(&VerbLabels { repository: repository.clone(), verb: *verb });
            for ending in Ending::ALL {
                let _ = self.operations.get_or_create(&OperationLabels {
                    repository: repository.clone(),
                    verb: *verb,
                    outcome: *ending,
                });
            }
        }
        for outcome in Push::ALL {
            let _ = self.pushes.get_or_create(&PushLabels { repository: repository.clone(), outcome: *outcome });
        }
        for event in SessionEvent::ALL {
            let _ = self.sessions.get_or_create(&SessionLabels { repository: repository.clone(), event: *event });
        }
    }
}
