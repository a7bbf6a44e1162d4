//! What the clients of a load test share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mirror_core::name::CommitId;

use crate::gitclient::{GitClient, Token};
use crate::sandbox::{Answer, Git, Repository};
use crate::server::Served;

/// How long a client waits for a server that is down before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// A stride that visits the remembered snapshots in a scattered order.
const STRIDE: usize = 7919;

/// The clients of one server, and what they have seen.
#[derive(Debug)]
pub struct Clients {
    pub(super) url: String,
    pub(super) client: GitClient,
    pub(super) token: Token,
    pub(super) git: Git,
    pub(super) folder: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
    accepted: Mutex<BTreeMap<String, Vec<CommitId>>>,
    read: Mutex<BTreeSet<CommitId>>,
    /// Tips whose snapshots were read, without consecutive repetitions.
    snapshots: Mutex<Vec<CommitId>>,
    clones: AtomicUsize,
    listings: AtomicUsize,
    excused: AtomicUsize,
}

#[derive(Debug)]
struct State {
    is_up: bool,
    is_over: bool,
    /// How many disturbances are going on.
    going_on: usize,
    /// How many have begun.
    begun: usize,
}

/// How many requests of each kind succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Pushes that were acknowledged.
    pub accepted: usize,
    /// Clones and fetches that were complete.
    pub clones: usize,
    /// Listings.
    pub listings: usize,
    /// Requests of any kind that failed during a disturbance, or have to be repeated.
    pub excused: usize,
}

/// A disturbance of the server. What fails before its end is excused.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub struct Disturbance<'a>(&'a Clients);

impl Drop for Disturbance<'_> {
    fn drop(&mut self) {
        self.0.state().going_on -= 1;
    }
}

/// Stops every client when it is dropped, on a panic too.
#[derive(Debug)]
#[must_use = "the clients stop when this is dropped"]
pub struct StopOnDrop<'a>(&'a Clients);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }
}

/// The moment at which a request began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    /// The disturbances that had begun by then; nothing where one was going on.
    calm: Option<usize>,
}

impl Clients {
    /// The clients of a server that is up; its pushers use this token..
    pub fn new(served: &Served, token: Token) -> Self {
        Self {
            url: served.url(),
            client: served.client(),
            token,
            git: served.world.sandbox().git().clone(),
            folder: served.world.sandbox().path().to_owned(),
            state: Mutex::new(State { is_up: true, is_over: false, going_on: 0, begun: 0 }),
            changed: Condvar::new(),
            accepted: Mutex::default(),
            read: Mutex::default(),
            snapshots: Mutex::default(),
            clones: AtomicUsize::new(0),
            listings: AtomicUsize::new(0),
            excused: AtomicUsize::new(0),
        }
    }

    /// Begins a disturbance of the server: a request that overlaps it may fail.
    pub fn disturb(&self) -> Disturbance<'_> {
        let mut state = self.state();
        state.going_on += 1;
        state.begun += 1;
        Disturbance(self)
    }

    /// Marks the server as down: the clients wait.
    pub fn set_down(&self) {
        self.state().is_up = false;
    }

    /// Marks the server as up: the clients go on.
    pub fn set_up(&self) {
        self.state().is_up = true;
        self.changed.notify_all();
    }

    /// Stops every client after its current request, when the value is dropped.
    pub fn stop_on_drop(&self) -> StopOnDrop<'_> {
        StopOnDrop(self)
    }

    /// Waits so long, or until the clients are stopped; gives whether they are to go on.
    pub fn pause(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.is_over);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }

    /// Gives the counts so far.
    pub fn counts(&self) -> Counts {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum();
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        Counts { accepted, clones: count(&self.clones), listings: count(&self.listings), excused: count(&self.excused) }
    }

    /// Asserts that a repository has each acknowledged commit in its branch.
    ///
    /// # Panics
    /// With those that it lacks.
    #[track_caller]
    pub fn assert_retained(&self, repository: &Repository) {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (branch, commits) in accepted {
            let retained: BTreeSet<_> = repository.run(["rev-list", &branch]).lines().map(str::to_owned).collect();
            let lost: Vec<_> = commits.iter().filter(|commit| !retained.contains(&commit.to_string())).collect();
            assert!(lost.is_empty(), "{branch} has lost {lost:?}");
        }
    }

    /// Asserts that every commit that was read is still there.
    ///
    /// # Panics
    /// With what was.
    #[track_caller]
    pub fn assert_read_retained(&self, repository: &Repository) {
        let all: BTreeSet<_> = repository.run(["rev-list", "--all"]).lines().map(str::to_owned).collect();
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lost: Vec<_> = read.iter().filter(|commit| !all.contains(&commit.to_string())).collect();
        assert!(lost.is_empty(), "{lost:?} was read, and is gone");
    }

    /// Waits until the server is up, or the clients are stopped.
    pub(super) fn begin(&self) -> Begun {
        let waited = self.changed.wait_timeout_while(self.state(), RETRY_AFTER, |state| !state.is_up && !state.is_over);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        Begun { calm: (state.is_up && state.going_on == 0).then_some(state.begun) }
    }

    /// Whether a request succeeded; one that failed has to overlap a disturbance.
    #[track_caller]
    pub(super) fn succeeded(&self, begun: Begun, answer: &Answer, what: &str) -> bool {
        if answer.status.success() {
            return true;
        }
        let output = || format!("{}{}", answer.text(), answer.stderr);
        self.excuse(begun, what, output);
        false
    }

    /// Counts a failure that a disturbance explains.
    ///
    /// # Panics
    /// Where none does.
    #[track_caller]
    pub(super) fn excuse(&self, begun: Begun, what: &str, output: impl Fn() -> String) {
        let now = self.state().begun;
        assert!(begun.calm != Some(now), "{what} failed, and nothing was disturbed: {}", output());
        self.count_excused();
    }

    /// Counts a request that has to be made again.
    pub(super) fn count_excused(&self) {
        self.excused.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn accept(&self, branch: &str, commit: CommitId) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.entry(branch.to_owned()).or_default().push(commit);
    }

    pub(super) fn cloned(&self, tips: impl IntoIterator<Item = CommitId>) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).extend(tips);
        self.clones.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn remember(&self, snapshot: CommitId) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshots.last() != Some(&snapshot) {
            snapshots.push(snapshot);
        }
    }

    /// Gives one of the tips whose snapshots were read.
    pub(super) fn remembered(&self, which: usize) -> Option<CommitId> {
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        snapshots.get(which.wrapping_mul(STRIDE) % snapshots.len().max(1)).copied()
    }

    pub(super) fn listed(&self) {
        self.listings.fetch_add(1, Ordering::SeqCst);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
