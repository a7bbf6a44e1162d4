//! Snapshots of lanes: listed, and pruned as retention says.

use std::collections::BTreeSet;

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::name::{CommitId, LaneName, RefPrefix};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::snapshots::{LanePrune, LaneSnapshots};
use mirror_core::snapshot::{PrunePlan, Retention, SnapshotSeen, plan_prune};

use crate::drive::{Operation, Work};
use crate::ports::{Access, Cache, Clock, Ports};

/// Lists the snapshots of some lanes of one repository.
#[derive(Debug, Clone)]
pub struct Snapshots<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes, all of this repository.
    pub lanes: Vec<&'a Lane>,
    /// Where snapshots live.
    pub prefix: &'a RefPrefix,
}

impl Snapshots<'_> {
    /// Lists them. A cache that is not there yet has none.
    pub fn list<P: Ports>(&self, ports: &mut P) -> Vec<LaneSnapshots> {
        let seen = ports.open(Access::Read).and_then(|opened| match opened {
            Some(opened) => opened.cache.snapshots(self.prefix),
            None => Ok(Vec::new()),
        });
        let list = |lane: &&Lane| match &seen {
            Ok(seen) => LaneSnapshots::listed(&lane.name, &self.repository.name, &of_lane(seen, lane)),
            Err(fault) => LaneSnapshots::failed(&lane.name, &self.repository.name, fault.clone()),
        };
        self.lanes.iter().map(list).collect()
    }
}

/// Prunes the snapshots of some lanes of one repository.
#[derive(Debug, Clone)]
pub struct Prune<'a> {
    /// The lanes and where their snapshots live.
    pub snapshots: Snapshots<'a>,
    /// What stays.
    pub retention: &'a Retention,
    /// Every lane of the repository on this node: what any of them uses stays.
    pub neighbours: Vec<&'a Lane>,
}

impl<P: Ports> Operation<P> for Prune<'_> {
    type Lane = LanePrune;
    const VERB: Verb = Verb::SnapshotsPrune;

    fn lanes(&self) -> Vec<LaneName> {
        self.snapshots.lanes.iter().map(|lane| lane.name.clone()).collect()
    }

    async fn act(&mut self, work: &mut Work<'_, P>) -> Vec<LanePrune> {
        let mut ends = Vec::new();
        for lane in &self.snapshots.lanes {
            let repository = &self.snapshots.repository.name;
            ends.push(match self.prune(work, lane) {
                Ok(plan) => LanePrune::pruned(&lane.name, repository, &plan),
                Err(fault) => LanePrune::failed(&lane.name, repository, fault),
            });
        }
        ends
    }

    fn refused(&self, lane: &LaneName, fault: &Fault) -> LanePrune {
        LanePrune::failed(lane, &self.snapshots.repository.name, fault.clone())
    }
}

impl Prune<'_> {
    fn prune<P: Ports>(&self, work: &mut Work<'_, P>, lane: &Lane) -> Result<PrunePlan, Fault> {
        let now = work.ports.clock().now();
        let Some(cache) = &work.cache else { return Ok(plan_prune(&[], &BTreeSet::new(), self.retention, now)) };
        let seen = of_lane(&cache.snapshots(self.snapshots.prefix)?, lane);
        let plan = plan_prune(&seen, &self.in_use(cache)?, self.retention, now);
        if work.terms.mode == Mode::Confirm {
            work.cache_mut().drop_snapshots(&plan.drop)?;
        }
        Ok(plan)
    }

    /// The tips that readers are shown, and those a sync will show next.
    fn in_use<C: Cache>(&self, cache: &C) -> Result<BTreeSet<CommitId>, Fault> {
        let mut used = BTreeSet::new();
        for lane in &self.neighbours {
            used.extend(cache.find(&lane.source.branch.ref_name())?);
            used.extend(cache.find(&lane.source.branch.stage_ref())?);
        }
        Ok(used)
    }
}

fn of_lane(seen: &[SnapshotSeen], lane: &Lane) -> Vec<SnapshotSeen> {
    let is_of_lane = |snapshot: &&SnapshotSeen| {
        snapshot.name.group == lane.source.snapshot_group && snapshot.name.branch == lane.source.branch
    };
    seen.iter().filter(is_of_lane).cloned().collect()
}
