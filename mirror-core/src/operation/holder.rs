//! Who is working on a cache.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RecordedVerb;
use crate::report::Instant;

/// The operation that holds a cache. Its JSON is the text of the cache's lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The operation's id, as in the history.
    pub operation: String,
    /// The verb it runs.
    pub verb: RecordedVerb,
    /// The process that runs it.
    pub pid: u32,
    /// The machine or pod that process runs on.
    pub host: String,
    /// When it began.
    #[schemars(with = "Instant")]
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, pid, host, since, .. } = self;
        write!(f, "{verb} by process {pid} on {host} since {since}")
    }
}
