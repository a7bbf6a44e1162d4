//! The API: the reports of the command line, by HTTP, and the metrics.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use jiff::Timestamp;
use mirror_core::fault::{Classified, Fault, FaultClass, Retry};
use mirror_core::report::status::StatusReport;
use mirror_core::report::{ErrorReport, Report};
use mirror_engine::verbs;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use super::observing::Observing;
use super::query;
use super::single_flight::SingleFlight;
use crate::http::answer::{Answer, whole, words};

const JSON: &str = "application/json; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How many histories are read at the same time; each reads whole journals.
const HISTORIES: usize = 2;
/// How many more may wait for that.
const WAITING: usize = 32;

/// What the requests of the API share.
#[derive(Debug)]
pub(crate) struct Reports {
    status: SingleFlight<StatusReport>,
    histories: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            status: SingleFlight::default(),
            histories: Arc::new(Semaphore::new(HISTORIES)),
            waiting: Semaphore::new(HISTORIES + WAITING),
        }
    }
}

/// Answers `/api/v1/status`: what `git-mirror status -o json` prints, of the lanes that the query names.
pub(crate) async fn status(observing: &Observing, asked: Option<&str>) -> Answer {
    let query = match query::parse(asked) {
        Ok(query) => query,
        Err(wrong) => return words(StatusCode::BAD_REQUEST, &wrong),
    };
    let lanes = match observing.repositories.node.lanes(&query.lanes) {
        Ok(lanes) => lanes,
        Err(error) => return unknown(&error),
    };
    let report = read_status(observing).await;
    if query.lanes.is_empty() {
        return json(StatusCode::OK, &*report);
    }
    let chosen = lanes.iter().filter_map(|lane| report.lanes.iter().find(|told| told.lane == lane.name).cloned());
    json(StatusCode::OK, &Report::of(report.node.clone(), chosen.collect()).with_fault(report.fault.clone()))
}

/// Answers `/api/v1/history`: what `git-mirror history -o json` prints.
pub(crate) async fn history(observing: &Observing, asked: Option<&str>) -> Answer {
    let query = match query::parse(asked) {
        Ok(query) => query,
        Err(wrong) => return words(StatusCode::BAD_REQUEST, &wrong),
    };
    if let Err(error) = observing.repositories.node.lanes(&query.lanes) {
        return unknown(&error);
    }
    let Ok(_place) = observing.reports.waiting.try_acquire() else { return busy() };
    let turn = Arc::clone(&observing.reports.histories).acquire_owned().await;
    let node = Arc::clone(&observing.repositories.node);
    let read = tokio::task::spawn_blocking(move || {
        // The turn goes with the reading, which goes on where the client does not wait for it.
        let _turn = turn;
        let lanes = node.lanes(&query.lanes).unwrap_or_default();
        verbs::history(&node, &lanes, query.limit)
    });
    match read.await {
        Ok(report) => json(StatusCode::OK, &report),
        Err(error) => broken(error),
    }
}

/// Answers `/metrics`. The state of lanes and disk is read for it, so that it is current.
pub(crate) async fn metrics(observing: &Observing) -> Answer {
    let report = read_status(observing).await;
    let now = Timestamp::now();
    for lane in report.lanes.iter().filter(|lane| lane.fault.is_none()) {
        observing.metrics.lane(&lane.lane, &lane.state, now);
    }
    for (repository, beat) in observing.heartbeats.all() {
        observing.metrics.beat(repository, beat.at);
    }
    observing.metrics.stuck(observing.heartbeats.stuck().len());
    if let Some(space) = observing.space.look() {
        observing.metrics.disk(space.free, space.verdict == mirror_engine::space::Verdict::Low);
    }
    whole(StatusCode::OK, OPENMETRICS, Bytes::from(observing.metrics.text(now)))
}

/// Reads the status of all lanes, on a thread that may wait for the disk.
pub(super) async fn read_status(observing: &Observing) -> Arc<StatusReport> {
    let node = &observing.repositories.node;
    let read = || async {
        let of = Arc::clone(node);
        let read = tokio::task::spawn_blocking(move || {
            let lanes = of.lanes::<&str>(&[]).unwrap_or_default();
            verbs::status(&of, &lanes)
        });
        read.await.unwrap_or_else(|error| {
            let fault = Fault::of(&BrokenOff { source: error });
            tracing::error!(%fault, "please report this");
            Report::of(node.node.name.clone(), Vec::new()).with_fault(Some(fault))
        })
    };
    observing.reports.status.ask(read).await
}

fn json(status: StatusCode, report: &impl Serialize) -> Answer {
    let mut text = serde_json::to_vec(report).expect("because reports are plain data with text keys");
    text.push(b'\n');
    whole(status, JSON, Bytes::from(text))
}

fn unknown(error: &dyn Classified) -> Answer {
    json(StatusCode::NOT_FOUND, &ErrorReport::of(error, Vec::new()))
}

fn busy() -> Answer {
    let mut answer =
        words(StatusCode::SERVICE_UNAVAILABLE, "too many histories are read at once; ask again in a moment");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    answer
}

fn broken(source: JoinError) -> Answer {
    let error = BrokenOff { source };
    tracing::error!(fault = %Fault::of(&error), "please report this");
    json(StatusCode::INTERNAL_SERVER_ERROR, &ErrorReport::of(&error, Vec::new()))
}

/// A report whose making panicked or was cancelled.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the making of the report broke off")]
#[diagnostic(
    code(mirror::serve::report_broken),
    help(
        "this is a defect of git-mirror: its log says where; `git-mirror status` on the server's own machine may tell more"
    )
)]
struct BrokenOff {
    source: JoinError,
}

impl Classified for BrokenOff {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}
