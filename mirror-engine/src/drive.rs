//! The one loop's frame: lock → open and recover → journal the start → act → journal the end → release.
//!
//! What happens between is the operation's own business ([`Operation::act`]); how it waits, retries and is interrupted is here, once.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mirror_core::fault::{Fault, Retry};
use mirror_core::flush::Backoff;
use mirror_core::name::{CommitId, LaneName};
use mirror_core::operation::{Mode, Verb, WaitForTurn};
use mirror_core::report::LaneReport;
use mirror_store::Tip;
use mirror_transport::fetch::{RefPattern, RemoteRef};

use crate::journal::{Event as Entry, Record};
use crate::ports::{Access, Cache, Clock, Gate, Journal, Opened, Ports, Purpose, Upstream};
use crate::stop::Stop;
use crate::watch::{Event, Phase, Watcher};

/// How often a look or a fetch that failed for a transient reason is tried in all.
const ATTEMPTS: u32 = 4;
/// The pauses between them.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(8) };

/// How the caller wants an operation run.
#[derive(Clone)]
pub struct Terms {
    /// Whether anything may change.
    pub mode: Mode,
    /// Whether to wait for a turn where the cache is busy.
    pub wait: WaitForTurn,
    /// Who listens.
    pub watch: Watcher,
    /// The wish to stop.
    pub stop: Stop,
}

/// An operation on one cache.
pub trait Operation<P: Ports>: Send {
    /// What it came to on one lane.
    type Lane: LaneReport + Send;
    /// The verb.
    const VERB: Verb;
    /// What it looks at upstream for.
    const PURPOSE: Purpose = Purpose::Read;

    /// The lanes it is about.
    fn lanes(&self) -> Vec<LaneName>;

    /// Observes, plans, acts and proves. The lock is held, or the mode is a dry run.
    fn act(&mut self, work: &mut Work<'_, P>) -> impl Future<Output = Vec<Self::Lane>> + Send;

    /// Says of a lane that the operation did not come to act on it.
    fn refused(&self, lane: &LaneName, fault: &Fault) -> Self::Lane;
}

/// The lock of a cache, held until the last clone is dropped.
pub(crate) type HeldLock = Arc<dyn Any + Send + Sync>;

/// What an operation works with while the lock is held.
pub struct Work<'a, P: Ports> {
    /// The world.
    pub ports: &'a mut P,
    /// The cache; `None` on a dry run where it is not there yet.
    pub cache: Option<P::Cache>,
    /// How the caller wants it run.
    pub terms: &'a Terms,
    /// The road to upstream, once it was needed.
    upstream: Option<P::Upstream>,
    /// What the next road is for.
    purpose: Purpose,
    retries: Retries,
    /// The lock, of an operation that changes something.
    held: Option<HeldLock>,
    /// When it has to be over, by the clock's elapsed time.
    due: Duration,
}

/// What an operation came to on one cache.
#[derive(Debug)]
pub struct Ended<L> {
    /// Its lanes.
    pub lanes: Vec<L>,
    /// A fault beside the lanes' own: the journal could not be written.
    pub fault: Option<Fault>,
}

/// Runs one operation on one cache, from the lock to the journal.
///
/// Never fails as a whole: what kept the operation from acting stands in every lane.
pub async fn run<P: Ports, O: Operation<P>>(ports: &mut P, terms: &Terms, operation: &mut O) -> Ended<O::Lane> {
    match terms.mode {
        Mode::DryRun => look_only(ports, terms, operation).await,
        Mode::Confirm => under_lock(ports, terms, operation).await,
    }
}

async fn look_only<P: Ports, O: Operation<P>>(ports: &mut P, terms: &Terms, operation: &mut O) -> Ended<O::Lane> {
    let cache = match ports.open(Access::Read) {
        Ok(opened) => opened.map(|opened| opened.cache),
        Err(fault) => return refuse(operation, &fault),
    };
    let mut work = Work::new(ports, cache, terms, O::PURPOSE);
    let lanes = operation.act(&mut work).await;
    work.finish().await;
    Ended { lanes, fault: None }
}

async fn under_lock<P: Ports, O: Operation<P>>(ports: &mut P, terms: &Terms, operation: &mut O) -> Ended<O::Lane> {
    if let Err(fault) = ports.prepare() {
        return refuse(operation, &fault);
    }
    let holder = ports.holder(O::VERB);
    let held = {
        let acquired = ports.gate().acquire(&holder, terms.wait, &terms.watch);
        tokio::select! {
            biased;
            () = terms.stop.wished() => Err(Fault::interrupted()),
            acquired = acquired => acquired,
        }
    };
    let held: HeldLock = match held {
        Ok(held) => Arc::new(held),
        Err(fault) => return refuse(operation, &fault),
    };
    let Opened { cache, recovered } = match ports.open(Access::Write) {
        Ok(Some(opened)) => opened,
        Ok(None) => unreachable!("a cache opened for writing is there"),
        Err(fault) => return refuse(operation, &fault),
    };
    let lanes: Vec<String> = operation.lanes().iter().map(ToString::to_string).collect();
    let entry = |at, event| Record {
        at,
        operation: holder.operation.clone(),
        verb: O::VERB.into(),
        lanes: lanes.clone(),
        event,
    };
    if !recovered.is_empty() {
        let record = entry(ports.clock().now(), Entry::Recovered { removed: recovered });
        if let Err(fault) = ports.journal().append(&record) {
            return refuse(operation, &fault);
        }
    }
    // Nothing is done that the journal does not know of: an operation it cannot note down does not begin.
    let record = entry(ports.clock().now(), Entry::Started { pid: holder.pid, host: holder.host.clone() });
    if let Err(fault) = ports.journal().append(&record) {
        return refuse(operation, &fault);
    }
    let mut work = Work::new(ports, Some(cache), terms, O::PURPOSE);
    work.held = Some(Arc::clone(&held));
    let ends = operation.act(&mut work).await;
    work.finish().await;
    let record = entry(
        ports.clock().now(),
        Entry::Ended {
            ok: ends.iter().all(LaneReport::ok),
            outcomes: ends
                .iter()
                .map(|end| (end.lane().to_string(), end.outcome().to_owned()))
                .collect::<BTreeMap<_, _>>(),
            report: ends.iter().map(LaneReport::record).collect(),
        },
    );
    let fault = ports.journal().append(&record).err();
    drop(held);
    Ended { lanes: ends, fault }
}

fn refuse<P: Ports, O: Operation<P>>(operation: &O, fault: &Fault) -> Ended<O::Lane> {
    Ended { lanes: operation.lanes().iter().map(|lane| operation.refused(lane, fault)).collect(), fault: None }
}

impl<'a, P: Ports> Work<'a, P> {
    pub(crate) fn new(ports: &'a mut P, cache: Option<P::Cache>, terms: &'a Terms, purpose: Purpose) -> Self {
        let retries = Retries { seed: ports.seed(), made: 0 };
        let due = ports.clock().elapsed() + ports.total();
        Self { ports, cache, terms, upstream: None, purpose, retries, held: None, due }
    }

    /// The lock, for what works on a thread of its own: it is to hold the lock as long as it works, even where the operation is given up.
    pub(crate) fn lock(&self) -> Option<HeldLock> {
        self.held.clone()
    }

    /// Tells a listener that a phase began.
    pub fn phase(&self, phase: Phase) {
        self.terms.watch.event(Event::Phase(phase));
    }

    /// The road to upstream, made at its first use.
    ///
    /// # Errors
    /// Where an identity or a list of known hosts cannot be used.
    pub fn upstream(&mut self) -> Result<(&mut P::Upstream, Option<&P::Cache>), Fault> {
        if self.upstream.is_none() {
            self.upstream = Some(self.ports.upstream(self.purpose)?);
        }
        Ok((self.upstream.as_mut().expect("because it was just made"), self.cache.as_ref()))
    }

    /// Says goodbye to upstream and gives up what the operation held in the cache.
    pub(crate) async fn finish(mut self) {
        if let Some(mut upstream) = self.upstream.take() {
            upstream.close().await;
        }
    }

    /// Counts the deadline of the whole anew: each lane of a flush, and the one controlled sync after it, has all of it.
    pub(crate) fn renew_deadline(&mut self) {
        self.due = self.ports.clock().elapsed() + self.ports.total();
    }

    /// Gives up the connection; the next look opens another, for this purpose.
    pub fn begin_anew(&mut self, purpose: Purpose) {
        self.upstream = None;
        self.purpose = purpose;
    }

    /// The cache of an operation that changes something.
    pub fn cache_mut(&mut self) -> &mut P::Cache {
        self.cache.as_mut().expect("because a confirmed operation opened the cache for writing")
    }

    /// Looks at upstream; transient faults are waited out, a bounded number of times.
    ///
    /// # Errors
    /// The last fault; [`Fault::interrupted`] where the caller wished to stop.
    pub async fn look(&mut self, asked: &[RefPattern]) -> Result<Vec<RemoteRef>, Fault> {
        self.phase(Phase::Observe);
        let terms = self.terms;
        loop {
            let bounds = self.bounds();
            let (upstream, _) = self.upstream()?;
            match bounds.hold(upstream.look(asked, &terms.watch)).await {
                Ok(refs) => return Ok(refs),
                Err(fault) => self.pause_after(fault).await?,
            }
        }
    }

    /// Receives the objects of `tips` into the store, checked and synced; transient faults are waited out.
    ///
    /// # Errors
    /// The last fault; nothing of the transfer is then in the store.
    pub async fn fetch(&mut self, tips: &[Tip], from: &[CommitId]) -> Result<(), Fault> {
        if tips.is_empty() {
            return Ok(());
        }
        let wants: Vec<_> = tips.iter().map(tip_id).collect();
        self.phase(Phase::Fetch);
        let terms = self.terms;
        loop {
            let bounds = self.bounds();
            let (upstream, cache) = self.upstream()?;
            let cache = cache.expect("because only a confirmed operation fetches");
            match bounds.hold(upstream.fetch(cache, &wants, from, &terms.watch)).await {
                Ok(Some(received)) => {
                    self.phase(Phase::Check);
                    return self.cache_mut().accept(received, tips, &|| bounds.check());
                }
                Ok(None) => return Ok(()),
                Err(fault) => self.pause_after(fault).await?,
            }
        }
    }

    async fn pause_after(&mut self, fault: Fault) -> Result<(), Fault> {
        let Some(pause) = self.retries.next(&fault) else { return Err(fault) };
        self.terms.watch.event(Event::Retrying { fault: fault.message, after: pause });
        let bounds = self.bounds();
        let rest = async {
            bounds.clock.sleep(pause).await;
            Ok(())
        };
        bounds.hold(rest).await
    }

    fn bounds(&self) -> Bounds<P::Clock> {
        Bounds {
            clock: self.ports.clock().clone(),
            stop: self.terms.stop.clone(),
            due: self.due,
            total: self.ports.total(),
        }
    }
}

/// What ends an effect before its own end: the caller's wish, or the deadline of the whole operation.
struct Bounds<K> {
    clock: K,
    stop: Stop,
    due: Duration,
    total: Duration,
}

impl<K: Clock> Bounds<K> {
    /// Says whether what cannot be ended from outside should go on.
    fn check(&self) -> Result<(), Fault> {
        match self.clock.elapsed() > self.due {
            _ if self.stop.requested() => Err(Fault::interrupted()),
            true => Err(self.passed()),
            false => Ok(()),
        }
    }

    fn passed(&self) -> Fault {
        Fault { retry: Retry::Never, ..Fault::deadline(self.total) }
    }

    async fn hold<T>(&self, effect: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let left = self.due.saturating_sub(self.clock.elapsed());
        tokio::select! {
            biased;
            ended = until_stopped(&self.stop, effect) => ended,
            () = self.clock.sleep(left) => Err(self.passed()),
        }
    }
}

/// Runs one effect unless the caller wishes to stop first.
///
/// # Errors
/// The effect's own fault, or [`Fault::interrupted`].
pub async fn until_stopped<T>(stop: &Stop, effect: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::select! {
        biased;
        () = stop.wished() => Err(Fault::interrupted()),
        ended = effect => ended,
    }
}

fn tip_id(tip: &Tip) -> CommitId {
    let (Tip::Branch(id) | Tip::Tag(id)) = *tip;
    id
}

/// The retries of one operation: their number is bounded over all its looks and fetches together.
#[derive(Debug)]
struct Retries {
    seed: u64,
    made: u32,
}

impl Retries {
    fn next(&mut self, fault: &Fault) -> Option<Duration> {
        let pause = match fault.retry {
            Retry::Never => return None,
            Retry::Now => Duration::ZERO,
            Retry::Backoff => BACKOFF.pause(self.made, self.seed),
        };
        self.made += 1;
        (self.made < ATTEMPTS).then_some(pause)
    }
}
