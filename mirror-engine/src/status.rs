//! Status: reads what a cache knows of its lanes. Takes no lock, fetches nothing, changes nothing.
//!
//! What the facts amount to is derived by [`mirror_core::status`].

use jiff::Timestamp;
use mirror_core::config::{Lane, Repository, Transport};
use mirror_core::fault::Fault;
use mirror_core::name::{BranchName, CommitId, LaneName, RefPrefix};
use mirror_core::operation::{Mode, RecordedVerb, Verb};
use mirror_core::report::status::{LaneState, LaneStatus, OperationSummary, SnapshotValue};
use mirror_core::status::{BranchFacts, LaneFacts, ObservedTip, Origin, derive};
use mirror_core::sync::{LaneView, Relation};
use mirror_store::Observed;
use mirror_transport::fetch::RefPattern;

use crate::drive::{Terms, Work};
use crate::journal::LastEnds;
use crate::ports::{Access, Cache, Clock, Gate, Journal, Ports, Purpose};

/// Where a status is read from, for some lanes of one repository.
#[derive(Debug, Clone)]
pub struct Status<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes, all of this repository.
    pub lanes: Vec<&'a Lane>,
    /// Where snapshots live.
    pub prefix: &'a RefPrefix,
    /// The road to upstream, as configured.
    pub transport: &'a Transport,
}

/// A look at upstream that was made for a status.
#[derive(Debug)]
struct Fresh {
    tips: Vec<mirror_transport::fetch::RemoteRef>,
    at: Timestamp,
}

impl Status<'_> {
    /// Tells what the cache remembers.
    pub fn read<P: Ports>(&self, ports: &mut P) -> Vec<LaneStatus> {
        self.tell(ports, None)
    }

    /// Looks at upstream first, and tells the lanes against what was seen. Still nothing is changed.
    pub async fn refreshed<P: Ports>(&self, ports: &mut P, terms: &Terms) -> Vec<LaneStatus> {
        let asked: Vec<_> = self
            .lanes
            .iter()
            .flat_map(|lane| lane.branches().map(BranchName::ref_name))
            .map(RefPattern::Exact)
            .collect();
        let mut work = Work::new(ports, None, terms, Purpose::Read);
        let looked = work.look(&asked).await;
        work.finish().await;
        match looked {
            Ok(tips) => {
                let at = ports.clock().now();
                self.tell(ports, Some(&Fresh { tips, at }))
            }
            Err(fault) => {
                let mut lanes = self.tell(ports, None);
                for lane in &mut lanes {
                    lane.fault.get_or_insert_with(|| fault.clone());
                }
                lanes
            }
        }
    }

    fn tell<P: Ports>(&self, ports: &mut P, fresh: Option<&Fresh>) -> Vec<LaneStatus> {
        let now = ports.clock().now();
        let opened = ports.open(Access::Read);
        let last = ports.journal().last();
        let running = ports.gate().holder();
        let tell = |lane: &&Lane| {
            let mut facts = LaneFacts::unread(lane, self.repository, self.transport, now);
            let read = (|| {
                if let Some(opened) = opened.as_ref().map_err(Fault::clone)? {
                    self.read_lane(&opened.cache, lane, &mut facts)?;
                }
                if let Some(fresh) = fresh {
                    look_instead(
                        opened.as_ref().ok().and_then(|opened| opened.as_ref()).map(|o| &o.cache),
                        fresh,
                        &mut facts,
                    )?;
                }
                note_ends(last.as_ref().map_err(Fault::clone)?, lane, &mut facts);
                facts.running = running.as_ref().map_err(Fault::clone)?.clone();
                Ok(())
            })();
            facts.fault = read.err();
            derive(&facts)
        };
        self.lanes.iter().map(tell).collect()
    }

    /// The state of one lane right after a confirmed operation on it, which still holds the lock: nobody else is running. Nothing on a
    /// dry run, whose report is about what would be.
    ///
    /// # Errors
    /// Where the cache cannot be read.
    pub(crate) fn after<P: Ports>(&self, work: &mut Work<'_, P>, lane: &LaneName) -> Result<Option<LaneState>, Fault> {
        let lane = self.lanes.iter().find(|known| known.name == *lane);
        let (Some(lane), Some(cache), Mode::Confirm) = (lane, &work.cache, work.terms.mode) else { return Ok(None) };
        let now = work.ports.clock().now();
        let mut facts = LaneFacts::unread(lane, self.repository, self.transport, now);
        self.read_lane(cache, lane, &mut facts)?;
        note_ends(&work.ports.journal().last()?, lane, &mut facts);
        Ok(Some(derive(&facts).state))
    }

    fn read_lane<C: Cache>(&self, cache: &C, lane: &Lane, facts: &mut LaneFacts) -> Result<(), Fault> {
        let observed = cache.observed()?;
        facts.source = branch(cache, &observed, &lane.source.branch)?;
        facts.gitops = lane.gitops.as_ref().map(|name| branch(cache, &observed, name)).transpose()?;
        facts.gitops_relation = gitops_relation(Some(cache), facts)?;
        if let Some(tip) = facts.source.local {
            let name = LaneView::of(lane, self.prefix).snapshot_of(tip).ref_name();
            facts.snapshot = cache.find(&name)?.map(|commit| SnapshotValue { name, commit });
        }
        Ok(())
    }
}

fn branch<C: Cache>(cache: &C, observed: &Observed, branch: &BranchName) -> Result<BranchFacts, Fault> {
    let seen = observed.refs.get(&branch.ref_name());
    Ok(BranchFacts {
        branch: branch.clone(),
        local: cache.find(&branch.ref_name())?,
        staged: cache.find(&branch.stage_ref())?,
        observed: seen.map(|seen| ObservedTip { commit: seen.commit, observed_at: seen.observed_at }),
    })
}

/// Puts what was just seen in the place of what the cache remembers.
fn look_instead<C: Cache>(cache: Option<&C>, fresh: &Fresh, facts: &mut LaneFacts) -> Result<(), Fault> {
    facts.origin = Origin::Upstream;
    for branch in [&mut facts.source].into_iter().chain(&mut facts.gitops) {
        let name = branch.branch.ref_name();
        let commit: Option<CommitId> = fresh.tips.iter().find(|tip| tip.name == name).map(|tip| tip.target);
        branch.staged = commit;
        branch.observed = Some(ObservedTip { commit, observed_at: fresh.at });
    }
    facts.gitops_relation = gitops_relation(cache, facts)?;
    Ok(())
}

fn gitops_relation<C: Cache>(cache: Option<&C>, facts: &LaneFacts) -> Result<Option<Relation>, Fault> {
    let tips = facts.gitops.as_ref().and_then(|branch| branch.local.zip(branch.staged));
    cache.zip(tips).map(|(cache, (local, upstream))| cache.relation(local, upstream)).transpose()
}

fn note_ends(last: &LastEnds, lane: &Lane, facts: &mut LaneFacts) {
    let end = |verb: Verb| {
        let end = last.get(lane.name.as_str())?.get(&RecordedVerb::from(verb))?;
        Some(OperationSummary {
            operation: end.operation.clone(),
            ended_at: end.at,
            ok: end.ok,
            outcome: end.outcome.clone(),
        })
    };
    facts.last_sync = end(Verb::Sync);
    facts.last_flush = end(Verb::Flush);
}
