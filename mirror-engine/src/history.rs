//! `history`: the operations of lanes, told from the journal.

use std::collections::{BTreeMap, BTreeSet};

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::report::history::{HistoryEntry, HistoryState, LaneHistory};

use crate::journal::{Event, Reading, Record};
use crate::ports::{Gate, Journal, Ports};

/// An operation writes at most three records.
const RECORDS_PER_OPERATION: usize = 3;

/// Tells the newest operations of some lanes of one repository, the newest first.
pub fn history<P: Ports>(ports: &mut P, repository: &Repository, lanes: &[&Lane], limit: usize) -> Vec<LaneHistory> {
    // Operations on other lanes stand between; a lane that is rarely worked on shows fewer.
    let wanted = limit.saturating_mul(RECORDS_PER_OPERATION).saturating_mul(8).max(512);
    let read = read(ports, wanted);
    let tell = |lane: &&Lane| {
        let (reading, dead) = match &read {
            Ok((reading, dead)) => (reading, dead),
            Err(fault) => return LaneHistory::failed(&lane.name, &repository.name, fault.clone()),
        };
        let mut entries = entries(reading, lane, dead);
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

/// Reads the journal, and tells which of the operations in it are dead.
fn read<P: Ports>(ports: &mut P, wanted: usize) -> Result<(Reading, BTreeSet<String>), Fault> {
    let first = ports.journal().read(wanted)?;
    let running = ports.gate().holder()?.map(|holder| holder.operation);
    let lifeless = {
        let gate = ports.gate();
        let is_alive = |record: &Record| match record.event {
            // A push works without the lock. Where its folder cannot be probed, it counts as what it most likely is.
            Event::Receiving { .. } => gate.is_under_way(&record.operation).unwrap_or(false),
            _ => running.as_ref() == Some(&record.operation),
        };
        unended(&first).filter(|record| !is_alive(record)).map(|record| record.operation.clone()).collect()
    };
    settle(first, lifeless, || ports.journal().read(wanted))
}

/// Tells those dead that had begun in a first reading, were not alive after it, and have not ended in a second one.
///
/// An operation journals its end before it lets go of what shows that it lives, so that one which ends in this moment is not taken for
/// dead; and whatever began since the first reading is alive, or was a moment ago.
fn settle(
    first: Reading,
    mut lifeless: BTreeSet<String>,
    again: impl FnOnce() -> Result<Reading, Fault>,
) -> Result<(Reading, BTreeSet<String>), Fault> {
    if lifeless.is_empty() {
        return Ok((first, lifeless));
    }
    let second = again()?;
    let unended: BTreeSet<&str> = unended(&second).map(|record| record.operation.as_str()).collect();
    lifeless.retain(|operation| unended.contains(operation.as_str()));
    Ok((second, lifeless))
}

/// The beginnings of operations whose end is not told.
fn unended(reading: &Reading) -> impl Iterator<Item = &Record> {
    let is_end = |record: &&Record| matches!(record.event, Event::Ended { .. });
    let ended: BTreeSet<&str> = reading.records.iter().filter(is_end).map(|record| record.operation.as_str()).collect();
    reading.records.iter().filter(move |record| !ended.contains(record.operation.as_str()))
}

/// Joins the records of each operation, in the order in which the operations began.
fn entries(reading: &Reading, lane: &Lane, dead: &BTreeSet<String>) -> Vec<HistoryEntry> {
    let mut order: Vec<&str> = Vec::new();
    let mut joined: BTreeMap<&str, HistoryEntry> = BTreeMap::new();
    for record in reading.records.iter().filter(|record| record.lanes.iter().any(|name| name == lane.name.as_str())) {
        let entry = joined.entry(&record.operation).or_insert_with(|| {
            order.push(&record.operation);
            begun(record, dead)
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

fn begun(record: &Record, dead: &BTreeSet<String>) -> HistoryEntry {
    HistoryEntry {
        operation: record.operation.clone(),
        verb: record.verb.clone(),
        lanes: record.lanes.clone(),
        started_at: None,
        ended_at: None,
        pid: None,
        host: None,
        writer: None,
        state: if dead.contains(&record.operation) { HistoryState::Died } else { HistoryState::Running },
        outcomes: BTreeMap::new(),
        recovered: Vec::new(),
        report: None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mirror_core::operation::Verb;

    use super::*;

    fn record(operation: &str, event: Event) -> Record {
        let (at, verb) = (Timestamp::UNIX_EPOCH, Verb::Sync.into());
        Record { at, operation: operation.to_owned(), verb, lanes: vec!["main".to_owned()], event }
    }

    fn started(operation: &str) -> Record {
        record(operation, Event::Started { pid: 1, host: "here".to_owned() })
    }

    fn ended(operation: &str) -> Record {
        record(operation, Event::Ended { ok: true, outcomes: BTreeMap::new(), report: serde_json::Value::Null })
    }

    fn check(first: &[Record], lifeless: &[&str], second: &[Record], dead: &[&str]) {
        let reading = |records: &[Record]| Reading { records: records.to_vec(), torn: 0 };
        let lifeless = lifeless.iter().map(ToString::to_string).collect();
        let (_, found) = settle(reading(first), lifeless, || Ok(reading(second))).unwrap();
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), dead);
    }

    #[test]
    fn only_what_has_not_ended_and_holds_nothing_is_dead() {
        let (old, new) = (started("old"), started("new"));
        // It ended between the first reading and the look at the lock.
        check(std::slice::from_ref(&old), &["old"], &[old.clone(), ended("old")], &[]);
        // Another one began meanwhile.
        check(std::slice::from_ref(&old), &["old"], &[old.clone(), ended("old"), new.clone()], &[]);
        // It died, and another one began.
        check(std::slice::from_ref(&old), &["old"], &[old.clone(), new], &["old"]);
        check(&[old.clone(), ended("old")], &[], &[], &[]);
    }
}
