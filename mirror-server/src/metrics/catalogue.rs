//! Registers a metric and writes its row of the documentation in one go.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::label::LabelSet;
use super::table::Metrics;

/// What stands before the name of every metric.
const PREFIX: &str = "git_mirror";

/// A number that goes up and down, in seconds or bytes.
pub(super) type FloatGauge = Gauge<f64, AtomicU64>;
/// A family of distributions.
pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What a metric's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// Pieces.
    Pieces,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// The metrics registered so far.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// For the text that is scraped.
    pub(super) registry: Registry,
    rows: Vec<Row>,
}

/// What the documentation says of one metric.
#[derive(Debug)]
struct Row {
    name: String,
    kind: &'static str,
    labels: Vec<(&'static str, String)>,
    help: &'static str,
}

impl Catalogue {
    pub(super) fn new() -> Self {
        Self { registry: Registry::with_prefix(PREFIX), rows: Vec::new() }
    }

    pub(super) fn counter(&mut self, name: &'static str, unit: Counts, help: &'static str) -> Counter {
        self.add(name, unit, help, "counter", Vec::new(), Counter::default())
    }

    pub(super) fn counters<L: LabelSet>(
        &mut self,
        name: &'static str,
        unit: Counts,
        help: &'static str,
    ) -> Family<L, Counter> {
        self.add(name, unit, help, "counter", L::described(), Family::default())
    }

    pub(super) fn gauge(&mut self, name: &'static str, unit: Counts, help: &'static str) -> Gauge {
        self.add(name, unit, help, "gauge", Vec::new(), Gauge::default())
    }

    pub(super) fn gauges<L: LabelSet>(
        &mut self,
        name: &'static str,
        unit: Counts,
        help: &'static str,
    ) -> Family<L, Gauge> {
        self.add(name, unit, help, "gauge", L::described(), Family::default())
    }

    pub(super) fn float_gauges<L: LabelSet>(
        &mut self,
        name: &'static str,
        unit: Counts,
        help: &'static str,
    ) -> Family<L, FloatGauge> {
        self.add(name, unit, help, "gauge", L::described(), Family::default())
    }

    pub(super) fn histograms<L: LabelSet>(
        &mut self,
        name: &'static str,
        unit: Counts,
        help: &'static str,
    ) -> Histograms<L> {
        let family = Histograms::<L>::new_with_constructor(durations);
        self.add(name, unit, help, "histogram", L::described(), family)
    }

    fn add<M: Metric + Clone>(
        &mut self,
        name: &'static str,
        unit: Counts,
        help: &'static str,
        kind: &'static str,
        labels: Vec<(&'static str, String)>,
        metric: M,
    ) -> M {
        let total = if kind == "counter" { "_total" } else { "" };
        // The registry puts the unit behind the name, and the full stop behind the help.
        let (unit, suffix) = match unit {
            Counts::Pieces => (None, ""),
            Counts::Bytes => (Some(Unit::Bytes), "_bytes"),
            Counts::Seconds => (Some(Unit::Seconds), "_seconds"),
        };
        self.rows.push(Row { name: format!("{PREFIX}_{name}{suffix}{total}"), kind, labels, help });
        match unit {
            None => self.registry.register(name, help, metric.clone()),
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric.clone()),
        }
        metric
    }

    fn page(&self) -> String {
        let mut page = String::from(HEAD);
        for Row { name, kind, labels, help } in &self.rows {
            let labels: Vec<_> = labels.iter().map(|(name, _)| format!("`{name}`")).collect();
            let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
            let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
        }
        page.push_str(LABELS);
        let mut described = std::collections::BTreeMap::<_, Vec<(&str, &str)>>::new();
        for row in &self.rows {
            for (label, values) in &row.labels {
                let known = described.entry(*label).or_default();
                match known.iter_mut().find(|(other, _)| other == values) {
                    Some(_) => {}
                    None => known.push((values, &row.name)),
                }
            }
        }
        for (label, sets) in &described {
            for (values, metric) in sets {
                // A label whose values depend on the metric says so.
                let of = if sets.len() > 1 { format!(" of `{metric}`") } else { String::new() };
                let _ = writeln!(page, "| `{label}`{of} | {values} |");
            }
        }
        page.push_str(FOOT);
        page
    }
}

/// Buckets from a millisecond, a listing, to five minutes, a first clone of something large.
fn durations() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0])
}

const HEAD: &str = "# Metrics

Generated from the table in `mirror-server/src/metrics/table.rs`.

`GET /metrics` answers in the text format of OpenMetrics, which Prometheus reads. Rules that alert on these metrics stand in
[`alerts.yaml`](alerts.yaml). Counters begin at zero when the server starts. What has labels that are
known then is there from the start; requests and durations appear with the first of them.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";
const LABELS: &str = "
Nothing that a client sends ever becomes the value of a label, so their number is bounded by the configuration.

| label | values |
| --- | --- |
";
const FOOT: &str = "";

/// The documentation of every metric, as a page of Markdown.
#[must_use]
pub fn reference() -> String {
    let mut catalogue = Catalogue::new();
    let _ = Metrics::registered(&mut catalogue);
    catalogue.page()
}
