//! `status`: one line a lane with what is wrong first; with `-v` both sides of every branch.

use mirror_core::report::status::{LaneState, LaneStatus, OperationSummary, RefValue, StatusReport};
use mirror_core::report::{Finding, LaneReport};

use super::{Detail, View, fault, heading, short};
use crate::output::humanize::{ago, coarse, count};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for StatusReport {
    fn write(&self, page: &mut Page, view: &View) {
        let wanting = self.lanes.iter().filter(|lane| mark(lane) != Mark::Good).count() as u64;
        let lanes = count(self.lanes.len() as u64, "lane");
        let note = match wanting {
            0 if self.ok => format!("{lanes}, all in sync"),
            _ => format!("{lanes}, {wanting} not as wanted"),
        };
        heading(page, &self.node, &note);
        let mut lanes: Vec<&LaneStatus> = self.lanes.iter().collect();
        lanes.sort_by_key(|lane| mark(lane));
        let rows: Vec<Row> = lanes.into_iter().map(|lane| row(page, lane, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn mark(lane: &LaneStatus) -> Mark {
    match (&lane.fault, lane.findings().is_empty()) {
        (Some(_), _) => Mark::Failed,
        (None, false) => Mark::Finding,
        (None, true) => Mark::Good,
    }
}

fn row(page: &Page, lane: &LaneStatus, view: &View) -> Row {
    let mark = mark(lane);
    let state = &lane.state;
    let name = Cell::new(Tone::Strong, lane.lane.as_str());
    let mut below = Vec::new();
    let row = match &lane.fault {
        Some(wrong) => {
            below.extend(fault::lines(page, wrong, view));
            Row::marked(mark, [name, Cell::new(mark.tone(), &wrong.message)])
        }
        None => {
            let verdict = if mark == Mark::Good { "in sync".to_owned() } else { verdict(state) };
            let tips: Vec<String> = [&state.local_source].into_iter().chain(&state.local_gitops).map(tip).collect();
            let tips = tips.join("  ");
            Row::marked(
                mark,
                [name, Cell::new(mark.tone(), verdict), Cell::plain(tips), Cell::new(Tone::Dim, seen(state, view))],
            )
        }
    };
    if let Some(holder) = &state.running {
        let since = ago(holder.since, view.now);
        let text = format!("{} is running: process {} on {}, began {since}", holder.verb, holder.pid, holder.host);
        below.push(page.paint(Tone::Command, &text));
    }
    below.extend(state.drift.iter().map(|drift| {
        page.paint(Tone::Warn, &format!("drift: {}: {}; repair: {}", drift.object, drift.found, drift.repair))
    }));
    if view.detail == Detail::Full {
        below.extend(details(page, state, view));
    }
    row.with_below(below)
}

/// Everything that is not as wanted, the gravest first.
fn verdict(state: &LaneState) -> String {
    let branch = |value: &RefValue| value.name.as_str().trim_start_matches("refs/heads/").to_owned();
    let gitops = state.local_gitops.as_ref().map_or_else(|| "GitOps".to_owned(), branch);
    let of = |number: Option<u64>| number.map(|number| count(number, "commit"));
    let say = |finding: &Finding| match finding {
        Finding::Diverged => match (state.ahead, state.behind) {
            (Some(ahead), Some(behind)) => format!("{gitops} diverged: {ahead} only here, {behind} only upstream"),
            _ => format!("{gitops} diverged from upstream"),
        },
        Finding::GoneUpstream => format!("upstream has no {} any more", branch(&state.local_source)),
        Finding::PendingFlush => match of(state.ahead) {
            Some(commits) => format!("{commits} to flush"),
            None => format!("{gitops} waits for a flush"),
        },
        Finding::OutOfSync if state.ref_sources.observed_at.is_none() => "upstream was never looked at".to_owned(),
        Finding::OutOfSync => match of(state.behind.filter(|behind| *behind > 0)) {
            Some(commits) => format!("{commits} of {gitops} to sync"),
            None => "not in sync with upstream".to_owned(),
        },
        Finding::SnapshotMissing => "the source tip has no snapshot".to_owned(),
        Finding::Drift => "drift in the cluster".to_owned(),
    };
    state.findings().iter().map(say).collect::<Vec<_>>().join(", ")
}

fn tip(value: &RefValue) -> String {
    format!("{} {}", value.name.as_str().trim_start_matches("refs/heads/"), short(value.commit))
}

fn seen(state: &LaneState, view: &View) -> String {
    match state.ref_sources.observed_at {
        Some(at) => format!("upstream seen {}", ago(at, view.now)),
        None => "upstream never seen".to_owned(),
    }
}

fn details(page: &Page, state: &LaneState, view: &View) -> Vec<String> {
    let line = |label: &str, text: &str| {
        format!("{} {}", page.paint(Tone::Dim, &format!("{label:<9}")), page.paint(Tone::Plain, text))
    };
    let sides = |here: &RefValue, there: &RefValue| {
        let name = here.name.as_str().trim_start_matches("refs/heads/");
        format!("{name}: here {}, upstream {}", short(here.commit), short(there.commit))
    };
    let gitops = match (&state.local_gitops, &state.github_gitops) {
        (Some(here), Some(there)) => match (state.ahead, state.behind) {
            (Some(ahead), Some(behind)) => format!("{}; {ahead} ahead, {behind} behind", sides(here, there)),
            _ => sides(here, there),
        },
        _ => "none: the lane only builds".to_owned(),
    };
    let road = match &state.transport.proxy {
        Some(proxy) => format!("{} through {proxy}", state.transport.endpoint),
        None => format!("{}, directly", state.transport.endpoint),
    };
    let remembered = match state.ref_sources.age_seconds {
        Some(_) if !state.ref_sources.github_fields_are_mirror_stage_cache => "looked at for this status".to_owned(),
        Some(0) => "as the mirror saw it just now (refs/mirror-stage); --refresh looks again".to_owned(),
        Some(age) => format!(
            "as the mirror saw it {} ago (refs/mirror-stage); --refresh looks now",
            coarse(std::time::Duration::from_secs(age))
        ),
        None => "never looked at; --refresh looks now".to_owned(),
    };
    let ended = |summary: &Option<OperationSummary>| match summary {
        Some(summary) => format!("{}, {}", ago(summary.ended_at, view.now), summary.outcome),
        None => "none yet".to_owned(),
    };
    vec![
        line("source", &sides(&state.local_source, &state.github_source)),
        line("gitops", &gitops),
        line("snapshot", state.snapshot.as_ref().map_or("none", |snapshot| snapshot.name.as_str())),
        line("upstream", &remembered),
        line("road", &road),
        line("sync", &ended(&state.last_sync)),
        line("flush", &ended(&state.last_flush)),
    ]
}
