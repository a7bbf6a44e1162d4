//! `history`: every operation once, the newest first.

use std::collections::BTreeSet;

use mirror_core::report::history::{HistoryEntry, HistoryReport, HistoryState};

use super::{Detail, View, fault, heading};
use crate::output::humanize::{ago, count, took};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for HistoryReport {
    fn write(&self, page: &mut Page, view: &View) {
        // An operation on several lanes stands with each of them, and is one operation.
        let mut told = BTreeSet::new();
        let entries = self.lanes.iter().flat_map(|lane| &lane.entries);
        let mut entries: Vec<&HistoryEntry> = entries.filter(|entry| told.insert(&entry.operation)).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.started_at.max(entry.ended_at)));
        heading(page, &self.node, &count(entries.len() as u64, "operation"));
        let rows: Vec<Row> = entries.into_iter().map(|entry| row(page, entry, view)).collect();
        page.table(&rows);
        for lane in &self.lanes {
            if let Some(wrong) = &lane.fault {
                let row = Row::marked(
                    Mark::Failed,
                    [Cell::new(Tone::Strong, lane.lane.as_str()), Cell::new(Tone::Bad, &wrong.message)],
                );
                let lines = fault::lines(page, wrong, view);
                page.table(&[row.with_below(lines)]);
            }
        }
        let torn = self.lanes.iter().map(|lane| lane.unreadable_lines).max().unwrap_or(0);
        if torn > 0 {
            page.toned(Tone::Dim, format!("{} of the journal could not be read", count(torn, "line")));
        }
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn row(page: &Page, entry: &HistoryEntry, view: &View) -> Row {
    let (mark, word) = match entry.state {
        HistoryState::Ok => (Mark::Good, None),
        HistoryState::NotOk => (Mark::Finding, None),
        HistoryState::Running => (Mark::Open, Some("running")),
        HistoryState::Died => (Mark::Failed, Some("died without a word")),
    };
    let when = entry.ended_at.max(entry.started_at).map_or_else(|| "?".to_owned(), |at| ago(at, view.now));
    let outcomes: Vec<String> = entry.outcomes.iter().map(|(lane, outcome)| format!("{lane}: {outcome}")).collect();
    let told = match (word, outcomes.is_empty()) {
        (Some(word), _) => format!("{}: {word}", entry.lanes.join(", ")),
        (None, true) => entry.lanes.join(", "),
        (None, false) => outcomes.join(", "),
    };
    let told = match &entry.writer {
        Some(writer) => format!("{told}, by {writer}"),
        None => told,
    };
    let lasted = match (entry.started_at, entry.ended_at) {
        (Some(from), Some(to)) => std::time::Duration::try_from(to.duration_since(from)).map(took).unwrap_or_default(),
        _ => String::new(),
    };
    let row = Row::marked(
        mark,
        [
            Cell::new(Tone::Dim, when),
            Cell::new(Tone::Strong, entry.verb.as_str()),
            Cell::plain(told),
            Cell::new(Tone::Dim, lasted),
        ],
    );
    if view.detail == Detail::Brief {
        return row;
    }
    let by = match (entry.pid, &entry.host) {
        (Some(pid), Some(host)) => format!("operation {}, process {pid} on {host}", entry.operation),
        _ => format!("operation {}", entry.operation),
    };
    let recovered = entry
        .recovered
        .iter()
        .map(|path| page.paint(Tone::Dim, &format!("removed what a dead operation left: {path}")));
    row.with_below(std::iter::once(page.paint(Tone::Dim, &by)).chain(recovered))
}
