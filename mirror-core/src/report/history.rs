//! `history`: the operations of each lane, as the journal of its cache holds them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::status::after_fault;
use super::{Finding, Instant, LaneReport, NextCommand, NextVerb, Report};
use crate::fault::Fault;
use crate::name::{LaneName, NodeName, RepositoryName};
use crate::operation::{Mode, RecordedVerb, Verb};

/// The report of `history`.
pub type HistoryReport = Report<LaneHistory>;

/// The operations of one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaneHistory {
    /// The lane.
    pub lane: LaneName,
    /// The repository it belongs to.
    pub repository: RepositoryName,
    /// Its operations, the newest first.
    pub entries: Vec<HistoryEntry>,
    /// Lines of the journal that could not be read: torn by a crash, or written by something else.
    pub unreadable_lines: u64,
    /// Why the journal could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Its id.
    pub operation: String,
    /// Its verb.
    pub verb: RecordedVerb,
    /// The lanes it was about.
    pub lanes: Vec<String>,
    /// When it began; null where the journal no longer says.
    #[schemars(with = "Option<Instant>")]
    pub started_at: Option<Timestamp>,
    /// When it ended; null where it is still running, or died.
    #[schemars(with = "Option<Instant>")]
    pub ended_at: Option<Timestamp>,
    /// The process that ran it; null where the journal no longer says.
    pub pid: Option<u32>,
    /// The machine or pod it ran on; null where the journal no longer says.
    pub host: Option<String>,
    /// Who pushed, where it was a push to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// How it stands.
    pub state: HistoryState,
    /// For each lane its outcome in one word.
    pub outcomes: BTreeMap<String, String>,
    /// What it removed of a dead operation before it began, by path inside the cache.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered: Vec<String>,
    /// Its lanes, as its report told them; null where it has not ended, or they were not asked for.
    pub report: Option<Value>,
}

/// How an operation of the history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryState {
    /// It holds the cache now.
    Running,
    /// It ended, and the state was as wanted.
    Ok,
    /// It ended, and the state was not as wanted.
    NotOk,
    /// It died without a word.
    Died,
}

impl HistoryState {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::NotOk => "not-ok",
            Self::Died => "died",
        }
    }
}

impl std::fmt::Display for HistoryState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl LaneHistory {
    /// A lane whose journal could not be read.
    #[must_use]
    pub fn failed(lane: &LaneName, repository: &RepositoryName, fault: Fault) -> Self {
        Self {
            lane: lane.clone(),
            repository: repository.clone(),
            entries: Vec::new(),
            unreadable_lines: 0,
            fault: Some(fault),
        }
    }
}

impl LaneReport for LaneHistory {
    const VERB: Verb = Verb::History;

    fn lane(&self) -> &LaneName {
        &self.lane
    }

    fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    fn findings(&self) -> Vec<Finding> {
        // What went wrong in the past is told, and is no finding of today.
        Vec::new()
    }

    fn next(&self, node: &NodeName, _mode: Option<Mode>) -> Vec<NextCommand> {
        match &self.fault {
            Some(fault) => after_fault(fault, NextVerb::Status, node, &self.lane),
            None => Vec::new(),
        }
    }
}
