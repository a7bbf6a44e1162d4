//! What is shown of a server: metrics, health, API and status page. Never changes anything.

mod metrics;

pub(crate) use metrics::label;
pub use metrics::reference as metrics_reference;
pub(crate) use metrics::{Counted, Metrics};
