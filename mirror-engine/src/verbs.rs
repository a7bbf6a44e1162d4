//! What a front end calls: one function a verb, on the lanes of a local node. Each gives the report of its verb, never an error: what
//! kept it from acting stands in the report.

use std::collections::BTreeMap;

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::name::LaneName;
use mirror_core::operation::{Mode, Verb, WaitForTurn};
use mirror_core::report::doctor::DoctorReport;
use mirror_core::report::flush::FlushReport;
use mirror_core::report::history::HistoryReport;
use mirror_core::report::maintain::{LaneMaintain, MaintainReport};
use mirror_core::report::resolve::ResolveReport;
use mirror_core::report::snapshots::{PruneReport, SnapshotsReport};
use mirror_core::report::status::StatusReport;
use mirror_core::report::sync::SyncReport;
use mirror_core::report::{LaneReport, Report};

use crate::doctor;
use crate::drive::{self, Ended, Terms};
use crate::flush::Flush;
use crate::history;
use crate::local::LocalRepository;
use crate::maintain::Maintain;
use crate::node::LocalNode;
use crate::ports::{Access, Ports};
use crate::resolve::AdoptUpstream;
use crate::snapshots::{Prune, Snapshots};
use crate::status::Status;
use crate::stop::Stop;
use crate::sync::Sync;
use crate::watch::Watcher;

/// Brings the declared refs of each lane here, and makes the snapshots of the source tips.
pub async fn sync(node: &LocalNode, lanes: &[&Lane], terms: &Terms) -> SyncReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::Sync);
        let status = status_of(node, repository, &lanes);
        let mut operation = Sync { repository, lanes, prefix: node.prefix(), status };
        ends.add(drive::run(&mut ports, terms, &mut operation).await);
    }
    ends.report(node, lanes).in_mode(terms.mode)
}

/// Brings the GitOps commits of each lane to upstream, and proves it.
pub async fn flush(node: &LocalNode, lanes: &[&Lane], terms: &Terms) -> FlushReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::Flush);
        let status = status_of(node, repository, &lanes);
        let deadline = node.transport().timeouts.total;
        let mut operation = Flush { repository, lanes, prefix: node.prefix(), deadline, status };
        ends.add(drive::run(&mut ports, terms, &mut operation).await);
    }
    ends.report(node, lanes).in_mode(terms.mode)
}

/// Tells what the caches remember. Needs no runtime.
#[must_use]
pub fn status(node: &LocalNode, lanes: &[&Lane]) -> StatusReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::Status);
        ends.add_all(status_of(node, repository, &lanes).read(&mut ports));
    }
    ends.report(node, lanes)
}

/// Looks at upstream, then tells the lanes against what was seen.
pub async fn status_refreshed(node: &LocalNode, lanes: &[&Lane], watch: &Watcher, stop: &Stop) -> StatusReport {
    let terms = Terms { mode: Mode::DryRun, wait: WaitForTurn::No, watch: watch.clone(), stop: stop.clone() };
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::Status);
        let read = status_of(node, repository, &lanes).refreshed(&mut ports, &terms).await;
        ends.add_all(read);
    }
    ends.report(node, lanes)
}

/// Ends the divergence of lanes by taking upstream's tips; the local ones are set aside.
pub async fn resolve_adopt(node: &LocalNode, lanes: &[&Lane], terms: &Terms) -> ResolveReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::LaneResolve);
        let mut operation = AdoptUpstream { repository, lanes };
        ends.add(drive::run(&mut ports, terms, &mut operation).await);
    }
    ends.report(node, lanes).in_mode(terms.mode)
}

/// Lists the snapshots of lanes.
#[must_use]
pub fn snapshots_list(node: &LocalNode, lanes: &[&Lane]) -> SnapshotsReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::SnapshotsList);
        let listed = Snapshots { repository, lanes, prefix: node.prefix() }.list(&mut ports);
        ends.add_all(listed);
    }
    ends.report(node, lanes)
}

/// Drops the snapshots that retention lets go.
pub async fn snapshots_prune(node: &LocalNode, lanes: &[&Lane], terms: &Terms) -> PruneReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::SnapshotsPrune);
        let neighbours = node.node.lanes.values().filter(|lane| lane.repository == repository.name).collect();
        let snapshots = Snapshots { repository, lanes, prefix: node.prefix() };
        let mut operation = Prune { snapshots, retention: &node.snapshots.retention, neighbours };
        ends.add(drive::run(&mut ports, terms, &mut operation).await);
    }
    ends.report(node, lanes).in_mode(terms.mode)
}

/// Tidies the cache of each lane's repository: packs, commit-graph, refs, garbage. Where there is no cache yet, none is made.
pub async fn maintain(node: &LocalNode, lanes: &[&Lane], terms: &Terms) -> MaintainReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::Maintain);
        match ports.open(Access::Read) {
            Ok(None) => {
                let untouched = |lane: &&Lane| LaneMaintain::kept(&lane.name, &repository.name, None);
                ends.add_all(lanes.iter().map(untouched).collect());
            }
            // What else keeps the cache from being opened, the operation tells.
            Ok(Some(_)) | Err(_) => {
                let mut operation = Maintain { repository, lanes, prefix: node.prefix(), space: node.space() };
                ends.add(drive::run(&mut ports, terms, &mut operation).await);
            }
        }
    }
    ends.report(node, lanes).in_mode(terms.mode)
}

/// Tells the newest operations of each lane.
#[must_use]
pub fn history(node: &LocalNode, lanes: &[&Lane], limit: usize) -> HistoryReport {
    let mut ends = Ends::default();
    for (repository, lanes) in node.by_repository(lanes) {
        let mut ports = LocalRepository::new(node, repository, Verb::History);
        ends.add_all(history::history(&mut ports, repository, &lanes, limit));
    }
    ends.report(node, lanes)
}

/// Walks the road of each lane, step by step.
pub async fn doctor(node: &LocalNode, lanes: &[&Lane], watch: &Watcher, stop: &Stop) -> DoctorReport {
    let mut ends = Ends::default();
    for lane in lanes {
        let walked = doctor::walk(node, node.repository(lane), lane, watch, stop).await;
        ends.add_all(vec![walked]);
    }
    ends.report(node, lanes)
}

fn status_of<'a>(node: &'a LocalNode, repository: &'a Repository, lanes: &[&'a Lane]) -> Status<'a> {
    Status { repository, lanes: lanes.to_vec(), prefix: node.prefix(), transport: node.transport() }
}

/// The lanes' ends of several repositories, brought back into the order in which the lanes were asked for.
struct Ends<L> {
    lanes: BTreeMap<LaneName, L>,
    fault: Option<Fault>,
}

impl<L> Default for Ends<L> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new(), fault: None }
    }
}

impl<L: LaneReport> Ends<L> {
    fn add(&mut self, ended: Ended<L>) {
        self.add_all(ended.lanes);
        if self.fault.is_none() {
            self.fault = ended.fault;
        }
    }

    fn add_all(&mut self, ends: Vec<L>) {
        self.lanes.extend(ends.into_iter().map(|end| (end.lane().clone(), end)));
    }

    fn report(mut self, node: &LocalNode, asked: &[&Lane]) -> Report<L> {
        let ends = asked.iter().filter_map(|lane| self.lanes.remove(&lane.name)).collect();
        Report::of(node.node.name.clone(), ends).with_fault(self.fault)
    }
}
