//! What is shown of a server: metrics, health, API and status page. Never changes anything.
//!
//! What is told of lanes is read when it is asked for, so that no answer is older than its question.

mod api;
mod health;
mod metrics;
mod page;
mod query;
mod reading;

pub(crate) use api::{Reports, history, metrics, status};
pub(crate) use health::{healthz, readyz};
pub(crate) use metrics::Metrics;
pub(crate) use metrics::label;
pub use metrics::reference as metrics_reference;
pub(crate) use page::page;
