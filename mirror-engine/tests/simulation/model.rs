//! The world: a graph of commits, upstream's refs, one cache, one clock. It knows what really happened, which no report does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use mirror_core::name::{CommitId, RefName, RefPrefix};
use mirror_core::operation::Holder;
use mirror_core::snapshot::SnapshotName;
use mirror_core::sync::{RefEdit, Relation};
use mirror_engine::journal::Record;
use mirror_store::Observed;

/// SplitMix64: small, seeded, good enough for choosing.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `n`.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// All commits there are, on either side.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    parents: BTreeMap<CommitId, Option<CommitId>>,
}

impl Graph {
    pub(crate) fn commit(&mut self, parent: Option<CommitId>) -> CommitId {
        let number = self.parents.len() as u64 + 1;
        let mut bytes = [0; 20];
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        let id = CommitId::from_bytes(bytes);
        self.parents.insert(id, parent);
        id
    }

    pub(crate) fn history(&self, tip: CommitId) -> impl Iterator<Item = CommitId> {
        std::iter::successors(Some(tip), |id| self.parents[id])
    }

    pub(crate) fn contains(&self, tip: CommitId, old: CommitId) -> bool {
        self.history(tip).any(|id| id == old)
    }

    pub(crate) fn relation(&self, local: CommitId, upstream: CommitId) -> Relation {
        let ours: Vec<_> = self.history(local).collect();
        let theirs: Vec<_> = self.history(upstream).collect();
        let merge_base = ours.iter().find(|id| theirs.contains(id)).copied();
        let count = |side: &[CommitId]| side.iter().take_while(|id| Some(**id) != merge_base).count() as u64;
        match (count(&ours), count(&theirs)) {
            (0, 0) => Relation::Same,
            (ahead, 0) => Relation::LocalAhead { ahead },
            (0, behind) => Relation::LocalBehind { behind },
            (ahead, behind) => Relation::Diverged { merge_base, ahead, behind },
        }
    }
}

/// The cache as it lies on disk: what survives a crash.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) refs: BTreeMap<RefName, CommitId>,
    pub(crate) objects: BTreeSet<CommitId>,
    pub(crate) observed: Observed,
    pub(crate) journal: Vec<Record>,
    pub(crate) made_at: BTreeMap<RefName, Timestamp>,
    /// Locks that a dead operation left.
    pub(crate) leftovers: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) graph: Graph,
    pub(crate) upstream: BTreeMap<RefName, CommitId>,
    /// What upstream had at each moment at which it changed.
    pub(crate) upstream_then: Vec<(Timestamp, BTreeMap<RefName, CommitId>)>,
    pub(crate) disk: Option<Disk>,
    pub(crate) lock: Option<(usize, Holder)>,
    pub(crate) dice: Dice,
    /// One in so many calls fails; none where it is zero.
    pub(crate) hostility: u64,
    /// Operators that were killed in the middle of a call: nothing they still do has an effect.
    pub(crate) dead: BTreeSet<usize>,
    pub(crate) accepted: BTreeSet<CommitId>,
    pub(crate) snapshots_ever: BTreeMap<RefName, CommitId>,
    pub(crate) prefix: RefPrefix,
    now: Duration,
}

impl World {
    pub(crate) fn new(seed: u64, prefix: RefPrefix) -> Self {
        Self {
            graph: Graph::default(),
            upstream: BTreeMap::new(),
            upstream_then: Vec::new(),
            disk: None,
            lock: None,
            dice: Dice::new(seed),
            hostility: 12,
            dead: BTreeSet::new(),
            accepted: BTreeSet::new(),
            snapshots_ever: BTreeMap::new(),
            prefix,
            now: Duration::from_secs(1_000_000),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.now.as_nanos() as i128).expect("the simulation is short")
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Moves a ref upstream, at a moment of its own.
    pub(crate) fn set_upstream(&mut self, name: &RefName, to: Option<CommitId>) {
        self.pass(Duration::from_millis(1));
        match to {
            Some(commit) => self.upstream.insert(name.clone(), commit),
            None => self.upstream.remove(name),
        };
        self.upstream_then.push((self.now(), self.upstream.clone()));
        self.pass(Duration::from_millis(1));
    }

    /// What upstream had at a moment.
    pub(crate) fn upstream_at(&self, at: Timestamp, name: &RefName) -> Option<CommitId> {
        let (_, refs) = self.upstream_then.iter().rev().find(|(then, _)| *then <= at)?;
        refs.get(name).copied()
    }

    pub(crate) fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().expect("the cache is there")
    }

    /// One call fails now and then.
    pub(crate) fn fails(&mut self) -> bool {
        self.hostility > 0 && {
            let odds = self.hostility;
            self.dice.once_in(odds)
        }
    }

    /// Writes one edit, as the disk would: checked against its expected value before.
    pub(crate) fn write(&mut self, edit: &RefEdit) {
        let name = edit.name().clone();
        let new = edit.new_value();
        if name.as_str().starts_with(self.prefix.as_str()) {
            let parsed = SnapshotName::parse(&self.prefix, &name).expect("only snapshots stand under the prefix");
            assert_eq!(parsed.commit, new, "I1: {name} was made for another commit");
            let ever = self.snapshots_ever.entry(name.clone()).or_insert(new);
            assert_eq!(*ever, new, "I1: {name} moved");
        }
        let disk = self.disk();
        assert!(disk.objects.contains(&new), "a ref names an object that is not in the store: {name}");
        disk.refs.insert(name, new);
    }
}
