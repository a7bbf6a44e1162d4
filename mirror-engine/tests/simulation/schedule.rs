//! Who runs when, what else happens in the world, and what must hold after each step.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mirror_core::config::{Lane, MirrorConfig, Repository, Transport, parse};
use mirror_core::name::{CommitId, RefName};
use mirror_core::operation::{Mode, WaitForTurn};
use mirror_core::report::flush::LaneFlush;
use mirror_core::report::status::LaneState;
use mirror_core::report::sync::LaneSync;
use mirror_engine::drive::{self, Terms};
use mirror_engine::flush::Flush;
use mirror_engine::resolve::AdoptUpstream;
use mirror_engine::snapshots::{Prune, Snapshots};
use mirror_engine::status::Status;
use mirror_engine::stop::Stop;
use mirror_engine::sync::Sync;
use mirror_engine::watch::{Event, Watch, Watcher};

use super::model::World;
use super::ports::{Shared, View};

const CONFIG: &str = "
apiVersion: git-mirror/v1
kind: MirrorConfig
snapshots: { prefix: refs/sim/snapshots, retention: { keepAtLeast: 2, keepFor: 30s } }
repositories:
  app: { upstream: \"ssh://git@upstream.example:22/o/app.git\" }
nodes:
  local:
    cache: ./cache
    githubTransport: { mode: ssh, identity: { file: ./key } }
    lanes:
      one: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: deploy-one } }
      two: { repository: app, source: { branch: main, snapshotGroup: app }, gitops: { branch: deploy-two } }
      built: { repository: app, source: { branch: main, snapshotGroup: app } }
";

type Task = Pin<Box<dyn Future<Output = Vec<Claim>>>>;

/// What a report claims about upstream and the cache.
enum Claim {
    Flushed { branch: RefName, local: CommitId },
    State(Box<LaneState>),
    Busy,
    Nothing,
}

struct Slot {
    task: Option<Task>,
    stop: Stop,
}

/// What it took to bring a world into sync that was left in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calm {
    /// Syncs and a flush.
    ByItself,
    /// A lane had diverged, and upstream's tip was adopted.
    Adopted,
}

// One of the numbers of each verb in [`Run::task`].
const SYNC: u64 = 0;
const FLUSH: u64 = 5;
const ADOPT: u64 = 9;
const STATUS: u64 = 11;

/// One world under way.
pub(crate) struct Run {
    world: Shared,
    config: Arc<MirrorConfig>,
    slots: [Slot; 2],
    ended: u64,
    busy: u64,
    waited: Arc<AtomicU64>,
}

struct CountWaits(Arc<AtomicU64>);

impl Watch for CountWaits {
    fn event(&self, event: Event) {
        if let Event::Waiting { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Run {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Arc::new(parse("sim.yaml", CONFIG).expect("the simulation's configuration is right"));
        let mut world = World::new(seed, config.snapshots.prefix.clone());
        let first = world.graph.commit(None);
        world.set_upstream(&heads("main"), Some(first));
        let slot = || Slot { task: None, stop: Stop::new() };
        Self {
            world: Arc::new(Mutex::new(world)),
            config,
            slots: [slot(), slot()],
            ended: 0,
            busy: 0,
            waited: Arc::default(),
        }
    }

    pub(crate) fn operations_ended(&self) -> u64 {
        self.ended
    }

    pub(crate) fn ended_busy(&self) -> u64 {
        self.busy
    }

    pub(crate) fn turns_waited_for(&self) -> u64 {
        self.waited.load(Ordering::Relaxed)
    }

    fn dice(&self, bound: u64) -> u64 {
        self.world.lock().unwrap().dice.below(bound)
    }

    /// One thing happens, and then everything is checked.
    pub(crate) fn step(&mut self) {
        let pause = self.dice(400);
        self.world.lock().unwrap().pass(Duration::from_millis(pause));
        match self.dice(20) {
            0 => self.upstream_source_moves(),
            1 => self.other_writer_pushes(),
            2 | 3 => self.promote(),
            4 if self.dice(6) == 0 => self.kill(self.dice(2) as usize),
            5 if self.dice(10) == 0 => self.slots[self.dice(2) as usize].stop.request(),
            _ => {
                let operator = self.dice(2) as usize;
                self.run(operator);
            }
        }
        self.check();
    }

    fn upstream_source_moves(&self) {
        let mut world = self.world.lock().unwrap();
        let name = heads("main");
        let tip = world.upstream.get(&name).copied();
        let parent = match world.dice.below(8) {
            0 => tip.and_then(|tip| world.graph.history(tip).nth(1)),
            _ => tip,
        };
        let commit = world.graph.commit(parent);
        world.set_upstream(&name, Some(commit));
    }

    fn other_writer_pushes(&self) {
        let mut world = self.world.lock().unwrap();
        let name = if world.dice.once_in(2) { heads("deploy-one") } else { heads("deploy-two") };
        let tip = world.upstream.get(&name).copied();
        let commit = world.graph.commit(tip);
        world.set_upstream(&name, Some(commit));
    }

    /// A promote step pushes to the cache; the server accepts fast-forwards and needs no turn of the operators.
    fn promote(&self) {
        let mut world = self.world.lock().unwrap();
        if world.disk.is_none() {
            return;
        }
        let name = if world.dice.once_in(2) { heads("deploy-one") } else { heads("deploy-two") };
        let tip = world.disk().refs.get(&name).copied();
        let commit = world.graph.commit(tip);
        let disk = world.disk();
        disk.objects.insert(commit);
        disk.refs.insert(name, commit);
        world.accepted.insert(commit);
    }

    fn run(&mut self, operator: usize) {
        if self.slots[operator].task.is_none() {
            self.slots[operator].stop = Stop::new();
            self.slots[operator].task = Some(self.choose(operator));
        }
        let task = self.slots[operator].task.as_mut().expect("a task was just chosen");
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if self.world.lock().unwrap().dead.contains(&operator) {
            self.kill(operator);
        } else if let Poll::Ready(claims) = polled {
            self.slots[operator].task = None;
            self.ended += 1;
            for claim in claims {
                self.judge(&claim);
            }
        }
    }

    fn kill(&mut self, operator: usize) {
        self.slots[operator].task = None;
        self.world.lock().unwrap().dead.remove(&operator);
    }

    pub(crate) fn kill_everybody(&mut self) {
        self.kill(0);
        self.kill(1);
    }

    fn choose(&self, operator: usize) -> Task {
        let mode = if self.dice(4) == 0 { Mode::DryRun } else { Mode::Confirm };
        let wait = if self.dice(3) == 0 { WaitForTurn::No } else { WaitForTurn::UpTo(Duration::from_secs(20)) };
        let verb = self.dice(12);
        self.task(operator, verb, mode, wait)
    }

    fn task(&self, operator: usize, verb: u64, mode: Mode, wait: WaitForTurn) -> Task {
        let mut view = View { world: Arc::clone(&self.world), operator, mode };
        let config = Arc::clone(&self.config);
        let watch: Watcher = Arc::new(CountWaits(Arc::clone(&self.waited)));
        let terms = Terms { mode, wait, watch, stop: self.slots[operator].stop.clone() };
        Box::pin(async move {
            let scene = Scene::of(&config);
            match verb {
                0..=4 => {
                    let mut sync = scene.sync();
                    drive::run(&mut view, &terms, &mut sync).await.lanes.into_iter().map(of_sync).collect()
                }
                5..=8 => {
                    let mut flush = scene.flush();
                    drive::run(&mut view, &terms, &mut flush).await.lanes.into_iter().flat_map(of_flush).collect()
                }
                9 => {
                    let mut resolve = AdoptUpstream { repository: scene.repository, lanes: scene.lanes.clone() };
                    drive::run(&mut view, &terms, &mut resolve).await;
                    Vec::new()
                }
                10 => {
                    let lanes = scene.lanes.clone();
                    let snapshots = Snapshots { repository: scene.repository, lanes, prefix: &config.snapshots.prefix };
                    let retention = &config.snapshots.retention;
                    let mut prune = Prune { snapshots, retention, neighbours: scene.lanes.clone() };
                    drive::run(&mut view, &terms, &mut prune).await;
                    Vec::new()
                }
                _ => {
                    let read = scene.status().read(&mut view);
                    read.into_iter()
                        .filter(|lane| lane.fault.is_none())
                        .map(|lane| Claim::State(Box::new(lane.state)))
                        .collect()
                }
            }
        })
    }

    /// Holds a report against what really happened (I4).
    fn judge(&mut self, claim: &Claim) {
        let world = self.world.lock().unwrap();
        match claim {
            Claim::Nothing => {}
            Claim::Busy => {
                drop(world);
                self.busy += 1;
            }
            Claim::Flushed { branch, local } => {
                let there = world.upstream.get(branch).is_some_and(|tip| world.graph.contains(*tip, *local));
                assert!(there, "I4: a flush is called ok, and {branch} upstream does not contain {local}");
            }
            Claim::State(state) => judge_state(&world, state),
        }
    }

    fn check(&self) {
        let mut world = self.world.lock().unwrap();
        if world.disk.is_none() {
            return;
        }
        let refs = world.disk().refs.clone();
        for (name, commit) in &world.snapshots_ever {
            assert_eq!(refs.get(name), Some(commit), "I1: snapshot {name} moved or vanished");
        }
        let roots: Vec<CommitId> = refs.values().copied().collect();
        for accepted in &world.accepted {
            let reachable = roots.iter().any(|root| world.graph.contains(*root, *accepted));
            assert!(reachable, "I2: accepted commit {accepted} is lost");
        }
        if let Some(tip) = refs.get(&heads("main")) {
            let snapshot = RefName::parse(&format!("refs/sim/snapshots/app/main/{tip}")).expect("a good name");
            assert_eq!(refs.get(&snapshot), Some(tip), "I5: readers see {tip} and not its snapshot");
        }
    }

    /// Leaves the world in peace and does what an operator would: a sync, a flush and a sync, and where a lane diverged, the adoption of
    /// upstream's tip and the same again. Gives what it took.
    ///
    /// # Panics
    /// Where the world is not in sync then, or anything is left behind.
    pub(crate) fn converge(&mut self) -> Calm {
        self.world.lock().unwrap().hostility = 0;
        for verb in [SYNC, FLUSH, SYNC] {
            self.finish(verb);
        }
        let states = self.states();
        let has_diverged = states.iter().any(|state| state.diverged);
        for state in states.iter().filter(|state| !state.diverged) {
            assert!(!state.pending_flush && state.github_in_sync, "a lane that did not diverge: {state:#?}");
        }
        if has_diverged {
            for verb in [ADOPT, SYNC, FLUSH, SYNC] {
                self.finish(verb);
            }
            for state in self.states() {
                let is_calm = !state.diverged && !state.pending_flush && state.github_in_sync;
                assert!(is_calm, "after upstream's tips were adopted: {state:#?}");
            }
        }
        let leftovers = self.world.lock().unwrap().disk().leftovers.clone();
        assert!(leftovers.is_empty(), "left behind: {leftovers:?}");
        if has_diverged { Calm::Adopted } else { Calm::ByItself }
    }

    /// Runs one verb to its end, alone, and checks everything.
    fn finish(&mut self, verb: u64) -> Vec<Claim> {
        self.slots[0].stop = Stop::new();
        let mut task = self.task(0, verb, Mode::Confirm, WaitForTurn::UpTo(Duration::from_secs(60)));
        for _ in 0..10_000 {
            if let Poll::Ready(claims) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                self.check();
                claims.iter().for_each(|claim| self.judge(claim));
                return claims;
            }
            self.world.lock().unwrap().pass(Duration::from_millis(100));
        }
        panic!("verb {verb} does not end in a quiet world");
    }

    /// What a status says of all lanes.
    fn states(&mut self) -> Vec<LaneState> {
        let claims = self.finish(STATUS);
        let state = |claim| if let Claim::State(state) = claim { Some(*state) } else { None };
        let states: Vec<_> = claims.into_iter().filter_map(state).collect();
        assert_eq!(states.len(), 3, "a status cannot be read");
        assert_eq!(states.iter().filter(|state| state.local_gitops.is_none()).count(), 1, "one lane only builds");
        states
    }
}

fn judge_state(world: &World, state: &LaneState) {
    if state.local_gitops.is_none() {
        assert!(!state.pending_flush && !state.diverged, "a lane that only builds has nothing to flush");
    }
    let Some(at) = state.ref_sources.observed_at else {
        assert!(!state.github_in_sync, "I4: in sync, and nobody looked");
        return;
    };
    if state.github_in_sync {
        // The older of the two looks is the one that is named; the source was seen then or later.
        let seen = |local: Option<CommitId>, name: &RefName| {
            let times =
                world.upstream_then.iter().filter(|(then, _)| *then >= at).map(|(_, refs)| refs.get(name).copied());
            std::iter::once(world.upstream_at(at, name)).chain(times).any(|then| then == local)
        };
        assert!(seen(state.local_source.commit, &state.local_source.name), "I4: the source was never so upstream");
        let gitops = state.local_gitops.as_ref();
        assert!(
            gitops.is_none_or(|gitops| seen(gitops.commit, &gitops.name)),
            "I4: the GitOps branch was never so upstream"
        );
    }
    if let (false, Some(gitops)) = (state.pending_flush, &state.local_gitops)
        && let Some(local) = gitops.commit
    {
        let there = world.upstream.get(&gitops.name).is_some_and(|tip| world.graph.contains(*tip, local));
        assert!(there, "I4: nothing is pending, and upstream does not contain {local}");
    }
}

/// The parts of the configuration that operations borrow.
struct Scene<'a> {
    config: &'a MirrorConfig,
    repository: &'a Repository,
    lanes: Vec<&'a Lane>,
    transport: &'a Transport,
}

impl<'a> Scene<'a> {
    fn of(config: &'a MirrorConfig) -> Self {
        let node = config.nodes.values().next().expect("there is a node");
        let repository = config.repositories.values().next().expect("there is a repository");
        Self { config, repository, lanes: node.lanes.values().collect(), transport: &node.transport }
    }

    fn status(&self) -> Status<'a> {
        let prefix = &self.config.snapshots.prefix;
        Status { repository: self.repository, lanes: self.lanes.clone(), prefix, transport: self.transport }
    }

    fn sync(&self) -> Sync<'a> {
        let prefix = &self.config.snapshots.prefix;
        Sync { repository: self.repository, lanes: self.lanes.clone(), prefix, status: self.status() }
    }

    fn flush(&self) -> Flush<'a> {
        let (prefix, deadline) = (&self.config.snapshots.prefix, Duration::from_secs(120));
        Flush { repository: self.repository, lanes: self.lanes.clone(), prefix, deadline, status: self.status() }
    }
}

fn of_sync(lane: LaneSync) -> Claim {
    match (lane.fault, lane.state) {
        (Some(fault), _) if fault.code == "mirror::lock::busy" => Claim::Busy,
        (_, Some(state)) => Claim::State(Box::new(state)),
        _ => Claim::Nothing,
    }
}

fn of_flush(lane: LaneFlush) -> Vec<Claim> {
    let mut claims = Vec::new();
    if lane.fault.as_ref().is_some_and(|fault| fault.code == "mirror::lock::busy") {
        claims.push(Claim::Busy);
    }
    if lane.lane.as_str() == "built" && lane.fault.is_none() {
        assert_eq!(
            (lane.outcome.as_str(), lane.ok),
            ("no-gitops", true),
            "a lane that only builds has nothing to flush"
        );
    }
    // A dry run's ok says that upstream has the local tip already, by the look it made.
    if let (true, Some(local), Some(branch)) = (lane.ok && lane.outcome.as_str() != "would-push", lane.local, lane.name)
        && lane.outcome.as_str() != "needs-objects"
    {
        claims.push(Claim::Flushed { branch, local });
    }
    claims.extend(lane.state.map(|state| Claim::State(Box::new(state))));
    claims
}

fn heads(branch: &str) -> RefName {
    RefName::parse(&format!("refs/heads/{branch}")).expect("a good name")
}
