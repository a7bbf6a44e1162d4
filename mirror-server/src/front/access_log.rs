//! The access log: of each request what was asked, what was answered, how many bytes were sent, and how long it took.
//!
//! A record goes into the log and the metrics when the answer's body is dropped. Never holds an `Authorization` header or a query.

use std::io;
use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};
use tokio::time::Instant;

use super::request_id::RequestId;
use crate::metrics::Metrics;
use crate::metrics::label::Endpoint;

/// How much of a path stands in the log.
const SHOWN: usize = 256;

/// The record of a request. It is settled when it is dropped.
#[derive(Debug)]
pub(super) struct AccessRecord {
    metrics: Arc<Metrics>,
    id: RequestId,
    method: Method,
    version: Version,
    path: String,
    endpoint: Endpoint,
    status: StatusCode,
    caller: Option<String>,
    begun: Instant,
    bytes: u64,
    ended: bool,
    error: Option<String>,
}

impl AccessRecord {
    /// Opens the record of a request that was just read.
    pub(super) fn open(metrics: Arc<Metrics>, id: RequestId, parts: &Parts) -> Self {
        Self {
            metrics,
            id,
            method: parts.method.clone(),
            version: parts.version,
            path: parts.uri.path().chars().take(SHOWN).flat_map(char::escape_debug).collect(),
            endpoint: Endpoint::Other,
            status: gone(),
            caller: None,
            begun: Instant::now(),
            bytes: 0,
            ended: false,
            error: None,
        }
    }

    /// Notes what is asked for.
    pub(super) fn about(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
    }

    /// The name of the request.
    pub(super) fn id(&self) -> &RequestId {
        &self.id
    }

    /// Notes who asks.
    pub(super) fn called_by(&mut self, name: &str) {
        self.caller = Some(name.to_owned());
    }

    /// Notes the answer.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
    }

    /// Notes that bytes were handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Notes that the whole answer was handed over.
    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    /// Notes that the answer broke off on this side.
    pub(super) fn failed(&mut self, error: &io::Error) {
        self.error = Some(error.to_string());
    }
}

/// Of a request whose client went away before the answer began; nginx's number for it, since there is no other.
fn gone() -> StatusCode {
    StatusCode::from_u16(499).expect("because it has three digits")
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        self.metrics.request(self.endpoint, &self.method, self.status, self.begun.elapsed(), self.bytes);
        // To the microsecond.
        let ms = self.begun.elapsed().as_micros() as f64 / 1e3;
        let outcome = match (self.ended, &self.error) {
            (true, _) => "sent",
            (false, Some(_)) => "broken",
            (false, None) => "left",
        };
        tracing::info!(
            target: "mirror::access",
            request = %self.id,
            method = %self.method,
            path = %self.path,
            version = ?self.version,
            status = self.status.as_u16(),
            bytes = self.bytes,
            ms,
            caller = self.caller.as_deref(),
            outcome,
            error = self.error.as_deref(),
            "answered"
        );
    }
}
