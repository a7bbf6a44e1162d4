//! `history`: the operations of lanes, told from the journal.

use std::collections::BTreeMap;

use mirror_core::config::{Lane, Repository};
use mirror_core::report::history::{HistoryEntry, HistoryState, LaneHistory};

use crate::journal::{Event, Reading, Record};
use crate::ports::{Gate, Journal, Ports};

/// An operation writes at most three records.
const RECORDS_PER_OPERATION: usize = 3;

/// Tells the newest operations of some lanes of one repository, the newest first.
pub fn history<P: Ports>(ports: &mut P, repository: &Repository, lanes: &[&Lane], limit: usize) -> Vec<LaneHistory> {
    let running = ports.gate().holder();
    // Operations on other lanes stand between; a lane that is rarely worked on shows fewer.
    let wanted = limit.saturating_mul(RECORDS_PER_OPERATION).saturating_mul(8).max(512);
    let reading = ports.journal().read(wanted);
    let gate = ports.gate();
    let tell = |lane: &&Lane| {
        let (reading, running) = match (&reading, &running) {
            (Ok(reading), Ok(running)) => (reading, running.as_ref().map(|holder| holder.operation.as_str())),
            (Err(fault), _) | (_, Err(fault)) => {
                return LaneHistory::failed(&lane.name, &repository.name, fault.clone());
            }
        };
        let is_alive = |record: &Record| match record.event {
            // A push works without the lock. Where its folder cannot be probed, it counts as what it most likely is.
            Event::Receiving { .. } => gate.is_under_way(&record.operation).unwrap_or(false),
            _ => running == Some(record.operation.as_str()),
        };
        let mut entries = entries(reading, lane, is_alive);
        entries.reverse();
        entries.truncate(limit);
        LaneHistory {
            lane: lane.name.clone(),
            repository: repository.name.clone(),
            entries,
            unreadable_lines: reading.torn as u64,
            fault: None,
        }
    };
    lanes.iter().map(tell).collect()
}

/// Joins the records of each operation, in the order in which the operations began.
fn entries(reading: &Reading, lane: &Lane, is_alive: impl Fn(&Record) -> bool) -> Vec<HistoryEntry> {
    let mut order: Vec<&str> = Vec::new();
    let mut joined: BTreeMap<&str, HistoryEntry> = BTreeMap::new();
    for record in reading.records.iter().filter(|record| record.lanes.iter().any(|name| name == lane.name.as_str())) {
        let entry = joined.entry(&record.operation).or_insert_with(|| {
            order.push(&record.operation);
            begun(record, &is_alive)
        });
        match &record.event {
            Event::Started { pid, host } => {
                entry.started_at = Some(record.at);
                entry.pid = Some(*pid);
                entry.host = Some(host.clone());
            }
            Event::Receiving { pid, host, writer } => {
                entry.started_at = Some(record.at);
                entry.pid = Some(*pid);
                entry.host = Some(host.clone());
                entry.writer = Some(writer.clone());
            }
            Event::Recovered { removed } => entry.recovered.clone_from(removed),
            Event::Ended { ok, outcomes, report } => {
                entry.ended_at = Some(record.at);
                entry.state = if *ok { HistoryState::Ok } else { HistoryState::NotOk };
                entry.outcomes.clone_from(outcomes);
                entry.report = Some(report.clone());
            }
        }
    }
    order.into_iter().filter_map(|operation| joined.remove(operation)).collect()
}

fn begun(record: &Record, is_alive: impl Fn(&Record) -> bool) -> HistoryEntry {
    HistoryEntry {
        operation: record.operation.clone(),
        verb: record.verb.clone(),
        lanes: record.lanes.clone(),
        started_at: None,
        ended_at: None,
        pid: None,
        host: None,
        writer: None,
        state: if is_alive(record) { HistoryState::Running } else { HistoryState::Died },
        outcomes: BTreeMap::new(),
        recovered: Vec::new(),
        report: None,
    }
}
