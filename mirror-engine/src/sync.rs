//! Sync: brings the declared refs of one upstream into its cache and makes the snapshot of every source tip.
//!
//! Owns the order of effects. What becomes of each ref is decided by [`mirror_core::sync`]. It never pushes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mirror_core::config::{Lane, Repository};
use mirror_core::fault::{Classified, Fault, FaultClass, Retry};
use mirror_core::name::{BranchName, CommitId, LaneName, RefName, RefPrefix};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::sync::LaneSync;
use mirror_core::sync::{
    BranchSeen, ExtraKind, ExtraPlan, ExtraSeen, LaneView, Observation, RefChange, RefEdit, SyncPlan, in_order,
    plan_extra, plan_sync,
};
use mirror_store::Tip;
use mirror_transport::fetch::{RefPattern, RemoteRef};

use crate::drive::{Operation, Work};
use crate::ports::{Cache, Clock, Ports};
use crate::status::Status;
use crate::watch::Phase;

/// How often a plan is made anew because somebody moved a ref between reading and writing it.
const ROUNDS: u32 = 3;

const TAGS: &str = "refs/tags/";

/// A sync of some lanes of one repository.
#[derive(Debug, Clone)]
pub struct Sync<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes, all of this repository.
    pub lanes: Vec<&'a Lane>,
    /// Where snapshots live.
    pub prefix: &'a RefPrefix,
    /// How the state of the lanes is read afterwards.
    pub status: Status<'a>,
}

/// What upstream had when it was looked at.
#[derive(Debug, Clone)]
struct Seen {
    tips: BTreeMap<RefName, CommitId>,
    at: Timestamp,
}

/// What a sync came to on one lane.
#[derive(Debug)]
pub(crate) struct Synced {
    /// What was done, or on a dry run would be.
    pub(crate) plan: SyncPlan,
    /// The further refs of the repository, on its first lane.
    pub(crate) extra: Vec<RefChange>,
    /// When upstream was looked at.
    pub(crate) at: Timestamp,
}

type Ends = BTreeMap<LaneName, Result<Synced, Fault>>;

/// What could not be received, or was not written.
#[derive(Debug, Default)]
struct Failed {
    lanes: BTreeMap<LaneName, Fault>,
    /// The further refs of the repository.
    extra: Option<Fault>,
}

/// What was decided for the lanes and the further refs of the repository.
#[derive(Debug, Default)]
struct Plans {
    lanes: BTreeMap<LaneName, Result<SyncPlan, Fault>>,
    extra: ExtraPlan,
}

impl<P: Ports> Operation<P> for Sync<'_> {
    type Lane = LaneSync;
    const VERB: Verb = Verb::Sync;

    fn lanes(&self) -> Vec<LaneName> {
        self.lanes.iter().map(|lane| lane.name.clone()).collect()
    }

    async fn act(&mut self, work: &mut Work<'_, P>) -> Vec<LaneSync> {
        let mut ends = Vec::new();
        for (name, synced) in self.run(work).await {
            let end = match synced {
                Ok(synced) => LaneSync::synced(&name, &self.repository.name, &synced.plan, synced.extra, synced.at),
                Err(fault) => LaneSync::failed(&name, &self.repository.name, fault),
            };
            ends.push(match self.status.after(work, &name) {
                Ok(Some(state)) => end.with_state(state),
                // What the sync came to is known; that the state could not be read on top of it takes nothing back.
                Ok(None) | Err(_) => end,
            });
        }
        ends
    }

    fn refused(&self, lane: &LaneName, fault: &Fault) -> LaneSync {
        LaneSync::failed(lane, &self.repository.name, fault.clone())
    }
}

impl Sync<'_> {
    /// Syncs a single lane as a part of another operation, which holds the lock.
    pub(crate) async fn one_lane<P: Ports>(&self, work: &mut Work<'_, P>, lane: &Lane) -> Result<Synced, Fault> {
        let mut synced = self.run(work).await;
        synced.remove(&lane.name).expect("because every lane was worked on")
    }

    /// Does the whole of it; the lock is held, or the mode is a dry run.
    async fn run<P: Ports>(&self, work: &mut Work<'_, P>) -> Ends {
        let seen = match work.look(&self.asked()).await {
            Ok(refs) => Seen { tips: tips(refs), at: work.ports.clock().now() },
            Err(fault) => return self.all_failed(&fault),
        };
        let mut failed = Failed::default();
        if work.terms.mode == Mode::Confirm {
            failed = self.receive(work, &seen).await;
        }
        let mut plans = match self.plan(work.cache.as_ref(), &seen, &failed) {
            Ok(plans) => plans,
            Err(fault) => return self.all_failed(&fault),
        };
        if work.terms.mode == Mode::Confirm {
            work.phase(Phase::Commit);
            if let Err(fault) = self.commit(work, &seen, &mut plans, &mut failed) {
                return self.all_failed(&fault);
            }
        }
        self.proved(work, &seen, plans)
    }

    /// The refs the configuration declares, and no others.
    fn asked(&self) -> Vec<RefPattern> {
        let branches = self.lane_branches().chain(&self.repository.branches).map(BranchName::ref_name);
        let names: BTreeSet<_> = branches.collect();
        let tags = self.repository.tags.iter().cloned().map(RefPattern::Tags);
        names.into_iter().map(RefPattern::Exact).chain(tags).collect()
    }

    fn lane_branches(&self) -> impl Iterator<Item = &BranchName> {
        self.lanes.iter().flat_map(|lane| lane.branches())
    }

    /// Fetches what is missing. Where one transfer for all fails for good, each lane and the further refs get a transfer of their own,
    /// so that a damaged branch does not keep the others from following.
    async fn receive<P: Ports>(&self, work: &mut Work<'_, P>, seen: &Seen) -> Failed {
        let fault = match self.receive_tips(work, seen.tips.iter().map(tip_of).collect()).await {
            Ok(()) => return Failed::default(),
            Err(fault) => fault,
        };
        let of_lanes: BTreeSet<_> = self.lane_branches().map(BranchName::ref_name).collect();
        let further: Vec<_> = seen.tips.iter().filter(|(name, _)| !of_lanes.contains(*name)).map(tip_of).collect();
        let apart = self.lanes.len() > 1 || !further.is_empty();
        let mut failed = Failed::default();
        if !apart || fault.retry != Retry::Never || work.terms.stop.requested() {
            failed.lanes = self.lanes.iter().map(|lane| (lane.name.clone(), fault.clone())).collect();
            failed.extra = Some(fault);
            return failed;
        }
        for lane in &self.lanes {
            let own = lane.branches().filter_map(|branch| seen.tips.get(&branch.ref_name()));
            let tips = own.copied().map(Tip::Branch).collect();
            if let Err(fault) = self.receive_tips(work, tips).await {
                failed.lanes.insert(lane.name.clone(), fault);
            }
        }
        failed.extra = self.receive_tips(work, further).await.err();
        failed
    }

    async fn receive_tips<P: Ports>(&self, work: &mut Work<'_, P>, tips: Vec<Tip>) -> Result<(), Fault> {
        let cache = work.cache_mut();
        let mut wants = Vec::new();
        for tip in tips {
            if !cache.has(tip)? {
                wants.push(tip);
            }
        }
        let mut from = BTreeSet::new();
        for branch in self.lane_branches().chain(&self.repository.branches) {
            from.extend(cache.find(&branch.stage_ref())?);
        }
        let from: Vec<_> = from.into_iter().collect();
        work.fetch(&wants, &from).await
    }

    fn plan<C: Cache>(&self, cache: Option<&C>, seen: &Seen, failed: &Failed) -> Result<Plans, Fault> {
        let mut plans = Plans::default();
        for lane in &self.lanes {
            let plan = match failed.lanes.get(&lane.name) {
                Some(fault) => Err(fault.clone()),
                None => self.plan_lane(cache, seen, lane),
            };
            plans.lanes.insert(lane.name.clone(), plan);
        }
        if failed.extra.is_none() {
            plans.extra = plan_extra(&self.extras(cache, seen)?);
        }
        Ok(plans)
    }

    fn plan_lane<C: Cache>(&self, cache: Option<&C>, seen: &Seen, lane: &Lane) -> Result<SyncPlan, Fault> {
        let view = LaneView::of(lane, self.prefix);
        let source = branch_seen(cache, seen, &lane.source.branch)?;
        let snapshot = match (cache, source.upstream) {
            (Some(cache), Some(tip)) => cache.find(&view.snapshot_of(tip).ref_name())?,
            _ => None,
        };
        let gitops = lane.gitops.as_ref().map(|branch| branch_seen(cache, seen, branch)).transpose()?;
        let gitops = gitops.unwrap_or_default();
        plan_sync(&Observation { source, gitops, snapshot }, &view).map_err(|refusal| Fault::of(&refusal))
    }

    fn extras<C: Cache>(&self, cache: Option<&C>, seen: &Seen) -> Result<Vec<ExtraSeen>, Fault> {
        let mut extras = Vec::new();
        for branch in &self.repository.branches {
            extras.push(ExtraSeen { kind: ExtraKind::Branch(branch.clone()), seen: branch_seen(cache, seen, branch)? });
        }
        for (name, tip) in seen.tips.iter().filter(|(name, _)| name.as_str().starts_with(TAGS)) {
            let local = cache.map_or(Ok(None), |cache| cache.find(name))?;
            let seen = BranchSeen { upstream: Some(*tip), local, ..BranchSeen::default() };
            extras.push(ExtraSeen { kind: ExtraKind::Tag(name.clone()), seen });
        }
        Ok(extras)
    }

    /// Applies the plans as one ordered transaction. A ref that moved meanwhile makes the plan anew; a lane that cannot be
    /// written at all fails by itself.
    fn commit<P: Ports>(
        &self,
        work: &mut Work<'_, P>,
        seen: &Seen,
        plans: &mut Plans,
        failed: &mut Failed,
    ) -> Result<(), Fault> {
        let mut round = 1;
        while let Err(fault) = work.cache_mut().apply(&plans.edits(), seen.at) {
            if fault.retry == Retry::Never || round == ROUNDS {
                self.commit_apart(work, seen.at, plans, failed);
                break;
            }
            round += 1;
            *plans = self.plan(work.cache.as_ref(), seen, failed)?;
        }
        // The further refs are told of by the first lane, unless it has something of its own to tell.
        if let (Some(fault), Some(first)) = (&failed.extra, self.lanes.first()) {
            let told = plans.lanes.get_mut(&first.name).expect("because every lane was planned");
            if told.is_ok() {
                *told = Err(fault.clone());
            }
        }
        let branches = self.lane_branches().chain(&self.repository.branches).map(BranchName::ref_name);
        let noted: Vec<_> =
            branches.map(|name| (seen.tips.get(&name).copied(), name)).map(|(tip, name)| (name, tip)).collect();
        work.cache_mut().note_observed(&noted, seen.at)?;
        if let Err(fault) = work.cache_mut().tidy(self.prefix) {
            // Nothing is lost by it, and the next sync tries again.
            tracing::warn!(%fault, "snapshot refs could not be packed");
        }
        Ok(())
    }

    /// Applies each lane's plan by itself, then the further refs.
    fn commit_apart<P: Ports>(&self, work: &mut Work<'_, P>, at: Timestamp, plans: &mut Plans, failed: &mut Failed) {
        for (lane, plan) in &mut plans.lanes {
            let Ok(edits) = plan.as_ref().map(|plan| plan.edits.clone()) else { continue };
            if let Err(fault) = work.cache_mut().apply(&edits, at) {
                failed.lanes.insert(lane.clone(), fault.clone());
                *plan = Err(fault);
            }
        }
        if let Err(fault) = work.cache_mut().apply(&plans.extra.edits, at) {
            failed.extra = Some(fault);
        }
    }

    /// Reads back what the plans promised, and gives what is proved.
    fn proved<P: Ports>(&self, work: &Work<'_, P>, seen: &Seen, plans: Plans) -> Ends {
        let Plans { mut lanes, extra } = plans;
        let mut extra = Some(extra.refs);
        let mut ends = Ends::new();
        for lane in &self.lanes {
            let plan = lanes.remove(&lane.name).expect("because every lane was planned");
            let proved = plan.and_then(|plan| match work.terms.mode {
                Mode::Confirm => prove(work.cache.as_ref(), &plan.edits, lane.gitops.as_ref()).map(|()| plan),
                Mode::DryRun => Ok(plan),
            });
            // The further refs belong to the repository; the first lane carries them.
            let end = proved.map(|plan| Synced { plan, extra: extra.take().unwrap_or_default(), at: seen.at });
            ends.insert(lane.name.clone(), end);
        }
        ends
    }

    fn all_failed(&self, fault: &Fault) -> Ends {
        self.lanes.iter().map(|lane| (lane.name.clone(), Err(fault.clone()))).collect()
    }
}

impl Plans {
    fn edits(&self) -> Vec<RefEdit> {
        let lanes = self.lanes.values().flatten().flat_map(|plan| &plan.edits);
        in_order(lanes.chain(&self.extra.edits))
    }
}

fn tip_of((name, id): (&RefName, &CommitId)) -> Tip {
    if name.as_str().starts_with(TAGS) { Tip::Tag(*id) } else { Tip::Branch(*id) }
}

fn tips(refs: Vec<RemoteRef>) -> BTreeMap<RefName, CommitId> {
    refs.into_iter().map(|seen| (seen.name, seen.target)).collect()
}

fn branch_seen<C: Cache>(cache: Option<&C>, seen: &Seen, branch: &BranchName) -> Result<BranchSeen, Fault> {
    let upstream = seen.tips.get(&branch.ref_name()).copied();
    let Some(cache) = cache else { return Ok(BranchSeen { upstream, ..BranchSeen::default() }) };
    let local = cache.find(&branch.ref_name())?;
    let relation = match (local, upstream) {
        (Some(local), Some(upstream)) => Some(cache.relation(local, upstream)?),
        _ => None,
    };
    Ok(BranchSeen { upstream, local, staged: cache.find(&branch.stage_ref())?, relation })
}

/// Reads every edited ref again. The GitOps branch alone may have moved on since: pushes to it need no turn of ours.
fn prove<C: Cache>(cache: Option<&C>, edits: &[RefEdit], gitops: Option<&BranchName>) -> Result<(), Fault> {
    let Some(cache) = cache else { return Ok(()) };
    let gitops = gitops.map(BranchName::ref_name);
    for edit in edits.iter().filter(|edit| Some(edit.name()) != gitops.as_ref()) {
        let found = cache.find(edit.name())?;
        if found != Some(edit.new_value()) {
            return Err(Fault::of(&Unproved { name: edit.name().clone(), wrote: edit.new_value(), found }));
        }
    }
    Ok(())
}

/// A ref did not keep the value that was just written to it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{name} was set to {wrote} and now holds {}", found.map_or_else(|| "nothing".to_owned(), |found| found.to_string()))]
#[diagnostic(
    code(mirror::sync::unproved),
    help("something else writes to this cache; only git-mirror may. Find it, then run the same command again")
)]
struct Unproved {
    name: RefName,
    wrote: CommitId,
    found: Option<CommitId>,
}

impl Classified for Unproved {
    fn class(&self) -> FaultClass {
        FaultClass::Failed
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }
}

#[cfg(test)]
mod tests {
    use mirror_core::name::{GroupName, RepositoryName};
    use mirror_core::report::LaneReport;

    use super::*;

    #[test]
    fn the_journal_keeps_of_the_further_refs_those_that_moved() {
        let commit = |byte| CommitId::from_bytes([byte; 20]);
        let (main, gitops) = (BranchName::parse("main").unwrap(), BranchName::parse("gitops").unwrap());
        let (group, prefix) = (GroupName::parse("app").unwrap(), RefPrefix::parse("refs/mirror/snapshots").unwrap());
        let view = LaneView { source: &main, snapshot_group: &group, gitops: Some(&gitops), prefix: &prefix };
        let still =
            BranchSeen { upstream: Some(commit(1)), local: Some(commit(1)), staged: Some(commit(1)), relation: None };
        let plan =
            plan_sync(&Observation { source: still, snapshot: Some(commit(1)), ..Observation::default() }, &view)
                .unwrap();
        let tag = |name: &str, local| ExtraSeen {
            kind: ExtraKind::Tag(RefName::parse(name).unwrap()),
            seen: BranchSeen { upstream: Some(commit(2)), local, ..BranchSeen::default() },
        };
        let extra = plan_extra(&[
            tag("refs/tags/v1", Some(commit(2))),
            tag("refs/tags/v2", None),
            tag("refs/tags/v3", Some(commit(2))),
        ]);
        let (lane, repository) = (LaneName::parse("main").unwrap(), RepositoryName::parse("app").unwrap());
        let end = LaneSync::synced(&lane, &repository, &plan, extra.refs, Timestamp::UNIX_EPOCH);
        let record = end.record();
        let names = |report: &serde_json::Value| -> Vec<String> {
            report["refs"].as_array().unwrap().iter().map(|line| line["ref"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&record), ["refs/heads/main", "refs/heads/gitops", "refs/tags/v2"]);
        assert_eq!(names(&serde_json::to_value(&end).unwrap()).len(), 5, "the report itself tells all");
    }
}
