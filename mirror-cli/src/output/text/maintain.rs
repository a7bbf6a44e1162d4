//! `maintain`: one line a cache, below it what was done; with `-v` every step, and what the cache is made of.

use mirror_core::report::maintain::{
    LaneMaintain, MaintainReport, StoreFacts, TaskOutcome, Upkeep, UpkeepStep, UpkeepTask,
};

use super::{Detail, Tense, View, fault, heading};
use crate::output::humanize::{ago, count, size};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for MaintainReport {
    fn write(&self, page: &mut Page, view: &View) {
        let tense = Tense::of(self.dry_run);
        heading(page, &self.node, &tense.title("maintain"));
        // Lanes of one repository share its cache and tell the same: it is told once.
        let mut caches: Vec<(&LaneMaintain, Vec<&str>)> = Vec::new();
        for lane in &self.lanes {
            match caches.iter_mut().find(|(first, _)| first.repository == lane.repository) {
                Some((_, lanes)) => lanes.push(lane.lane.as_str()),
                None => caches.push((lane, vec![lane.lane.as_str()])),
            }
        }
        let rows: Vec<Row> = caches.iter().map(|(first, lanes)| row(page, first, lanes, tense, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn row(page: &Page, lane: &LaneMaintain, lanes: &[&str], tense: Tense, view: &View) -> Row {
    let name = Cell::new(Tone::Strong, lane.repository.as_str());
    let mut below = Vec::new();
    if let Some(upkeep) = &lane.upkeep {
        below.extend(upkeep.steps.iter().filter(|step| told(step, view)).map(|step| line(page, step, tense)));
        if view.detail == Detail::Full {
            below.extend(stores(page, upkeep, view));
        }
    }
    let row = match (&lane.fault, &lane.upkeep) {
        (Some(wrong), _) => {
            below.extend(fault::lines(page, wrong, view));
            Row::marked(Mark::Failed, [name, Cell::new(Tone::Bad, &wrong.message)])
        }
        (None, None) => Row::marked(Mark::Good, [name, Cell::plain("no cache yet")]),
        (None, Some(upkeep)) => {
            let has = |outcome| upkeep.steps.iter().any(|step| step.outcome == outcome);
            let (mark, word) = match (has(TaskOutcome::Done), has(TaskOutcome::Planned)) {
                (true, _) => (Mark::Good, "tidied"),
                (false, true) => (Mark::Open, "would be tidied"),
                (false, false) => (Mark::Good, "nothing to do"),
            };
            let store = upkeep.after.as_ref().unwrap_or(&upkeep.before);
            let lanes = format!("lane {}", lanes.join(", "));
            Row::marked(mark, [name, Cell::plain(word), Cell::plain(brief(store)), Cell::new(Tone::Dim, lanes)])
        }
    };
    row.with_below(below)
}

/// What a reader in a hurry wants to know: what was done, would be done, or was left undone.
fn told(step: &UpkeepStep, view: &View) -> bool {
    match step.outcome {
        TaskOutcome::Done | TaskOutcome::Planned | TaskOutcome::Skipped => true,
        TaskOutcome::Nothing | TaskOutcome::Waiting => view.detail == Detail::Full,
    }
}

fn line(page: &Page, step: &UpkeepStep, tense: Tense) -> String {
    let items = count(step.items, step.task.item());
    let sizes = match (step.bytes_before, step.bytes_after) {
        (0, 0) => String::new(),
        (before, after) => format!(", {} → {}", size(before), size(after)),
    };
    let what = match step.task {
        UpkeepTask::Garbage => "what nobody finished",
        UpkeepTask::Superseded => "packs that others have replaced",
        UpkeepTask::LooseObjects => "loose objects into a pack",
        UpkeepTask::Unreachable => "objects that no ref reaches",
        UpkeepTask::RollUp => "small packs into one",
        UpkeepTask::CommitGraph => "the commit-graph",
        UpkeepTask::Refs => "refs into the packed file",
    };
    let (tone, text) = match step.outcome {
        TaskOutcome::Nothing => (Tone::Dim, format!("{what}: nothing to do")),
        TaskOutcome::Planned => (Tone::Command, format!("{what}: would take {items}{sizes}")),
        TaskOutcome::Done if tense == Tense::Would => (Tone::Plain, format!("{what}: {items}{sizes}")),
        TaskOutcome::Done => (Tone::Plain, format!("{what}: took {items}{sizes}")),
        TaskOutcome::Waiting => (Tone::Dim, format!("{what}: not yet, {items}{sizes}")),
        TaskOutcome::Skipped => (Tone::Warn, format!("{what}: skipped, {items}{sizes}")),
    };
    let why = step.why.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
    page.paint(tone, &format!("{text}{why}"))
}

fn brief(store: &StoreFacts) -> String {
    let mut parts = vec![format!("{}, {}", count(store.packs, "pack"), size(store.pack_bytes))];
    if store.loose_objects > 0 {
        parts.push(count(store.loose_objects, "loose object"));
    }
    if store.loose_refs > 0 {
        parts.push(count(store.loose_refs, "loose ref"));
    }
    parts.join(", ")
}

fn stores(page: &Page, upkeep: &Upkeep, view: &View) -> Vec<String> {
    let told = |label: &str, store: &StoreFacts| {
        let graph = match store.commit_graph_at {
            Some(at) => format!("commit-graph written {}", ago(at, view.now)),
            None => "no commit-graph".to_owned(),
        };
        let text = format!(
            "{}, {} in {}; {} replaced, {} unreachable; {} loose; {} loose and {} packed; {}; {} free",
            count(store.packs, "pack"),
            count(store.packed_objects, "object"),
            size(store.pack_bytes),
            count(store.superseded_packs, "pack"),
            count(store.unreachable_packs, "pack"),
            count(store.loose_objects, "object"),
            count(store.loose_refs, "ref"),
            store.packed_refs,
            graph,
            size(store.free_bytes),
        );
        format!("{} {}", page.paint(Tone::Dim, &format!("{label:<7}")), page.paint(Tone::Plain, &text))
    };
    let mut lines = vec![told("before", &upkeep.before)];
    lines.extend(upkeep.after.as_ref().map(|store| told("after", store)));
    lines
}
