//! The upkeep of a cache as an operation: under the lock, in the journal, with a report.
//!
//! What is done to packs and refs is known by `mirror_store`; here is only when it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mirror_core::config::{Lane, Repository};
use mirror_core::fault::Fault;
use mirror_core::name::{LaneName, RefPrefix};
use mirror_core::operation::{Mode, Verb};
use mirror_core::report::maintain::{LaneMaintain, Upkeep};
use mirror_store::git::GitProgram;
use mirror_store::{Cache as Disk, Halt, Pace, UpkeepError, UpkeepRules, UpkeepTools};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::drive::{HeldLock, Operation, Work};
use crate::local::LocalRepository;
use crate::ports::{Clock, Ports};
use crate::space::SpaceGuard;
use crate::stop::Stop;

/// How long one upkeep may hold the cache.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Tidies the cache of one repository.
#[derive(Debug, Clone)]
pub struct Maintain<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The lanes that asked for it, all of this repository. They tell the same.
    pub lanes: Vec<&'a Lane>,
    /// Where snapshots live.
    pub prefix: &'a RefPrefix,
    /// The guard over the disk, below whose mark a new pack must not bring it.
    pub space: Option<&'a Arc<SpaceGuard>>,
}

impl Operation<LocalRepository<'_>> for Maintain<'_> {
    type Lane = LaneMaintain;
    const VERB: Verb = Verb::Maintain;

    fn lanes(&self) -> Vec<LaneName> {
        self.lanes.iter().map(|lane| lane.name.clone()).collect()
    }

    async fn act(&mut self, work: &mut Work<'_, LocalRepository<'_>>) -> Vec<LaneMaintain> {
        let mut rules = UpkeepRules::new(self.prefix.clone(), work.ports.clock().now());
        if let Some(space) = self.space {
            rules.spare_bytes = rules.spare_bytes.max(space.mark());
        }
        let (mode, stop) = (work.terms.mode, work.terms.stop.clone());
        let held = work.lock();
        let (upkeep, fault) = match work.cache.as_mut().map(super::local::LocalCache::lend) {
            None => (None, None),
            Some((_, Some(operation))) if mode == Mode::Confirm => carry_out(operation, held, rules, stop).await,
            Some((disk, _)) => plan(disk, rules).await,
        };
        let end = |lane: &&Lane| match &fault {
            None => LaneMaintain::kept(&lane.name, &self.repository.name, upkeep.clone()),
            Some(fault) => LaneMaintain::failed(&lane.name, &self.repository.name, upkeep.clone(), fault.clone()),
        };
        self.lanes.iter().map(end).collect()
    }

    fn refused(&self, lane: &LaneName, fault: &Fault) -> LaneMaintain {
        LaneMaintain::failed(lane, &self.repository.name, None, fault.clone())
    }
}

type Came = (Option<Upkeep>, Option<Fault>);

async fn plan(disk: Disk, rules: UpkeepRules) -> Came {
    match apart(None, move || disk.plan_upkeep(&rules)).await {
        Ok(upkeep) => (Some(upkeep), None),
        Err(error) => (None, Some(Fault::of(&error))),
    }
}

async fn carry_out(operation: mirror_store::Operation, held: Option<HeldLock>, rules: UpkeepRules, stop: Stop) -> Came {
    let runtime = Handle::current();
    let watched = Watched { stop, is_left: Arc::default() };
    let _leave = Leave(Arc::clone(&watched.is_left));
    apart(held, move || {
        let git = match GitProgram::find() {
            Ok(git) => git,
            Err(error) => return (None, Some(Fault::of(&error))),
        };
        let tools = UpkeepTools { git: &git, runtime, pace: &watched, until: Instant::now() + DEADLINE };
        let kept = operation.maintain(&rules, &tools);
        let fault = kept.error.map(|error| match error {
            UpkeepError::Stopped => Fault::interrupted(),
            error => Fault::of(&error),
        });
        (kept.upkeep, fault)
    })
    .await
}

/// Runs what blocks on a thread of its own, which holds the lock until it is done.
///
/// # Cancel safety
/// Dropping the future ends nothing: the thread works on, and nobody else gets the lock before its end.
async fn apart<T: Send + 'static>(held: Option<HeldLock>, work: impl FnOnce() -> T + Send + 'static) -> T {
    let holding = move || {
        let came = work();
        drop(held);
        came
    };
    match spawn_blocking(holding).await {
        Ok(came) => came,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        // The runtime is ending, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

/// Tells the thread of an upkeep when to end.
struct Watched {
    stop: Stop,
    is_left: Arc<AtomicBool>,
}

impl Pace for Watched {
    fn halt(&self) -> Option<Halt> {
        (self.stop.requested() || self.is_left.load(Ordering::Relaxed)).then_some(Halt::Stopped)
    }
}

/// Whoever waits for the upkeep. Where he goes away, the thread changes nothing more, and then gives back the lock.
struct Leave(Arc<AtomicBool>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn i6_the_lock_is_held_until_the_thread_is_done_although_nobody_waits_for_it() {
        let (go, gate) = mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let held: HeldLock = Arc::new(());
        let seen = Arc::downgrade(&held);
        let (ended, ends) = mpsc::channel::<()>();
        let mut work = Box::pin(apart(Some(held), move || {
            begun.send(()).expect("because the test waits for it");
            gate.recv().expect("because the test lets it go");
            drop(ended);
        }));
        tokio::select! {
            biased;
            () = &mut work => panic!("it waits at the gate"),
            begins = begins => begins.expect("because it begins"),
        }
        drop(work);
        assert!(seen.upgrade().is_some(), "the thread works without the lock");
        go.send(()).expect("because it waits");
        ends.recv().expect_err("because nothing is sent");
        while seen.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn work_that_a_runtime_takes_with_it_is_no_panic() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _inside = handle.enter();
        // The runtime is gone: the work never begins, and is waited for by nobody.
        let mut work = std::pin::pin!(apart(None, || ()));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut context).is_pending());
    }
}
