//! What the journal tells: records, their lines, and the newest ends that are folded from them. Opens no file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mirror_core::operation::RecordedVerb;
use serde::{Deserialize, Serialize};

/// No line is longer than this many bytes: a record whose report would make it so goes without the report. What is longer all the same
/// was not written by us and is counted as torn.
pub(super) const LINE_LIMIT: u64 = 4 * 1024 * 1024;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// When the event happened.
    pub at: Timestamp,
    /// The operation's identity: start and end of one operation share it.
    pub operation: String,
    /// The verb.
    pub verb: RecordedVerb,
    /// The lanes the operation was about.
    pub lanes: Vec<String>,
    /// What happened.
    pub event: Event,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Event {
    /// The operation holds the lock and begins.
    Started {
        /// The process that runs it.
        pid: u32,
        /// The machine it runs on.
        host: String,
    },
    /// A push of a writer passed the policy and is being received; it works without the lock.
    Receiving {
        /// The server's process.
        pid: u32,
        /// The machine it runs on.
        host: String,
        /// Who pushes.
        writer: String,
    },
    /// What a dead operation left was removed before this one began.
    Recovered {
        /// What was removed, by its path inside the cache.
        removed: Vec<String>,
    },
    /// The operation ended.
    Ended {
        /// Whether the state is as wanted.
        ok: bool,
        /// For each lane its outcome in one word.
        outcomes: BTreeMap<String, String>,
        /// The report of each lane, without the refs that stayed as they were; null where it has no room in a line.
        report: serde_json::Value,
    },
}

/// The newest end of one verb on one lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// Whether the state was as wanted.
    pub ok: bool,
    /// Its outcome in one word.
    pub outcome: String,
    /// The operation's identity.
    pub operation: String,
}

/// The newest ends, by lane and verb.
pub type LastEnds = BTreeMap<String, BTreeMap<RecordedVerb, Last>>;

/// Writes a record as its line, within the bound of lines.
pub(super) fn line_of(record: &Record) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("because a record is plain data");
    line.push(b'\n');
    let is_long = line.len() as u64 > LINE_LIMIT;
    match &record.event {
        Event::Ended { ok, outcomes, report } if is_long && !report.is_null() => {
            let event = Event::Ended { ok: *ok, outcomes: outcomes.clone(), report: serde_json::Value::Null };
            line_of(&Record { event, ..record.clone() })
        }
        _ => line,
    }
}

/// Takes a record's end for the newest of its verb on its lanes, unless a newer one is known.
pub(super) fn fold(last: &mut LastEnds, record: &Record) {
    let Event::Ended { ok: all_ok, outcomes, report } = &record.event else { return };
    let said = |lane: &str| report.as_array()?.iter().find(|end| end["lane"] == lane)?["ok"].as_bool();
    for (lane, outcome) in outcomes {
        // One lane that failed says nothing of the others.
        let ok = &said(lane).unwrap_or(*all_ok);
        let slot = last.entry(lane.clone()).or_default().entry(record.verb.clone());
        let end = Last { at: record.at, ok: *ok, outcome: outcome.clone(), operation: record.operation.clone() };
        slot.and_modify(|known| {
            if known.at <= end.at {
                known.clone_from(&end);
            }
        })
        .or_insert(end);
    }
}
