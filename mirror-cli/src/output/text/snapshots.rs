//! `snapshots list` and `snapshots prune`.

use mirror_core::report::snapshots::{LanePrune, LaneSnapshots, PruneReport, SnapshotEntry, SnapshotsReport};
use mirror_core::snapshot::KeepReason;

use super::{Detail, Tense, View, fault, heading};
use crate::output::humanize::{ago, count};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for SnapshotsReport {
    fn write(&self, page: &mut Page, view: &View) {
        let number: usize = self.lanes.iter().map(|lane| lane.snapshots.len()).sum();
        heading(page, &self.node, &count(number as u64, "snapshot"));
        for lane in &self.lanes {
            list(page, lane, view);
        }
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn list(page: &mut Page, lane: &LaneSnapshots, view: &View) {
    let name = page.paint(Tone::Strong, lane.lane.as_str());
    if let Some(wrong) = &lane.fault {
        let row = Row::marked(
            Mark::Failed,
            [Cell::new(Tone::Strong, lane.lane.as_str()), Cell::new(Tone::Bad, &wrong.message)],
        );
        let lines = fault::lines(page, wrong, view);
        page.table(&[row.with_below(lines)]);
    } else if lane.snapshots.is_empty() {
        page.line(format!("{name}  no snapshots yet"));
    } else {
        page.line(name);
        let row = |entry: &SnapshotEntry| {
            let age = Cell::new(Tone::Dim, ago(entry.made_at, view.now));
            Row::unmarked([Cell::plain(""), Cell::plain(entry.commit.short()), age, Cell::plain(entry.name.as_str())])
        };
        let rows: Vec<Row> = lane.snapshots.iter().map(row).collect();
        page.table(&rows);
    }
}

impl Shown for PruneReport {
    fn write(&self, page: &mut Page, view: &View) {
        let tense = Tense::of(self.dry_run);
        heading(page, &self.node, &tense.title("snapshots prune"));
        let rows: Vec<Row> = self.lanes.iter().map(|lane| pruned(page, lane, tense, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn pruned(page: &Page, lane: &LanePrune, tense: Tense, view: &View) -> Row {
    let name = Cell::new(Tone::Strong, lane.lane.as_str());
    if let Some(wrong) = &lane.fault {
        let row = Row::marked(Mark::Failed, [name, Cell::new(Tone::Bad, &wrong.message)]);
        return row.with_below(fault::lines(page, wrong, view));
    }
    let dropped = count(lane.dropped.len() as u64, "snapshot");
    let (mark, told) = match (lane.dropped.is_empty(), tense) {
        (true, _) if lane.kept.is_empty() => (Mark::Good, "no snapshots yet".to_owned()),
        (true, _) => (Mark::Good, "nothing to drop".to_owned()),
        (false, Tense::Did) => (Mark::Good, format!("dropped {dropped}")),
        (false, Tense::Would) => (Mark::Open, format!("would drop {dropped}")),
    };
    let kept = |reason| lane.kept.iter().filter(|kept| kept.reason == reason).count() as u64;
    let reasons = [(KeepReason::InUse, "in use"), (KeepReason::Newest, "newest"), (KeepReason::Young, "young")];
    let reasons = reasons.map(|(reason, word)| (kept(reason), word)).into_iter().filter(|(number, _)| *number > 0);
    let reasons: Vec<String> = reasons.map(|(number, word)| format!("{number} {word}")).collect();
    let stay = match reasons.is_empty() {
        true => String::new(),
        false => format!("{} stay: {}", lane.kept.len(), reasons.join(", ")),
    };
    let row = Row::marked(mark, [name, Cell::plain(told), Cell::new(Tone::Dim, stay)]);
    if view.detail == Detail::Brief {
        return row;
    }
    let word = if tense == Tense::Would { "would drop" } else { "dropped" };
    row.with_below(lane.dropped.iter().map(|snapshot| page.paint(Tone::Plain, &format!("{word} {}", snapshot.name))))
}
