//! `init`: the file that was written.

use mirror_core::report::init::InitReport;

use super::View;
use crate::output::page::{Cell, Page, Row};
use crate::output::printer::Shown;
use crate::output::style::{Mark, Tone};

impl Shown for InitReport {
    fn write(&self, page: &mut Page, _view: &View) {
        let lane = |lane: &mirror_core::report::config_check::ConfiguredLane| {
            let gitops = lane.gitops.as_ref().map(|branch| format!(", GitOps {branch}")).unwrap_or_default();
            format!("lane {} of {}: source {}{gitops}", lane.lane, lane.repository, lane.source)
        };
        let lanes: Vec<String> = self.lanes.iter().map(lane).collect();
        page.table(&[Row::marked(
            Mark::Good,
            [
                Cell::new(Tone::Strong, format!("wrote {}", self.file)),
                Cell::plain(format!("node {}, {}", self.node, lanes.join("; "))),
            ],
        )]);
    }
}
