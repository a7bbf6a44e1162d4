//! The world as it is: a cache on disk, upstream over SSH, the machine's clock. Keeps the traits of [`crate::ports`].

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mirror_core::config::Repository;
use mirror_core::fault::{Classified, Fault};
use mirror_core::flush::PushEnding;
use mirror_core::name::{BranchName, CommitId, RefName, RefPrefix};
use mirror_core::operation::{Holder, Verb, WaitForTurn};
use mirror_core::snapshot::{SnapshotDrop, SnapshotSeen};
use mirror_core::sync::{RefEdit, Relation};
use mirror_git::pack::receive::{Progress, ReceivedPack, Watch as FetchWatch};
use mirror_store::{Cache as Disk, ClosureError, Observed, ObservedRef, Tip};
use mirror_transport::fetch::{FetchRequest, RefPattern, RemoteRef, Tags};
use mirror_transport::push::{PushCommand, PushEvent};
use mirror_transport::tunnel::{Step, Steps};
use mirror_transport::upstream::{Link, Purpose, Road};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::journal::{Journal as Book, LastEnds, Reading, Record};
use crate::lock::{self, Held};
use crate::node::LocalNode;
use crate::ports::{Access, Cache, Clock, Gate, Journal, Opened, Ports, Upstream};
use crate::road;
use crate::watch::{Event, Watcher};

/// The verbs that change a cache and never go upstream.
const AT_HOME: [Verb; 2] = [Verb::SnapshotsPrune, Verb::Maintain];

/// One repository of a local node.
#[derive(Debug)]
pub struct LocalRepository<'a> {
    node: &'a LocalNode,
    repository: &'a Repository,
    /// The branch that the cache's `HEAD` names: the repository's first declared source branch.
    head: BranchName,
    verb: Verb,
    road: Option<Road>,
    clock: MachineClock,
    gate: FileGate,
    journal: FileJournal,
}

impl<'a> LocalRepository<'a> {
    /// Names one repository of a node, for one verb; nothing is opened yet.
    ///
    /// # Panics
    /// Never for a repository of the node's lanes, each of which has a source branch.
    #[must_use]
    pub fn new(node: &'a LocalNode, repository: &'a Repository, verb: Verb) -> Self {
        let own = node.cache(&repository.name).join("git-mirror");
        let head = node.node.first_source_branch(&repository.name);
        Self {
            node,
            repository,
            head: head.expect("because a repository is worked on for its lanes").clone(),
            verb,
            road: None,
            clock: MachineClock::default(),
            gate: FileGate { path: own.join(lock::FILE_NAME), cache: node.cache(&repository.name) },
            journal: FileJournal(Book::at(own.join("journal"))),
        }
    }
}

impl LocalRepository<'_> {
    /// The road to upstream, its files read once.
    fn road(&mut self) -> Result<&Road, Fault> {
        let road = match self.road.take() {
            Some(road) => road,
            None => road::load(self.node, self.repository)?,
        };
        Ok(self.road.insert(road))
    }
}

impl Ports for LocalRepository<'_> {
    type Cache = LocalCache;
    type Upstream = LocalUpstream;
    type Clock = MachineClock;
    type Journal = FileJournal;
    type Gate = FileGate;

    fn prepare(&mut self) -> Result<(), Fault> {
        // What cannot be used, the place or a key, is found before anything is made.
        let path = self.node.cache(&self.repository.name);
        match Disk::open(&path) {
            Ok(_) | Err(mirror_store::OpenError::Missing { .. }) => {}
            Err(error) => return Err(Fault::of(&error)),
        }
        // The one verb that takes in whatever upstream has.
        if self.verb == Verb::Sync
            && let Some(space) = self.node.space()
        {
            space.admit().map_err(|error| Fault::of(&error))?;
        }
        if !AT_HOME.contains(&self.verb) {
            self.road()?;
        }
        std::fs::create_dir_all(&self.node.caches)
            .map_err(|source| Fault::of(&Uncreatable { path: self.node.caches.clone(), source }))?;
        Disk::open_or_create(&path, &self.head).map(drop).map_err(|error| Fault::of(&error))
    }

    fn open(&mut self, access: Access) -> Result<Option<Opened<LocalCache>>, Fault> {
        let path = self.node.cache(&self.repository.name);
        match (Disk::open(&path), access) {
            (Err(mirror_store::OpenError::Missing { .. }), Access::Read) => Ok(None),
            (Err(error), _) => Err(Fault::of(&error)),
            (Ok(disk), Access::Read) => {
                Ok(Some(Opened { cache: LocalCache { disk, operation: None }, recovered: Vec::new() }))
            }
            (Ok(disk), Access::Write) => {
                let recovered = disk.recover().map_err(|error| Fault::of(&error))?;
                let operation = disk.begin(self.verb.as_str()).map_err(|error| Fault::of(&error))?;
                // The configuration may name other branches than when the cache was made.
                operation.point_head(&self.head).map_err(|error| Fault::of(&error))?;
                let root = disk.path().to_owned();
                let shown = |path: PathBuf| path.strip_prefix(&root).unwrap_or(&path).display().to_string();
                let removed = recovered.operations.into_iter().map(|name| format!("git-mirror/op/{name}"));
                let removed = removed.chain(recovered.locks.into_iter().chain(recovered.packs).map(shown)).collect();
                Ok(Some(Opened { cache: LocalCache { disk, operation: Some(operation) }, recovered: removed }))
            }
        }
    }

    fn upstream(&mut self, purpose: Purpose) -> Result<LocalUpstream, Fault> {
        let road = self.road()?.clone();
        let kept = self.node.sessions().and_then(|sessions| sessions.of(&self.repository.name));
        let link = Link::new(road, purpose).kept_in(kept.cloned());
        Ok(LocalUpstream { link, tags: !self.repository.tags.is_empty() })
    }

    fn clock(&self) -> &MachineClock {
        &self.clock
    }

    fn journal(&mut self) -> &mut FileJournal {
        &mut self.journal
    }

    fn gate(&self) -> &FileGate {
        &self.gate
    }

    fn holder(&self, verb: Verb) -> Holder {
        let since = self.clock.now();
        let pid = std::process::id();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Holder { operation: format!("{verb}-{}-{pid}", since.as_millisecond()), verb: verb.into(), pid, host, since }
    }

    fn total(&self) -> Duration {
        self.node.transport().timeouts.total
    }

    fn seed(&self) -> u64 {
        RandomState::new().hash_one(std::process::id())
    }
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot make the folder of the caches, {}", path.display())]
#[diagnostic(
    code(mirror::node::caches),
    help("make it yourself, or let `cache:` of the node name a folder that this user can make and write")
)]
struct Uncreatable {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Classified for Uncreatable {
    fn class(&self) -> mirror_core::fault::FaultClass {
        mirror_core::fault::FaultClass::Failed
    }

    fn retry(&self) -> mirror_core::fault::Retry {
        mirror_core::fault::Retry::Never
    }
}

/// A cache on disk, and what an operation changes in it.
#[derive(Debug)]
pub struct LocalCache {
    disk: Disk,
    operation: Option<mirror_store::Operation>,
}

impl LocalCache {
    fn operation(&self) -> &mirror_store::Operation {
        self.operation.as_ref().expect("because only a confirmed operation changes anything")
    }

    /// Gives what an upkeep works with on a thread of its own: the cache, and what it changes there, once.
    pub(crate) fn lend(&mut self) -> (Disk, Option<mirror_store::Operation>) {
        (self.disk.clone(), self.operation.take())
    }
}

fn fault<E: Classified>(error: E) -> Fault {
    Fault::of(&error)
}

/// Does what may keep a disk busy for seconds, while the other tasks of the thread go on elsewhere.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // On a runtime of one thread there is no elsewhere.
        _ => work(),
    }
}

impl Cache for LocalCache {
    type Received = ReceivedPack;

    fn find(&self, name: &RefName) -> Result<Option<CommitId>, Fault> {
        self.disk.find(name).map_err(fault)
    }

    fn has(&self, tip: Tip) -> Result<bool, Fault> {
        match self.disk.verify_tips(&[tip]) {
            Ok(()) => Ok(true),
            Err(ClosureError::TipMissing { .. } | ClosureError::TipNotACommit { .. }) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    fn relation(&self, local: CommitId, upstream: CommitId) -> Result<Relation, Fault> {
        self.disk.relation(local, upstream).map_err(fault)
    }

    fn accept(
        &mut self,
        received: ReceivedPack,
        tips: &[Tip],
        proceed: &dyn Fn() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        in_place(|| {
            let closed = self.operation().verify_received(&received, tips).map_err(fault)?;
            proceed()?;
            self.operation().install(closed).map_err(fault)
        })
    }

    fn apply(&mut self, edits: &[RefEdit], at: Timestamp) -> Result<(), Fault> {
        let made: Vec<_> = edits
            .iter()
            .filter(|edit| edit.rank() == mirror_core::sync::EditRank::Snapshot)
            .map(|edit| edit.name().clone())
            .collect();
        if !made.is_empty() {
            self.operation().note_made(&made, at).map_err(fault)?;
        }
        in_place(|| self.operation().apply(edits)).map(drop).map_err(fault)
    }

    fn drop_snapshots(&mut self, drops: &[SnapshotDrop]) -> Result<(), Fault> {
        self.operation().drop_refs(drops).map(drop).map_err(fault)
    }

    fn snapshots(&self, prefix: &RefPrefix) -> Result<Vec<SnapshotSeen>, Fault> {
        let now = Timestamp::now();
        let seen = self.disk.snapshots(prefix).map_err(fault)?;
        // A snapshot whose making was not noted counts as made now: it is kept until its age is known.
        Ok(seen
            .found
            .into_iter()
            .map(|found| SnapshotSeen { name: found.name, made_at: found.made_at.unwrap_or(now) })
            .collect())
    }

    fn observed(&self) -> Result<Observed, Fault> {
        self.disk.observed().map_err(fault)
    }

    fn note_observed(&mut self, seen: &[(RefName, Option<CommitId>)], at: Timestamp) -> Result<(), Fault> {
        let mut observed = self.disk.observed().map_err(fault)?;
        for (name, commit) in seen {
            observed.refs.insert(name.clone(), ObservedRef { commit: *commit, observed_at: at });
        }
        self.operation().record_observed(&observed).map_err(fault)
    }

    fn tidy(&mut self, prefix: &RefPrefix) -> Result<(), Fault> {
        in_place(|| self.operation().pack_loose(prefix, mirror_store::PACK_ABOVE)).map(drop).map_err(fault)
    }
}

/// Upstream over SSH.
#[derive(Debug)]
pub struct LocalUpstream {
    link: Link,
    tags: bool,
}

impl LocalUpstream {
    /// Makes the port of a link.
    #[must_use]
    pub fn new(link: Link) -> Self {
        Self { link, tags: false }
    }
}

impl Upstream<LocalCache> for LocalUpstream {
    async fn look(&mut self, asked: &[RefPattern], watch: &Watcher) -> Result<Vec<RemoteRef>, Fault> {
        self.link.look(asked, &mut Walked::new(watch)).await.map_err(fault)
    }

    async fn fetch(
        &mut self,
        cache: &LocalCache,
        wants: &[CommitId],
        from: &[CommitId],
        watch: &Watcher,
    ) -> Result<Option<ReceivedPack>, Fault> {
        let request = FetchRequest {
            wants: wants.to_vec(),
            negotiate_from: from.to_vec(),
            commit_graph: None,
            into: cache.operation().transfer_folder().map_err(fault)?,
            tags: if self.tags { Tags::Follow } else { Tags::Leave },
            watch: Some(Arc::new(Heard(watch.clone()))),
        };
        let objects = cache.disk.objects().map_err(fault)?;
        self.link.fetch(request, objects, &mut Walked::new(watch)).await.map_err(fault)
    }

    async fn push(
        &mut self,
        cache: &LocalCache,
        name: &RefName,
        expected: Option<CommitId>,
        new: CommitId,
        watch: &Watcher,
    ) -> PushEnding {
        let store = match cache.disk.objects() {
            Ok(store) => store,
            Err(error) => return PushEnding::NotSent(fault(error)),
        };
        let command = PushCommand { name: name.clone(), expected, new };
        let tell = |event: PushEvent<'_>| match event {
            PushEvent::Sent { objects, of, bytes } => {
                watch.event(Event::Objects { done: objects, of: Some(of) });
                watch.event(Event::Bytes(bytes));
            }
            PushEvent::Message(line) => watch.event(Event::ServerMessage(line.to_owned())),
        };
        self.link.push(command, store, &tell).await.ending
    }

    async fn close(&mut self) {
        self.link.close().await;
    }
}

/// Passes a fetch's progress on.
struct Heard(Watcher);

impl FetchWatch for Heard {
    fn event(&self, progress: Progress<'_>) {
        match progress {
            Progress::Received { bytes, objects, total } => {
                self.0.event(Event::Bytes(bytes));
                self.0.event(Event::Objects { done: objects.into(), of: Some(total.into()) });
            }
            Progress::Resolved { deltas, total } => {
                self.0.event(Event::Objects { done: deltas.into(), of: Some(total.into()) });
            }
            Progress::Server(line) => self.0.event(Event::ServerMessage(line.to_owned())),
        }
    }
}

/// Times the steps of the road and passes them on.
pub(crate) struct Walked<'a> {
    watch: &'a Watcher,
    since: Instant,
}

impl<'a> Walked<'a> {
    pub(crate) fn new(watch: &'a Watcher) -> Self {
        Self { watch, since: Instant::now() }
    }
}

impl Steps for Walked<'_> {
    fn began(&mut self, step: Step) {
        self.since = Instant::now();
        self.watch.event(Event::StepBegan(step));
    }

    fn passed(&mut self, step: Step, detail: String) {
        self.watch.event(Event::StepPassed { step, took: self.since.elapsed(), detail });
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct MachineClock {
    begun: Instant,
}

impl Default for MachineClock {
    fn default() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// The journal in its files.
#[derive(Debug)]
pub struct FileJournal(Book);

impl Journal for FileJournal {
    fn append(&mut self, record: &Record) -> Result<(), Fault> {
        self.0.append(record).map_err(fault)
    }

    fn read(&self, limit: usize) -> Result<Reading, Fault> {
        self.0.read(limit).map_err(fault)
    }

    fn last(&self) -> Result<LastEnds, Fault> {
        self.0.last().map_err(fault)
    }
}

/// `op.lock`.
#[derive(Debug)]
pub struct FileGate {
    path: PathBuf,
    cache: PathBuf,
}

impl Gate for FileGate {
    type Held = Held;

    async fn acquire(&self, holder: &Holder, wait: WaitForTurn, watch: &Watcher) -> Result<Held, Fault> {
        let waiting = |other: Option<&Holder>| {
            watch.event(Event::Waiting { holder: lock::describe(other) });
        };
        lock::acquire(&self.path, holder, wait, waiting).await.map_err(fault)
    }

    fn holder(&self) -> Result<Option<Holder>, Fault> {
        lock::holder(&self.path).map_err(fault)
    }

    fn is_under_way(&self, operation: &str) -> Result<bool, Fault> {
        match Disk::open(&self.cache) {
            Ok(cache) => cache.is_under_way(operation).map_err(fault),
            Err(mirror_store::OpenError::Missing { .. }) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }
}

#[cfg(test)]
mod tests;
