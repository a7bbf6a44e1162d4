//! Plans against a model of the store: random histories, random tips, crashes between any two edits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use mirror_core::name::{BranchName, CommitId, GroupName, RefName, RefPrefix};
use mirror_core::sync::{
    BranchSeen, EditRank, LaneView, Observation, RefEdit, RefOutcome, Relation, SyncPlan, in_order, plan_sync,
};
use proptest::prelude::*;

/// A history: each commit's parents are commits with smaller numbers.
#[derive(Debug, Clone)]
struct History {
    parents: Vec<Vec<usize>>,
}

impl History {
    fn id(commit: usize) -> CommitId {
        CommitId::from_bytes([u8::try_from(commit + 1).unwrap(); 20])
    }

    fn number(id: CommitId) -> usize {
        usize::from(id.as_bytes()[0]) - 1
    }

    fn contained(&self, tip: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![tip];
        while let Some(commit) = open.pop() {
            if seen.insert(commit) {
                open.extend(&self.parents[commit]);
            }
        }
        seen
    }

    fn relation(&self, local: CommitId, upstream: CommitId) -> Relation {
        let (local, upstream) = (self.contained(Self::number(local)), self.contained(Self::number(upstream)));
        let count = |a: &BTreeSet<usize>, b: &BTreeSet<usize>| u64::try_from(a.difference(b).count()).unwrap();
        let (ahead, behind) = (count(&local, &upstream), count(&upstream, &local));
        match (ahead, behind) {
            (0, 0) => Relation::Same,
            (_, 0) => Relation::LocalAhead { ahead },
            (0, _) => Relation::LocalBehind { behind },
            _ => {
                let merge_base = local.intersection(&upstream).max().map(|base| Self::id(*base));
                Relation::Diverged { merge_base, ahead, behind }
            }
        }
    }
}

/// The refs of a cache. It refuses every edit whose expected value is not there, as the real one does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Store(BTreeMap<RefName, CommitId>);

impl Store {
    fn apply(&mut self, edit: &RefEdit) {
        assert_eq!(self.0.get(edit.name()).copied(), edit.expected(), "an edit expects what is there: {edit:?}");
        self.0.insert(edit.name().clone(), edit.new_value());
    }
}

struct Lane {
    source: BranchName,
    group: GroupName,
    gitops: BranchName,
    prefix: RefPrefix,
}

impl Lane {
    fn new() -> Self {
        Self {
            source: BranchName::parse("main").unwrap(),
            group: GroupName::parse("app").unwrap(),
            gitops: BranchName::parse("gitops").unwrap(),
            prefix: RefPrefix::parse("refs/mirror/snapshots").unwrap(),
        }
    }

    fn view(&self) -> LaneView<'_> {
        LaneView { source: &self.source, snapshot_group: &self.group, gitops: Some(&self.gitops), prefix: &self.prefix }
    }

    fn observe(&self, history: &History, store: &Store, upstream: &Upstream) -> Observation {
        let branch = |branch: &BranchName, tip: Option<CommitId>| {
            let local = store.0.get(&branch.ref_name()).copied();
            BranchSeen {
                upstream: tip,
                local,
                staged: store.0.get(&branch.stage_ref()).copied(),
                relation: local.zip(tip).map(|(local, tip)| history.relation(local, tip)),
            }
        };
        let snapshot = upstream.source.and_then(|tip| store.0.get(&self.view().snapshot_of(tip).ref_name()).copied());
        Observation {
            source: branch(&self.source, upstream.source),
            gitops: branch(&self.gitops, upstream.gitops),
            snapshot,
        }
    }

    fn plan(&self, history: &History, store: &Store, upstream: &Upstream) -> SyncPlan {
        plan_sync(&self.observe(history, store, upstream), &self.view()).unwrap()
    }
}

#[derive(Debug, Clone, Copy)]
struct Upstream {
    source: Option<CommitId>,
    gitops: Option<CommitId>,
}

/// One turn of the world: upstream moves anywhere, the local GitOps branch takes a commit or not, the sync dies after some edits.
#[derive(Debug, Clone)]
struct Turn {
    upstream: Upstream,
    accepted: Option<CommitId>,
    dies_after: usize,
}

fn history() -> impl Strategy<Value = History> {
    (2usize..12).prop_flat_map(|count| {
        let parents: Vec<_> =
            (0..count).map(|commit| prop::collection::btree_set(0..commit.max(1), 0..=commit.min(2))).collect();
        parents.prop_map(|parents| History {
            parents: parents
                .into_iter()
                .enumerate()
                .map(|(commit, parents)| parents.into_iter().filter(|parent| *parent < commit).collect())
                .collect(),
        })
    })
}

fn world() -> impl Strategy<Value = (History, Vec<Turn>)> {
    history().prop_flat_map(|history| {
        let count = history.parents.len();
        let tip = || prop::option::weighted(0.85, (0..count).prop_map(History::id));
        let turn = (tip(), tip(), prop::option::weighted(0.3, (0..count).prop_map(History::id)), 0usize..6).prop_map(
            |(source, gitops, accepted, dies_after)| Turn {
                upstream: Upstream { source, gitops },
                accepted,
                dies_after,
            },
        );
        (Just(history), prop::collection::vec(turn, 1..6))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn plans_keep_their_promises((history, turns) in world()) {
        let lane = Lane::new();
        let mut store = Store::default();
        for turn in turns {
            if let Some(commit) = turn.accepted {
                store.0.insert(lane.gitops.ref_name(), commit);
            }
            let before = store.clone();
            let plan = lane.plan(&history, &store, &turn.upstream);

            // Ranks never go back: snapshots, then what readers see, then mirror-stage.
            let ranks: Vec<EditRank> = plan.edits.iter().map(RefEdit::rank).collect();
            prop_assert!(ranks.is_sorted());
            for edit in &plan.edits {
                prop_assert_ne!(edit.expected(), Some(edit.new_value()), "an edit changes something");
                if edit.rank() == EditRank::Snapshot {
                    prop_assert!(matches!(edit, RefEdit::Create { .. }), "I1: a snapshot never moves");
                }
            }

            // A GitOps branch moves by fast-forward only (I2).
            let gitops = plan.gitops.as_ref().unwrap();
            if let Some(old) = gitops.before {
                let new = gitops.after.unwrap();
                prop_assert!(history.contained(History::number(new)).contains(&History::number(old)));
            }

            // Dying between any two edits leaves a state from which the same verb converges to the same refs (I7), and in which no
            // source tip is without its snapshot (I5).
            let mut whole = before.clone();
            for edit in &plan.edits {
                whole.apply(edit);
            }
            for edit in plan.edits.iter().take(turn.dies_after) {
                store.apply(edit);
            }
            if let Some(tip) = store.0.get(&lane.source.ref_name()) {
                prop_assert!(store.0.contains_key(&lane.view().snapshot_of(*tip).ref_name()), "I5");
            }
            for edit in lane.plan(&history, &store, &turn.upstream).edits {
                store.apply(&edit);
            }
            prop_assert_eq!(&store, &whole);

            // Planning again changes nothing.
            let again = lane.plan(&history, &store, &turn.upstream);
            prop_assert_eq!(&again.edits, &vec![]);
            let settled = |outcome: RefOutcome| !matches!(
                outcome,
                RefOutcome::Created | RefOutcome::FastForwarded | RefOutcome::Rewound | RefOutcome::NeedsObjects
            );
            prop_assert!(settled(again.source.outcome) && settled(again.gitops.as_ref().unwrap().outcome), "{:?}", again);

            // Nothing that was there is gone.
            prop_assert!(before.0.keys().all(|name| store.0.contains_key(name)));
        }
    }

    #[test]
    fn plans_of_several_lanes_make_one_ordered_transaction((history, turns) in world()) {
        let lane = Lane::new();
        let store = Store::default();
        let plan = lane.plan(&history, &store, &turns[0].upstream);
        let merged = in_order(plan.edits.iter().chain(&plan.edits));
        prop_assert_eq!(merged, plan.edits, "two lanes that share their branches write each edit once");
    }
}
