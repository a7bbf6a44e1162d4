//! `config check`: the lanes that a configuration has. A wrong one is drawn with its places as an error instead.

use mirror_core::config::NodeKind;
use mirror_core::report::Reported;
use mirror_core::report::config_check::{ConfigCheckReport, ConfiguredLane};

use super::{View, fault};
use crate::output::humanize::count;
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for ConfigCheckReport {
    fn write(&self, page: &mut Page, view: &View) {
        for wrong in Reported::faults(self) {
            fault::put(page, wrong, view);
        }
        if !self.ok {
            return;
        }
        let lanes = count(self.lanes.len() as u64, "lane");
        page.table(&[Row::marked(Mark::Good, [Cell::plain(format!("{} is in order: {lanes}", self.file))])]);
        let rows: Vec<Row> = self
            .lanes
            .iter()
            .map(|lane| {
                let kind = match lane.kind {
                    NodeKind::Local => "local",
                    NodeKind::Cluster => "cluster",
                };
                Row::unmarked([
                    Cell::plain(""),
                    Cell::new(Tone::Strong, lane.node.as_str()),
                    Cell::plain(lane.lane.as_str()),
                    Cell::new(Tone::Dim, kind),
                    Cell::plain(branches(lane)),
                ])
            })
            .collect();
        page.table(&rows);
    }
}

fn branches(lane: &ConfiguredLane) -> String {
    match &lane.gitops {
        Some(gitops) => format!("{}: {} → {gitops}", lane.repository, lane.source),
        None => format!("{}: {}, only built", lane.repository, lane.source),
    }
}
