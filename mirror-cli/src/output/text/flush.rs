//! `flush`: whether upstream has the GitOps commits of each lane, and how that is known.

use mirror_core::flush::PartialSuccess;
use mirror_core::report::LaneReport;
use mirror_core::report::flush::{FlushReport, FlushWord, LaneFlush};

use super::{Detail, Tense, View, branch, commits, fault, heading, moved, short};
use crate::output::humanize::{ago, count};
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for FlushReport {
    fn write(&self, page: &mut Page, view: &View) {
        heading(page, &self.node, &Tense::of(self.dry_run).title("flush"));
        let mut lanes: Vec<&LaneFlush> = self.lanes.iter().collect();
        lanes.sort_by_key(|lane| mark(lane));
        let rows: Vec<Row> = lanes.into_iter().map(|lane| row(page, lane, view)).collect();
        page.table(&rows);
        if let Some(beside) = &self.fault {
            fault::put(page, beside, view);
        }
    }
}

fn mark(lane: &LaneFlush) -> Mark {
    if lane.fault.is_some() {
        Mark::Failed
    } else if !lane.findings().is_empty() {
        Mark::Finding
    } else if matches!(lane.outcome, FlushWord::WouldPush | FlushWord::NeedsObjects) {
        Mark::Open
    } else {
        Mark::Good
    }
}

fn row(page: &Page, lane: &LaneFlush, view: &View) -> Row {
    let mark = mark(lane);
    let tone = if mark == Mark::Good { Tone::Plain } else { mark.tone() };
    let cells = [Cell::new(Tone::Strong, lane.lane.as_str()), Cell::new(tone, phrase(lane, view))];
    let mut below = Vec::new();
    if let Some(rejection) = lane.push.as_ref().and_then(|push| push.rejection.as_ref())
        && !rejection.words.trim().is_empty()
    {
        below.push(page.paint(Tone::Plain, &format!("upstream says: {}", rejection.words)));
    }
    if let Some(wrong) = &lane.fault {
        below.extend(fault::lines(page, wrong, view));
    }
    if view.detail == Detail::Full {
        below.extend(details(page, lane, view));
    }
    Row::marked(mark, cells).with_below(below)
}

fn phrase(lane: &LaneFlush, view: &View) -> String {
    let name = lane.name.as_ref().map_or_else(|| "the GitOps branch".to_owned(), branch);
    let (here, there) = (short(lane.local), short(lane.upstream));
    let ahead = lane.state.as_ref().and_then(|state| state.ahead);
    let pending = lane.state.as_ref().is_some_and(|state| state.pending_flush);
    let way = moved(lane.upstream, lane.local);
    let seen = lane.observed_at.map(|at| format!(", seen {}", ago(at, view.now))).unwrap_or_default();
    let since = if pending { "; newer commits came since and wait for a flush" } else { "" };
    match (lane.outcome, &lane.fault) {
        (FlushWord::NoGitops, _) => "no GitOps branch by its configuration, nothing to flush".to_owned(),
        (FlushWord::Absent, _) => format!("no {name} here, nothing to flush"),
        (FlushWord::UpToDate, _) => format!("nothing to flush: upstream has {name} at {here}{seen}{since}"),
        (FlushWord::WouldPush, _) => match ahead {
            Some(ahead) => format!("would push {} of {name}: {way}", count(ahead, "commit")),
            None => format!("would push {name}: {way}"),
        },
        (FlushWord::NeedsObjects, _) => format!("needs-objects: only with upstream's {there} here can it be told"),
        (FlushWord::Flushed, _) => format!("flushed: upstream has {name} at {here}{seen}{since}"),
        (FlushWord::Contained, _) => {
            format!("flushed: upstream contains {here} and is at {there} already{seen}{since}")
        }
        (FlushWord::Recovered, _) => {
            format!("flushed: the look after the push failed, one sync then showed {name} at {there}{since}")
        }
        (FlushWord::Behind, _) => format!("nothing to flush: upstream's {name} is ahead at {there}; a sync follows it"),
        (FlushWord::Diverged, _) => {
            let both = lane.state.as_ref().and_then(|state| Some((state.ahead?, state.behind?)));
            match both {
                Some((ahead, behind)) => {
                    format!("{name} diverged: {ahead} only here, {behind} only upstream; nothing was forced")
                }
                None => format!("{name} diverged: {here} here, {there} upstream; nothing was forced"),
            }
        }
        (FlushWord::Rejected, _) => {
            let class = lane
                .push
                .as_ref()
                .and_then(|push| push.rejection.as_ref())
                .map_or("refused", |rejection| rejection.class.as_str());
            format!("upstream refused {} of {name}: {class}", commits(ahead))
        }
        (FlushWord::NotFlushed, Some(wrong)) => format!("not flushed: {}", wrong.message),
        (FlushWord::NotFlushed, None) => "not flushed".to_owned(),
        (FlushWord::Unproved, _) => "upstream took the push, and nothing since has shown it".to_owned(),
        (FlushWord::Unknown, _) => "a push was sent and had no answer; flushing again is safe".to_owned(),
    }
}

fn details(page: &Page, lane: &LaneFlush, view: &View) -> Vec<String> {
    let line = |label: &str, text: &str| {
        format!("{} {}", page.paint(Tone::Dim, &format!("{label:<9}")), page.paint(Tone::Plain, text))
    };
    let mut lines = Vec::new();
    if let Some(push) = &lane.push {
        let word = serde_json::to_value(push.outcome).ok();
        let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
        let tries = count(u64::from(push.attempts), "attempt");
        lines.push(line("push", &format!("{word} in {tries}: {}", moved(push.expected, Some(push.new)))));
    }
    if let Some(recheck) = &lane.recheck {
        let looks = count(u64::from(recheck.looks), "look");
        let seen = recheck.observed_at.map_or_else(
            || "none succeeded".to_owned(),
            |at| format!("tip {}, {}", short(recheck.tip), ago(at, view.now)),
        );
        lines.push(line("recheck", &format!("{looks}: {seen}")));
    }
    match lane.partial_success {
        Some(PartialSuccess::PushSucceededFetchFailed) => {
            let recovered = if lane.partial_success_recovered { "recovered" } else { "not recovered" };
            lines.push(line("partial", &format!("push-succeeded-fetch-failed, {recovered}")));
        }
        None => {}
    }
    if let Some(base) = lane.merge_base {
        lines.push(line("base", &base.short()));
    }
    lines
}
