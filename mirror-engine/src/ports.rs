//! How the driver sees the world: traits that a real disk and socket, and a simulated world, both keep.
//!
//! The traits hold mechanism only. No method decides what should happen, retries by itself, or prints. Faults come as the
//! reports' own [`Fault`], because the driver needs no more of an error than its class, its retry rule and its words.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::fault::Fault;
use mirror_core::flush::PushEnding;
use mirror_core::name::{CommitId, RefName, RefPrefix};
use mirror_core::operation::{Holder, Verb, WaitForTurn};
use mirror_core::snapshot::{SnapshotDrop, SnapshotSeen};
use mirror_core::sync::{RefEdit, Relation};
use mirror_store::{Observed, Tip};
use mirror_transport::fetch::{RefPattern, RemoteRef};
pub use mirror_transport::upstream::Purpose;

use crate::journal::{LastEnds, Reading, Record};
use crate::watch::Watcher;

/// What an operation may do to the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing may change; a cache that is not there stays absent.
    Read,
    /// The lock is held; what a dead operation left is removed first.
    Write,
}

/// A cache that was opened.
#[derive(Debug)]
pub struct Opened<C> {
    /// The cache itself.
    pub cache: C,
    /// What a dead operation had left and was removed, by path inside the cache.
    pub recovered: Vec<String>,
}

/// The bare repository that holds the mirror of one upstream.
pub trait Cache: Send + Sync {
    /// A pack that was received and is not yet part of the store.
    type Received: Send;

    /// Reads one ref. Costs the same however many snapshots there are.
    ///
    /// # Errors
    /// Where the ref store cannot be read.
    fn find(&self, name: &RefName) -> Result<Option<CommitId>, Fault>;

    /// Tells whether a tip is in the store, of the right kind; by the store's invariant all it refers to is then there as well.
    ///
    /// # Errors
    /// Where the object store cannot be read.
    fn has(&self, tip: Tip) -> Result<bool, Fault>;

    /// Tells how `local` stands to `upstream`; [`Relation::NeedsObjects`] where one of them is not here.
    ///
    /// # Errors
    /// Where the object store cannot be read.
    fn relation(&self, local: CommitId, upstream: CommitId) -> Result<Relation, Fault>;

    /// Checks that a received pack is connected, syncs it and makes it part of the store. Between check and store, which both may take
    /// long, `proceed` is asked whether to go on.
    ///
    /// # Errors
    /// Where the pack is corrupt or incomplete, and what `proceed` answers; nothing of the pack is then in the store.
    fn accept(
        &mut self,
        received: Self::Received,
        tips: &[Tip],
        proceed: &dyn Fn() -> Result<(), Fault>,
    ) -> Result<(), Fault>;

    /// Applies ref edits as one ordered transaction, each against its expected value; `at` is noted as the age of new snapshots.
    ///
    /// # Errors
    /// Where a value is not the expected one or a ref is locked; nothing is then changed.
    fn apply(&mut self, edits: &[RefEdit], at: Timestamp) -> Result<(), Fault>;

    /// Removes the snapshots that a prune plan names, each against its expected value.
    ///
    /// # Errors
    /// As [`Cache::apply`].
    fn drop_snapshots(&mut self, drops: &[SnapshotDrop]) -> Result<(), Fault>;

    /// Lists the snapshots under a prefix.
    ///
    /// # Errors
    /// Where the ref store cannot be read.
    fn snapshots(&self, prefix: &RefPrefix) -> Result<Vec<SnapshotSeen>, Fault>;

    /// Reads what the last looks at upstream saw.
    ///
    /// # Errors
    /// Where the record cannot be read.
    fn observed(&self) -> Result<Observed, Fault>;

    /// Notes what a look at upstream saw, under the refs' names there; absent branches too.
    ///
    /// # Errors
    /// Where the record cannot be written.
    fn note_observed(&mut self, seen: &[(RefName, Option<CommitId>)], at: Timestamp) -> Result<(), Fault>;

    /// Tidies what grew with this operation: loose snapshot refs are packed when they are many.
    ///
    /// # Errors
    /// Where the ref store refuses; nothing is then lost.
    fn tidy(&mut self, prefix: &RefPrefix) -> Result<(), Fault>;
}

/// The road to one upstream repository for one operation: at most one connection at a time.
pub trait Upstream<C: Cache>: Send {
    /// Looks at upstream and tells the refs that match what is asked.
    fn look(
        &mut self,
        asked: &[RefPattern],
        watch: &Watcher,
    ) -> impl Future<Output = Result<Vec<RemoteRef>, Fault>> + Send;

    /// Receives the objects of `wants`, told that everything reachable from `from` is here. `None` where nothing was sent.
    fn fetch(
        &mut self,
        cache: &C,
        wants: &[CommitId],
        from: &[CommitId],
        watch: &Watcher,
    ) -> impl Future<Output = Result<Option<C::Received>, Fault>> + Send;

    /// Asks upstream to move `name` from `expected` to `new`, fast-forward.
    fn push(
        &mut self,
        cache: &C,
        name: &RefName,
        expected: Option<CommitId>,
        new: CommitId,
        watch: &Watcher,
    ) -> impl Future<Output = PushEnding> + Send;

    /// Ends the connection in good order; nothing depends on it.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// The clock.
pub trait Clock: Send + Sync {
    /// Tells the time of day.
    fn now(&self) -> Timestamp;

    /// Tells the time since some fixed moment; never goes back.
    fn elapsed(&self) -> Duration;

    /// Waits.
    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send;
}

/// The record of every operation.
pub trait Journal: Send + Sync {
    /// Appends one record and makes it durable.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn append(&mut self, record: &Record) -> Result<(), Fault>;

    /// Reads the newest records, oldest first.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn read(&self, limit: usize) -> Result<Reading, Fault>;

    /// Reads the newest end of each verb on each lane.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn last(&self) -> Result<LastEnds, Fault>;
}

/// The lock that keeps operations on one cache apart.
pub trait Gate: Send + Sync {
    /// The lock, held until dropped.
    type Held: Send + Sync + 'static;

    /// Takes the lock.
    fn acquire(
        &self,
        holder: &Holder,
        wait: WaitForTurn,
        watch: &Watcher,
    ) -> impl Future<Output = Result<Self::Held, Fault>> + Send;

    /// Tells who holds the lock, without changing anything.
    ///
    /// # Errors
    /// Where the lock cannot be probed.
    fn holder(&self) -> Result<Option<Holder>, Fault>;

    /// Tells whether an operation is under way that works without the lock, as a push does.
    ///
    /// # Errors
    /// Where its folder cannot be probed.
    fn is_under_way(&self, operation: &str) -> Result<bool, Fault> {
        let _ = operation;
        Ok(false)
    }
}

/// Everything one operation needs of the world around one cache.
pub trait Ports: Send {
    /// The bare repository.
    type Cache: Cache;
    /// The road to upstream.
    type Upstream: Upstream<Self::Cache>;
    /// The clock.
    type Clock: Clock + Clone;
    /// The record of operations.
    type Journal: Journal;
    /// The lock.
    type Gate: Gate;

    /// Makes the cache where it is absent. Needs no lock: of two that make it at once, both find the same one.
    ///
    /// # Errors
    /// Where something else stands at its place, or the place cannot be written.
    fn prepare(&mut self) -> Result<(), Fault>;

    /// Opens the cache; `None` where it is absent and may not be made.
    ///
    /// # Errors
    /// Where the place is not a cache, or not usable.
    fn open(&mut self, access: Access) -> Result<Option<Opened<Self::Cache>>, Fault>;

    /// Makes the road to upstream, for a purpose; nothing is opened before the first look.
    ///
    /// # Errors
    /// Where an identity or a list of known hosts cannot be used.
    fn upstream(&mut self, purpose: Purpose) -> Result<Self::Upstream, Fault>;

    /// The clock.
    fn clock(&self) -> &Self::Clock;

    /// The journal.
    fn journal(&mut self) -> &mut Self::Journal;

    /// The lock.
    fn gate(&self) -> &Self::Gate;

    /// Describes this process as the holder of the lock.
    fn holder(&self, verb: Verb) -> Holder;

    /// How long a whole operation may take once it has its turn.
    fn total(&self) -> Duration;

    /// A seed for jitter, different for each operation.
    fn seed(&self) -> u64;
}
