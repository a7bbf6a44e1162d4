//! The simulated world behind the driver's ports. Every asynchronous call is a point at which another operator may run.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::fault::{Fault, FaultClass, Retry};
use mirror_core::flush::{PushEnding, RejectionClass};
use mirror_core::name::{CommitId, RefName, RefPrefix};
use mirror_core::operation::{Holder, Mode, Verb, WaitForTurn};
use mirror_core::snapshot::{SnapshotDrop, SnapshotName, SnapshotSeen};
use mirror_core::sync::{RefEdit, Relation};
use mirror_engine::journal::{Event, Last, LastEnds, Reading, Record};
use mirror_engine::ports::{Access, Cache, Clock, Gate, Journal, Opened, Ports, Purpose, Upstream};
use mirror_engine::watch::{Event as Told, Watcher};
use mirror_store::{Observed, ObservedRef, Tip};
use mirror_transport::fetch::{RefPattern, RemoteRef};

use super::model::{Disk, World};

/// The world, shared by everybody in it.
pub(crate) type Shared = Arc<Mutex<World>>;

/// One operator's view of the world.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) world: Shared,
    pub(crate) operator: usize,
    pub(crate) mode: Mode,
}

impl View {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A change by this operator: a dry run never makes one (I10), and only the holder of the lock does (I6).
    fn change(&self) -> Result<MutexGuard<'_, World>, Fault> {
        let mut world = self.world();
        if world.dead.contains(&self.operator) {
            return Err(dead());
        }
        assert_eq!(self.mode, Mode::Confirm, "I10: a dry run changes something");
        assert_eq!(
            world.lock.as_ref().map(|(holder, _)| *holder),
            Some(self.operator),
            "I6: a change without the lock"
        );
        // Now and then the process is killed right here.
        if world.hostility > 0 && world.dice.once_in(60) {
            world.dead.insert(self.operator);
            return Err(dead());
        }
        Ok(world)
    }
}

fn fault(code: &str, class: FaultClass, retry: Retry) -> Fault {
    let mut fault = Fault::interrupted();
    fault.code = code.to_owned();
    fault.message = code.to_owned();
    (fault.class, fault.retry) = (class, retry);
    fault
}

fn dead() -> Fault {
    fault("sim::dead", FaultClass::Failed, Retry::Never)
}

fn flaky(world: &mut World) -> Fault {
    let retry = if world.dice.once_in(6) { Retry::Never } else { Retry::Backoff };
    fault("sim::line", FaultClass::Upstream, retry)
}

/// Gives the others a turn.
fn turn() -> impl Future<Output = ()> + Send {
    struct Turn(bool);
    impl Future for Turn {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
        }
    }
    Turn(false)
}

impl Cache for View {
    type Received = BTreeSet<CommitId>;

    fn find(&self, name: &RefName) -> Result<Option<CommitId>, Fault> {
        Ok(self.world().disk().refs.get(name).copied())
    }

    fn has(&self, tip: Tip) -> Result<bool, Fault> {
        let (Tip::Branch(id) | Tip::Tag(id)) = tip;
        Ok(self.world().disk().objects.contains(&id))
    }

    fn relation(&self, local: CommitId, upstream: CommitId) -> Result<Relation, Fault> {
        let mut world = self.world();
        let here = world.disk().objects.contains(&local) && world.disk().objects.contains(&upstream);
        Ok(if here { world.graph.relation(local, upstream) } else { Relation::NeedsObjects })
    }

    fn accept(
        &mut self,
        received: BTreeSet<CommitId>,
        tips: &[Tip],
        proceed: &dyn Fn() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        proceed()?;
        let mut world = self.change()?;
        for tip in tips {
            let (Tip::Branch(id) | Tip::Tag(id)) = *tip;
            let there = received.contains(&id) || world.disk().objects.contains(&id);
            assert!(there, "a tip that was not received is accepted");
        }
        world.disk().objects.extend(received);
        Ok(())
    }

    fn apply(&mut self, edits: &[RefEdit], at: Timestamp) -> Result<(), Fault> {
        let mut world = self.change()?;
        for edit in edits {
            let found = world.disk().refs.get(edit.name()).copied();
            if found != edit.expected() {
                return Err(fault("sim::stale", FaultClass::Failed, Retry::Now));
            }
        }
        if world.fails() {
            return Err(fault("sim::locked", FaultClass::Failed, Retry::Backoff));
        }
        // A crash between two edits leaves the earlier ones, and a lock behind.
        let crash = world.hostility > 0 && world.dice.once_in(25);
        let kept = if crash { world.dice.below(edits.len() as u64 + 1) as usize } else { edits.len() };
        for edit in &edits[..kept] {
            world.write(edit);
            let name = edit.name().clone();
            world.disk().made_at.entry(name).or_insert(at);
        }
        if crash {
            world.disk().leftovers.push("lock".to_owned());
            world.dead.insert(self.operator);
            return Err(dead());
        }
        Ok(())
    }

    fn drop_snapshots(&mut self, drops: &[SnapshotDrop]) -> Result<(), Fault> {
        let mut world = self.change()?;
        for drop in drops {
            let name = drop.name.ref_name();
            assert_eq!(world.disk().refs.get(&name), Some(&drop.expected), "I1: another snapshot was dropped");
            world.disk().refs.remove(&name);
            world.snapshots_ever.remove(&name);
        }
        Ok(())
    }

    fn snapshots(&self, prefix: &RefPrefix) -> Result<Vec<SnapshotSeen>, Fault> {
        let mut world = self.world();
        let disk = world.disk();
        let names =
            disk.refs.keys().filter_map(|name| Some((SnapshotName::parse(prefix, name).ok()?, disk.made_at.get(name))));
        Ok(names.map(|(name, at)| SnapshotSeen { name, made_at: at.copied().unwrap_or_default() }).collect())
    }

    fn observed(&self) -> Result<Observed, Fault> {
        Ok(self.world().disk().observed.clone())
    }

    fn note_observed(&mut self, seen: &[(RefName, Option<CommitId>)], at: Timestamp) -> Result<(), Fault> {
        let mut world = self.change()?;
        for (name, commit) in seen {
            world.disk().observed.refs.insert(name.clone(), ObservedRef { commit: *commit, observed_at: at });
        }
        Ok(())
    }

    fn tidy(&mut self, _prefix: &RefPrefix) -> Result<(), Fault> {
        self.change().map(drop)
    }
}

impl Upstream<View> for View {
    async fn look(&mut self, asked: &[RefPattern], _: &Watcher) -> Result<Vec<RemoteRef>, Fault> {
        turn().await;
        let seen = {
            let mut world = self.world();
            if world.fails() {
                return Err(flaky(&mut world));
            }
            let matching = world.upstream.iter().filter(|(name, _)| asked.iter().any(|one| one.matches(name.as_str())));
            matching.map(|(name, target)| RemoteRef { name: name.clone(), target: *target, peeled: None }).collect()
        };
        // No turn between the look and its return: the time the driver notes is the time of the look.
        Ok(seen)
    }

    async fn fetch(
        &mut self,
        _: &View,
        wants: &[CommitId],
        _from: &[CommitId],
        _: &Watcher,
    ) -> Result<Option<BTreeSet<CommitId>>, Fault> {
        turn().await;
        turn().await;
        let mut world = self.world();
        if world.fails() {
            return Err(flaky(&mut world));
        }
        let received = wants.iter().flat_map(|want| world.graph.history(*want).collect::<Vec<_>>()).collect();
        Ok(Some(received))
    }

    async fn push(
        &mut self,
        _: &View,
        name: &RefName,
        expected: Option<CommitId>,
        new: CommitId,
        _: &Watcher,
    ) -> PushEnding {
        turn().await;
        if let Err(fault) = self.change().map(drop) {
            return PushEnding::NotSent(fault);
        }
        {
            let mut world = self.world();
            if world.fails() {
                let fault = flaky(&mut world);
                return if world.dice.once_in(2) { PushEnding::NotSent(fault) } else { PushEnding::Unknown(fault) };
            }
            let found = world.upstream.get(name).copied();
            if found != expected {
                return PushEnding::Rejected { class: RejectionClass::Stale, words: "stale info".to_owned() };
            }
            if let Some(old) = found {
                assert!(world.graph.contains(new, old), "I3: a push that is no fast-forward was asked for");
            }
            if world.hostility > 0 && world.dice.once_in(40) {
                return PushEnding::Rejected { class: RejectionClass::HookDeclined, words: "hook declined".to_owned() };
            }
            world.set_upstream(name, Some(new));
        }
        turn().await;
        let mut world = self.world();
        if world.fails() { PushEnding::Unknown(flaky(&mut world)) } else { PushEnding::Accepted }
    }

    async fn close(&mut self) {
        turn().await;
    }
}

impl Clock for View {
    fn now(&self) -> Timestamp {
        self.world().now()
    }

    fn elapsed(&self) -> Duration {
        self.world().elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        let due = self.elapsed() + pause;
        while self.elapsed() < due {
            turn().await;
        }
    }
}

impl Journal for View {
    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        let mut world = self.change()?;
        world.disk().journal.push(record.clone());
        Ok(())
    }

    fn read(&self, _limit: usize) -> Result<Reading, Fault> {
        Ok(Reading { records: self.world().disk().journal.clone(), torn: 0 })
    }

    fn last(&self) -> Result<LastEnds, Fault> {
        let mut world = self.world();
        let mut last = LastEnds::new();
        for record in world.disk.iter().flat_map(|disk| &disk.journal) {
            let Event::Ended { ok, outcomes, .. } = &record.event else { continue };
            for (lane, outcome) in outcomes {
                let end =
                    Last { at: record.at, ok: *ok, outcome: outcome.clone(), operation: record.operation.clone() };
                last.entry(lane.clone()).or_default().insert(record.verb.clone(), end);
            }
        }
        world.pass(Duration::ZERO);
        Ok(last)
    }
}

/// The lock, released where its holder lets go or dies.
pub(crate) struct Held(View);

impl Drop for Held {
    fn drop(&mut self) {
        let mut world = self.0.world();
        if world.lock.as_ref().is_some_and(|(holder, _)| *holder == self.0.operator) {
            world.lock = None;
        }
    }
}

impl Gate for View {
    type Held = Held;

    async fn acquire(&self, holder: &Holder, wait: WaitForTurn, watch: &Watcher) -> Result<Held, Fault> {
        let patience = match wait {
            WaitForTurn::No => Duration::ZERO,
            WaitForTurn::UpTo(patience) => patience,
        };
        let due = self.elapsed() + patience;
        loop {
            {
                let mut world = self.world();
                if world.lock.is_none() {
                    world.lock = Some((self.operator, holder.clone()));
                    return Ok(Held(self.clone()));
                }
            }
            if self.elapsed() >= due {
                return Err(fault("mirror::lock::busy", FaultClass::Busy, Retry::Backoff));
            }
            watch.event(Told::Waiting { holder: "another operator".to_owned() });
            turn().await;
        }
    }

    fn holder(&self) -> Result<Option<Holder>, Fault> {
        Ok(self.world().lock.as_ref().map(|(_, holder)| holder.clone()))
    }
}

impl Ports for View {
    type Cache = View;
    type Upstream = View;
    type Clock = View;
    type Journal = View;
    type Gate = View;

    fn prepare(&mut self) -> Result<(), Fault> {
        self.world().disk.get_or_insert_with(Disk::default);
        Ok(())
    }

    fn open(&mut self, access: Access) -> Result<Option<Opened<View>>, Fault> {
        if self.world().disk.is_none() {
            return Ok(None);
        }
        let mut recovered = Vec::new();
        if access == Access::Write {
            recovered = std::mem::take(&mut self.change()?.disk().leftovers);
        }
        Ok(Some(Opened { cache: self.clone(), recovered }))
    }

    fn upstream(&mut self, _purpose: Purpose) -> Result<View, Fault> {
        Ok(self.clone())
    }

    fn clock(&self) -> &View {
        self
    }

    fn journal(&mut self) -> &mut View {
        self
    }

    fn gate(&self) -> &View {
        self
    }

    fn holder(&self, verb: Verb) -> Holder {
        let since = self.now();
        let operation = format!("{verb}-{}-{}", since.as_millisecond(), self.operator);
        Holder { operation, verb: verb.into(), pid: self.operator as u32, host: "sim".to_owned(), since }
    }

    fn total(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn seed(&self) -> u64 {
        self.world().dice.next()
    }
}
