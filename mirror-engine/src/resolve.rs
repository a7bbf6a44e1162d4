//! `lane resolve --adopt-upstream`: ends a divergence by taking upstream's tip, with the local one set aside under a ref of its own.

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::name::{BranchName, CommitId, LaneName, RefName};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::resolve::{LaneResolve, Resolution, ResolveOutcome};
use mirror_core::sync::{RefEdit, Relation};
use mirror_store::Tip;
use mirror_transport::fetch::RefPattern;

use crate::drive::{Operation, Work};
use crate::ports::{Cache, Clock, Ports};
use crate::watch::Phase;

/// Adopts upstream's GitOps tip on some diverged lanes of one repository.
#[derive(Debug, Clone)]
pub struct AdoptUpstream<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes, all of this repository.
    pub lanes: Vec<&'a Lane>,
}

impl<P: Ports> Operation<P> for AdoptUpstream<'_> {
    type Lane = LaneResolve;
    const VERB: Verb = Verb::LaneResolve;

    fn lanes(&self) -> Vec<LaneName> {
        self.lanes.iter().map(|lane| lane.name.clone()).collect()
    }

    async fn act(&mut self, work: &mut Work<'_, P>) -> Vec<LaneResolve> {
        let mut ends = Vec::new();
        for lane in &self.lanes {
            let Some(gitops) = &lane.gitops else {
                ends.push(LaneResolve::no_gitops(&lane.name, &self.repository.name));
                continue;
            };
            ends.push(match self.adopt(work, lane, gitops).await {
                Ok(resolution) => LaneResolve::resolved(&lane.name, &self.repository.name, resolution),
                Err(fault) => LaneResolve::failed(&lane.name, &self.repository.name, fault),
            });
        }
        ends
    }

    fn refused(&self, lane: &LaneName, fault: &Fault) -> LaneResolve {
        LaneResolve::failed(lane, &self.repository.name, fault.clone())
    }
}

impl AdoptUpstream<'_> {
    async fn adopt<P: Ports>(
        &self,
        work: &mut Work<'_, P>,
        lane: &Lane,
        gitops: &BranchName,
    ) -> Result<Resolution, Fault> {
        let name = gitops.ref_name();
        let refs = work.look(&[RefPattern::Exact(name.clone())]).await?;
        let observed_at = work.ports.clock().now();
        let upstream = refs.first().map(|seen| seen.target);
        let before = work.cache.as_ref().map_or(Ok(None), |cache| cache.find(&name))?;
        let mut resolution = Resolution {
            name,
            before,
            upstream,
            after: before,
            rescue: None,
            observed_at,
            outcome: ResolveOutcome::NothingToResolve,
        };
        let (Some(local), Some(tip)) = (before, upstream) else {
            if upstream.is_none() {
                resolution.outcome = ResolveOutcome::NothingUpstream;
            }
            return Ok(resolution);
        };
        if work.terms.mode == Mode::Confirm && !work.cache_mut().has(Tip::Branch(tip))? {
            let from: Vec<_> = work.cache_mut().find(&gitops.stage_ref())?.into_iter().collect();
            work.fetch(&[Tip::Branch(tip)], &from).await?;
        }
        let relation = work.cache.as_ref().map_or(Ok(Relation::NeedsObjects), |cache| cache.relation(local, tip))?;
        match relation {
            Relation::Same | Relation::LocalAhead { .. } | Relation::LocalBehind { .. } => {}
            Relation::NeedsObjects => resolution.outcome = ResolveOutcome::NeedsObjects,
            Relation::Diverged { .. } => {
                let rescue = lane.name.rescue_ref(observed_at, local);
                if work.terms.mode == Mode::Confirm {
                    work.phase(Phase::Commit);
                    self.set_aside(work, gitops, &rescue, local, tip, observed_at)?;
                }
                resolution.outcome = ResolveOutcome::Adopted;
                resolution.after = Some(tip);
                resolution.rescue = Some(rescue);
            }
        }
        Ok(resolution)
    }

    /// The old tip gets its own ref before the branch lets go of it (I2).
    fn set_aside<P: Ports>(
        &self,
        work: &mut Work<'_, P>,
        gitops: &BranchName,
        rescue: &RefName,
        local: CommitId,
        tip: CommitId,
        at: jiff::Timestamp,
    ) -> Result<(), Fault> {
        let cache = work.cache_mut();
        let stage = gitops.stage_ref();
        let staged = cache.find(&stage)?;
        let edits = [
            Some(RefEdit::Create { name: rescue.clone(), new: local }),
            Some(RefEdit::Update { name: gitops.ref_name(), expected: local, new: tip }),
            RefEdit::bring(stage, staged, tip),
        ];
        cache.apply(&edits.into_iter().flatten().collect::<Vec<_>>(), at)?;
        cache.note_observed(&[(gitops.ref_name(), Some(tip))], at)
    }
}
