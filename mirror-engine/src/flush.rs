//! Flush: brings the commits of GitOps branches to upstream by fast-forward, and proves it by looking again.
//!
//! Owns the performing of the effects that [`FlushMachine`] asks for, and what the cache remembers afterwards. What is asked for and
//! what it amounts to is the machine's alone.

use std::pin::pin;
use std::time::Duration;

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::flush::{
    Effect, FlushMachine, FlushPlan, FlushPolicy, FlushVerdict, Input, PushEnding, Recovery, Tip, decide,
};
use mirror_core::name::{BranchName, CommitId, LaneName, RefName, RefPrefix};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::flush::LaneFlush;
use mirror_core::sync::{RefEdit, Relation};
use mirror_store::Tip::Branch;
use mirror_transport::fetch::RefPattern;

use crate::drive::{Operation, Work};
use crate::ports::{Cache, Clock, Ports, Purpose, Upstream};
use crate::status::Status;
use crate::sync::Sync;
use crate::watch::Phase;

/// A flush of some lanes of one repository.
#[derive(Debug, Clone)]
pub struct Flush<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes, all of this repository.
    pub lanes: Vec<&'a Lane>,
    /// Where snapshots live: the one controlled sync of a recovery makes them.
    pub prefix: &'a RefPrefix,
    /// How long one lane's flush may take.
    pub deadline: Duration,
    /// How the state of the lanes is read afterwards.
    pub status: Status<'a>,
}

impl<P: Ports> Operation<P> for Flush<'_> {
    type Lane = LaneFlush;
    const VERB: Verb = Verb::Flush;
    const PURPOSE: Purpose = Purpose::Push;

    fn lanes(&self) -> Vec<LaneName> {
        self.lanes.iter().map(|lane| lane.name.clone()).collect()
    }

    async fn act(&mut self, work: &mut Work<'_, P>) -> Vec<LaneFlush> {
        let mut ends = Vec::new();
        for lane in &self.lanes {
            let end = match (&lane.gitops, work.terms.mode) {
                (None, _) => Ok(LaneFlush::no_gitops(&lane.name, &self.repository.name)),
                (Some(gitops), Mode::DryRun) => self.decide(work, lane, gitops).await,
                (Some(gitops), Mode::Confirm) => self.flush(work, lane, gitops).await,
            };
            let end = end.unwrap_or_else(|fault| LaneFlush::failed(&lane.name, &self.repository.name, fault));
            ends.push(match self.status.after(work, &lane.name) {
                Ok(Some(state)) => end.with_state(state),
                Ok(None) => end,
                Err(fault) => end.with_fault(fault),
            });
        }
        ends
    }

    fn refused(&self, lane: &LaneName, fault: &Fault) -> LaneFlush {
        LaneFlush::failed(lane, &self.repository.name, fault.clone())
    }
}

impl Flush<'_> {
    /// Looks once and says what a flush would do. Nothing is fetched.
    async fn decide<P: Ports>(
        &self,
        work: &mut Work<'_, P>,
        lane: &Lane,
        gitops: &BranchName,
    ) -> Result<LaneFlush, Fault> {
        let Some(local) = local_tip(work.cache.as_ref(), gitops)? else { return Ok(self.nothing(lane, gitops)) };
        let refs = work.look(&asked(gitops)).await?;
        let commit = refs.first().map(|seen| seen.target);
        let relation = match (work.cache.as_ref(), commit) {
            (Some(cache), Some(commit)) => Some(cache.relation(local, commit)?),
            _ => None,
        };
        let seen = Tip { commit, relation, observed_at: work.ports.clock().now() };
        Ok(LaneFlush::planned(&lane.name, &self.repository.name, gitops, local, &seen, decide(local, &seen)))
    }

    /// Runs the machine to its verdict, then lets the cache remember what was seen.
    async fn flush<P: Ports>(
        &self,
        work: &mut Work<'_, P>,
        lane: &Lane,
        gitops: &BranchName,
    ) -> Result<LaneFlush, Fault> {
        let Some(local) = local_tip(work.cache.as_ref(), gitops)? else { return Ok(self.nothing(lane, gitops)) };
        work.renew_deadline();
        let plan = FlushPlan { branch: gitops.clone(), local };
        let policy = FlushPolicy { deadline: self.deadline, ..FlushPolicy::default() };
        let mut errand = Errand { flush: self, lane, gitops, local, seen: None };
        let verdict = drive(work, &mut errand, FlushMachine::new(plan, policy, work.ports.seed())).await;
        let end = LaneFlush::ended(&lane.name, &self.repository.name, gitops, local, &verdict);
        // What was pushed was pushed, even where the cache cannot remember that it was seen.
        Ok(match errand.seen.map_or(Ok(()), |seen| remember(work.cache_mut(), gitops, &seen)) {
            Ok(()) => end,
            Err(fault) => end.with_fault(fault),
        })
    }

    fn nothing(&self, lane: &Lane, gitops: &BranchName) -> LaneFlush {
        LaneFlush::nothing(&lane.name, &self.repository.name, gitops)
    }
}

/// Feeds the machine until it has its verdict: effects, their answers, the time, and the wish to stop.
async fn drive<P: Ports>(work: &mut Work<'_, P>, errand: &mut Errand<'_>, mut machine: FlushMachine) -> FlushVerdict {
    let clock = work.ports.clock().clone();
    let stop = work.terms.stop.clone();
    let begun = clock.elapsed();
    let now = || clock.elapsed().saturating_sub(begun);
    let mut stopping = false;
    machine.handle(Duration::ZERO, Input::Start);
    loop {
        if let Some(verdict) = machine.verdict() {
            return verdict.clone();
        }
        let effect = machine.poll_effect();
        let idle = effect.is_none();
        let mut performed = pin!(errand.perform(work, effect));
        // The inner loop lasts as long as one effect: time goes on and the caller may stop while it is under way. An effect the machine
        // no longer waits for is dropped with this scope, and its connection with it.
        loop {
            let pause = machine.poll_timeout().map(|due| due.saturating_sub(now()));
            let tick = async {
                match pause {
                    Some(pause) => clock.sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.wished(), if !stopping => {
                    stopping = true;
                    machine.handle(now(), Input::Interrupt);
                }
                answer = &mut performed => {
                    machine.handle(now(), answer);
                    break;
                }
                () = tick => machine.handle(now(), Input::Tick),
            }
            if idle || machine.verdict().is_some() {
                break;
            }
        }
    }
}

/// One lane's flush under way: performs effects and keeps the last look.
struct Errand<'a> {
    flush: &'a Flush<'a>,
    lane: &'a Lane,
    gitops: &'a BranchName,
    local: CommitId,
    seen: Option<Tip>,
}

impl Errand<'_> {
    /// Performs one effect and gives the machine's input; without an effect, waits for ever.
    async fn perform<P: Ports>(&mut self, work: &mut Work<'_, P>, effect: Option<Effect>) -> Input {
        match effect {
            None => std::future::pending().await,
            Some(Effect::Look { id }) => Input::Looked { id, seen: self.look(work).await },
            Some(Effect::Push { id, expected, new }) => {
                Input::Pushed { id, ending: self.push(work, expected, new).await }
            }
            Some(Effect::Recover { id }) => Input::Recovered { id, result: self.recover(work).await },
        }
    }

    async fn look<P: Ports>(&mut self, work: &mut Work<'_, P>) -> Result<Tip, Fault> {
        work.phase(if self.seen.is_none() { Phase::Observe } else { Phase::Prove });
        let watch = work.terms.watch.clone();
        let (upstream, _) = work.upstream()?;
        let refs = upstream.look(&asked(self.gitops), &watch).await?;
        let observed_at = work.ports.clock().now();
        let commit = refs.first().map(|seen| seen.target);
        let relation = match commit {
            None => None,
            Some(commit) if commit == self.local => Some(Relation::Same),
            Some(commit) => {
                self.receive(work, commit).await?;
                Some(work.cache_mut().relation(self.local, commit)?)
            }
        };
        let tip = Tip { commit, relation, observed_at };
        self.seen = Some(tip);
        Ok(tip)
    }

    /// Brings a tip that somebody else pushed into the cache, on the connection that is open.
    async fn receive<P: Ports>(&self, work: &mut Work<'_, P>, commit: CommitId) -> Result<(), Fault> {
        if work.cache_mut().has(Branch(commit))? {
            return Ok(());
        }
        work.phase(Phase::Fetch);
        let from: Vec<_> = work.cache_mut().find(&self.gitops.stage_ref())?.into_iter().collect();
        let watch = work.terms.watch.clone();
        let (upstream, cache) = work.upstream()?;
        let cache = cache.expect("because a confirmed operation opened the cache");
        match upstream.fetch(cache, &[commit], &from, &watch).await? {
            Some(received) => {
                let stop = work.terms.stop.clone();
                let proceed = || if stop.requested() { Err(Fault::interrupted()) } else { Ok(()) };
                work.cache_mut().accept(received, &[Branch(commit)], &proceed)
            }
            None => Ok(()),
        }
    }

    async fn push<P: Ports>(&self, work: &mut Work<'_, P>, expected: Option<CommitId>, new: CommitId) -> PushEnding {
        work.phase(Phase::Push);
        let name = self.gitops.ref_name();
        let watch = work.terms.watch.clone();
        let (upstream, cache) = match work.upstream() {
            Ok(parts) => parts,
            Err(fault) => return PushEnding::NotSent(fault),
        };
        let cache = cache.expect("because a confirmed operation opened the cache");
        upstream.push(cache, &name, expected, new, &watch).await
    }

    /// The one controlled sync after a push that could not be proved: on a connection of its own, for this lane.
    async fn recover<P: Ports>(&mut self, work: &mut Work<'_, P>) -> Result<Recovery, Fault> {
        work.begin_anew(Purpose::Read);
        work.renew_deadline();
        let Flush { repository, prefix, status, .. } = self.flush;
        let sync = Sync { repository, lanes: vec![self.lane], prefix, status: status.clone() };
        let synced = sync.one_lane(work, self.lane).await?;
        let change = synced.plan.gitops.expect("because only a lane with a GitOps branch is flushed");
        let relation = match change.upstream {
            Some(upstream) => Some(work.cache_mut().relation(self.local, upstream)?),
            None => None,
        };
        let tip = Tip { commit: change.upstream, relation, observed_at: synced.at };
        self.seen = Some(tip);
        Ok(Recovery { tip, outcome: change.outcome })
    }
}

fn asked(gitops: &BranchName) -> [RefPattern; 1] {
    [RefPattern::Exact(gitops.ref_name())]
}

fn local_tip<C: Cache>(cache: Option<&C>, gitops: &BranchName) -> Result<Option<CommitId>, Fault> {
    cache.map_or(Ok(None), |cache| cache.find(&gitops.ref_name()))
}

/// Lets mirror-stage follow what the last look saw. A tip whose objects are not here stays out of it, as does an absent branch:
/// the record of observations says so instead.
fn remember<C: Cache>(cache: &mut C, gitops: &BranchName, seen: &Tip) -> Result<(), Fault> {
    let stage: RefName = gitops.stage_ref();
    if let Some(commit) = seen.commit
        && cache.has(Branch(commit))?
    {
        let edit = RefEdit::bring(stage.clone(), cache.find(&stage)?, commit);
        cache.apply(edit.as_slice(), seen.observed_at)?;
    }
    cache.note_observed(&[(gitops.ref_name(), seen.commit)], seen.observed_at)
}
