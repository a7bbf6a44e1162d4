//! What is shown of a server: metrics, health, API and status page. Never changes anything; what is counted stands in [`metrics`](crate::metrics).
//!
//! What is shown of lanes is read when it is asked for, so that no answer is older than its question.

mod api;
mod health;
mod observing;
mod page;
mod query;
mod single_flight;

pub(crate) use api::{history, metrics, status};
pub(crate) use health::{healthz, readyz};
pub(crate) use observing::Observing;
pub(crate) use page::page;
