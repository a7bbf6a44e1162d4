//! Who is working on a cache.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Instant;

/// The operation that holds a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The operation's id, as in the history.
    pub operation: String,
    /// The verb it runs.
    pub verb: String,
    /// The process that runs it.
    pub pid: u32,
    /// The machine or pod that process runs on.
    pub host: String,
    /// When it began.
    #[schemars(with = "Instant")]
    pub since: Timestamp,
}
