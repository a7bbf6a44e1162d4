//! `lane resolve`: what became of a diverged GitOps branch, and where the local tip is kept.

use mirror_core::report::LaneReport;
use mirror_core::report::resolve::{LaneResolve, Resolution, ResolveOutcome, ResolveReport};

use super::{Tense, View, branch, fault, heading, short};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for ResolveReport {
    fn write(&self, page: &mut Page, view: &View) {
        let tense = Tense::of(self.dry_run);
        heading(page, &self.node, &tense.title("lane resolve"));
        let mut lanes: Vec<&LaneResolve> = self.lanes.iter().collect();
        lanes.sort_by_key(|lane| mark(lane, tense));
        let rows: Vec<Row> = lanes.into_iter().map(|lane| row(page, lane, tense, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn mark(lane: &LaneResolve, tense: Tense) -> Mark {
    let open = |resolution: &Resolution| {
        matches!(resolution.outcome, ResolveOutcome::Adopted | ResolveOutcome::NeedsObjects) && tense == Tense::Would
    };
    if lane.fault.is_some() {
        Mark::Failed
    } else if !lane.findings().is_empty() {
        Mark::Finding
    } else if lane.resolution.as_ref().is_some_and(open) {
        Mark::Open
    } else {
        Mark::Good
    }
}

fn row(page: &Page, lane: &LaneResolve, tense: Tense, view: &View) -> Row {
    let mark = mark(lane, tense);
    let name = Cell::new(Tone::Strong, lane.lane.as_str());
    if let Some(wrong) = &lane.fault {
        let row = Row::marked(mark, [name, Cell::new(mark.tone(), &wrong.message)]);
        return row.with_below(fault::lines(page, wrong, view));
    }
    let Some(resolution) = &lane.resolution else {
        return Row::marked(mark, [name, Cell::plain("no GitOps branch by its configuration, nothing to resolve")]);
    };
    let tone = if mark == Mark::Good { Tone::Plain } else { mark.tone() };
    let row = Row::marked(mark, [name, Cell::new(tone, phrase(resolution, tense))]);
    match &resolution.rescue {
        Some(rescue) => {
            let keep = if tense == Tense::Would { "would be kept as" } else { "is kept as" };
            let line = format!("the old tip {} {keep} {rescue}", short(resolution.before));
            row.with_below([page.paint(Tone::Plain, &line)])
        }
        None => row,
    }
}

fn phrase(resolution: &Resolution, tense: Tense) -> String {
    let name = branch(&resolution.name);
    let there = short(resolution.upstream);
    match (resolution.outcome, tense) {
        (ResolveOutcome::NothingToResolve, _) => format!("{name} has not diverged, nothing to resolve"),
        (ResolveOutcome::Adopted, Tense::Did) => format!("{name} adopted upstream's {there}"),
        (ResolveOutcome::Adopted, Tense::Would) => format!("{name} would adopt upstream's {there}"),
        (ResolveOutcome::NothingUpstream, _) => format!("upstream has no {name}, nothing to adopt"),
        (ResolveOutcome::NeedsObjects, _) => {
            format!("{name} needs-objects: only with upstream's {there} here can it be told")
        }
    }
}
