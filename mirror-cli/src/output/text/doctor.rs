//! `doctor`: the steps of the road with their timings, up to the one that fails.

use std::time::Duration;

use mirror_core::report::doctor::{DoctorReport, DoctorStep, LaneDoctor, RoadStep};

use super::{View, fault, heading};
use crate::output::humanize::took;
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for DoctorReport {
    fn write(&self, page: &mut Page, view: &View) {
        let note = if self.ok { "the road to upstream is open" } else { "the road to upstream is blocked" };
        heading(page, &self.node, note);
        // Lanes of one repository share the road, and it is told once.
        let mut told: Vec<(&LaneDoctor, Vec<&str>)> = Vec::new();
        for lane in &self.lanes {
            match told.iter_mut().find(|(other, _)| same_road(other, lane)) {
                Some((_, names)) => names.push(lane.lane.as_str()),
                None => told.push((lane, vec![lane.lane.as_str()])),
            }
        }
        told.sort_by_key(|(lane, _)| lane.ok);
        for (lane, names) in told {
            page.gap();
            road(page, lane, &names.join(", "), view);
        }
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

/// Whether two lanes saw the same on the road; how long it took is chance.
fn same_road(one: &LaneDoctor, other: &LaneDoctor) -> bool {
    let seen = |lane: &LaneDoctor| -> Vec<(RoadStep, bool, String)> {
        lane.steps.iter().map(|step| (step.step, step.ok, step.detail.clone())).collect()
    };
    one.repository == other.repository && one.fault == other.fault && seen(one) == seen(other)
}

fn road(page: &mut Page, lane: &LaneDoctor, names: &str, view: &View) {
    let names = page.paint(Tone::Strong, names);
    let way = match &lane.transport.proxy {
        Some(proxy) => format!("{}: {} through {proxy}", lane.repository, lane.transport.endpoint),
        None => format!("{}: {}, directly", lane.repository, lane.transport.endpoint),
    };
    let way = page.paint(Tone::Dim, &way);
    page.line(format!("{names}  {way}"));
    let mut rows: Vec<Row> = lane.steps.iter().map(|step| row(page, step, view)).collect();
    if let Some(wrong) = &lane.fault
        && !lane.steps.iter().any(|step| step.fault.is_some())
    {
        let lines = fault::lines(page, wrong, view);
        rows.push(Row::marked(Mark::Failed, [Cell::new(Tone::Bad, &wrong.message)]).with_below(lines));
    }
    page.table(&rows);
}

fn row(page: &Page, step: &DoctorStep, view: &View) -> Row {
    let mark = if step.ok { Mark::Good } else { Mark::Failed };
    let seen = match &step.fault {
        Some(wrong) => Cell::new(Tone::Bad, &wrong.message),
        None => Cell::plain(&step.detail),
    };
    let below = step.fault.iter().flat_map(|wrong| fault::lines(page, wrong, view));
    let time = Cell::new(Tone::Dim, took(Duration::from_millis(step.ms)));
    Row::marked(mark, [Cell::new(Tone::Strong, step.step.as_str()), time, seen]).with_below(below)
}
