//! `sync`: what became of each branch, what is wrong first; a dry run says what would become of it.

use mirror_core::name::CommitId;
use mirror_core::report::sync::{LaneSync, RefLine, SyncReport};
use mirror_core::report::{Finding, LaneReport};
use mirror_core::sync::{RefKind, RefOutcome, SnapshotOutcome};

use super::{Detail, Tense, View, branch, commits, fault, heading, moved, short};
use crate::output::humanize::{ago, count};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

/// What repairs a branch that upstream lacks.
const GONE_HELP: &str = "push the branch upstream, or correct its name in the configuration";

impl Shown for SyncReport {
    fn write(&self, page: &mut Page, view: &View) {
        let tense = Tense::of(self.dry_run);
        let looked = self.lanes.iter().filter_map(|lane| lane.observed_at).min();
        let looked =
            looked.map_or_else(|| "upstream not seen".to_owned(), |at| format!("upstream seen {}", ago(at, view.now)));
        heading(page, &self.node, &format!("{}, {looked}", tense.title("sync")));
        let mut lanes: Vec<&LaneSync> = self.lanes.iter().collect();
        lanes.sort_by_key(|lane| mark(lane, tense));
        let rows: Vec<Row> = lanes.into_iter().map(|lane| row(page, lane, tense, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn mark(lane: &LaneSync, tense: Tense) -> Mark {
    let open = |line: &RefLine| line.before != line.after || line.outcome == RefOutcome::NeedsObjects;
    if lane.fault.is_some() {
        Mark::Failed
    } else if !lane.findings().is_empty() {
        Mark::Finding
    } else if tense == Tense::Would && lane.refs.iter().any(open) {
        Mark::Open
    } else {
        Mark::Good
    }
}

fn row(page: &Page, lane: &LaneSync, tense: Tense, view: &View) -> Row {
    let mark = mark(lane, tense);
    let name = Cell::new(Tone::Strong, lane.lane.as_str());
    if let Some(wrong) = &lane.fault {
        let row = Row::marked(mark, [name, Cell::new(mark.tone(), &wrong.message)]);
        return row.with_below(fault::lines(page, wrong, view));
    }
    let is_of_lane = |line: &&RefLine| matches!(line.kind, RefKind::Source | RefKind::Gitops);
    let mut of_lane: Vec<&RefLine> = lane.refs.iter().filter(is_of_lane).collect();
    of_lane.sort_by_key(|line| gravity(line.outcome));
    let mut told: Vec<String> = of_lane.into_iter().map(|line| phrase(line, tense)).collect();
    told.extend(lane.snapshots.iter().filter_map(|line| match (line.outcome, tense) {
        (SnapshotOutcome::Created, Tense::Did) => Some("snapshot made".to_owned()),
        (SnapshotOutcome::Created, Tense::Would) => Some("would make its snapshot".to_owned()),
        // The branch says that its objects are missing; the snapshot follows from that.
        (SnapshotOutcome::NeedsObjects | SnapshotOutcome::Present, _) => None,
    }));
    told.extend(further(lane, tense));
    let row = Row::marked(
        mark,
        [name, Cell::new(if mark == Mark::Good { Tone::Plain } else { mark.tone() }, told.join("; "))],
    );
    let mut below = Vec::new();
    if lane.findings().contains(&Finding::GoneUpstream) {
        let label = page.paint(Tone::Command, "help:");
        below.push(format!("{label} {}", page.paint(Tone::Plain, GONE_HELP)));
    }
    if view.detail == Detail::Full {
        below.extend(details(page, lane, tense));
    }
    row.with_below(below)
}

/// What is wrong stands first, what stayed as it was last.
fn gravity(outcome: RefOutcome) -> u8 {
    match outcome {
        RefOutcome::Diverged => 0,
        RefOutcome::GoneUpstream => 1,
        RefOutcome::PendingFlush => 2,
        RefOutcome::Rewound => 3,
        RefOutcome::NeedsObjects => 4,
        RefOutcome::Created | RefOutcome::FastForwarded => 5,
        RefOutcome::UpToDate | RefOutcome::Absent => 6,
    }
}

fn phrase(line: &RefLine, tense: Tense) -> String {
    let name = branch(&line.name);
    let would = |done: &str, wish: &str| match tense {
        Tense::Did => format!("{name} {done}"),
        Tense::Would => format!("{name} would {wish}"),
    };
    let way = moved(line.before, line.after);
    match line.outcome {
        RefOutcome::UpToDate => format!("{name} up to date"),
        RefOutcome::Absent => format!("{name} is neither here nor upstream"),
        RefOutcome::Created => format!("{} at {}", would("created", "be created"), short(line.after)),
        RefOutcome::FastForwarded => match line.behind {
            Some(behind) => format!("{} {way} ({})", would("forwarded", "be forwarded"), count(behind, "commit")),
            None => format!("{} {way}", would("forwarded", "be forwarded")),
        },
        RefOutcome::Rewound => {
            format!("{} {way} as upstream was (its snapshot keeps the old tip)", would("rewound", "be rewound"))
        }
        RefOutcome::GoneUpstream if line.before.is_none() => {
            format!("upstream has no {name}, and neither has the mirror")
        }
        RefOutcome::GoneUpstream => format!("upstream has no {name}; nothing is deleted here"),
        RefOutcome::PendingFlush => format!("{name} has {} to flush", commits(line.ahead)),
        RefOutcome::Diverged => match (line.ahead, line.behind) {
            (Some(ahead), Some(behind)) => {
                format!("{name} diverged: {ahead} only here, {behind} only upstream; left as it is")
            }
            _ => format!("{name} diverged from upstream; left as it is"),
        },
        RefOutcome::NeedsObjects => {
            format!("{name} needs-objects: only with upstream's {} here can it be told", short(line.upstream))
        }
    }
}

/// The further branches and tags of the repository, counted.
fn further(lane: &LaneSync, tense: Tense) -> Option<String> {
    let lines = lane.refs.iter().filter(|line| matches!(line.kind, RefKind::Branch | RefKind::Tag));
    let moved = lines.filter(|line| line.before != line.after).count() as u64;
    match (moved, tense) {
        (0, _) => None,
        (moved, Tense::Did) => Some(format!("{} updated", count(moved, "further ref"))),
        (moved, Tense::Would) => Some(format!("{} would be updated", count(moved, "further ref"))),
    }
}

fn details(page: &Page, lane: &LaneSync, tense: Tense) -> Vec<String> {
    let value = |commit: Option<CommitId>| short(commit);
    let refs = lane.refs.iter().map(|line| {
        let word = format!("{:<14}", line.outcome);
        let text = format!(
            "{}  {} → {} (upstream {})",
            line.name,
            value(line.before),
            value(line.after),
            value(line.upstream)
        );
        let base = line.merge_base.map(|base| format!(", merge base {}", base.short())).unwrap_or_default();
        format!("{} {}", page.paint(Tone::Dim, &word), page.paint(Tone::Plain, &(text + &base)))
    });
    let snapshots = lane.snapshots.iter().map(|line| {
        let word = match (line.outcome, tense) {
            (SnapshotOutcome::Created, Tense::Did) => "snapshot made",
            (SnapshotOutcome::Created, Tense::Would) => "would make",
            (SnapshotOutcome::Present, _) => "snapshot there",
            (SnapshotOutcome::NeedsObjects, _) => "needs-objects",
        };
        format!("{} {}", page.paint(Tone::Dim, &format!("{word:<14}")), page.paint(Tone::Plain, line.name.as_str()))
    });
    refs.chain(snapshots).collect()
}
