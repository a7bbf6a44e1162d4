//! Ahead, behind and merge base, against the definition and against git, on random histories whose dates lie.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mirror_core::name::CommitId;
use mirror_core::sync::Relation;
use mirror_store::Cache;
use proptest::prelude::*;

use crate::sandbox::{Sandbox, id};

/// A history: for each commit its parents, by number, and its date.
#[derive(Debug, Clone)]
struct History(Vec<(BTreeSet<usize>, u32)>);

fn histories(dates: std::ops::Range<u32>) -> impl Strategy<Value = History> {
    let commit = (proptest::collection::vec(any::<prop::sample::Index>(), 0..=3), dates, any::<bool>());
    proptest::collection::vec(commit, 2..40).prop_map(|commits| {
        let commits = commits.into_iter().enumerate().map(|(number, (parents, date, is_near))| {
            let parents = parents.iter().filter(|_| number > 0).map(|parent| {
                // Half of the commits stand on one of the last few, so that long lines come about.
                if is_near { number - 1 - parent.index(number.min(3)) } else { parent.index(number) }
            });
            (parents.collect(), date)
        });
        History(commits.collect())
    })
}

impl History {
    fn write(&self, sandbox: &Sandbox) -> (Cache, Vec<CommitId>) {
        let mut stream = String::new();
        for (number, (parents, date)) in self.0.iter().enumerate() {
            let date = 1_600_000_000 + date;
            write!(
                stream,
                "commit refs/heads/c{number}\nmark :{}\ncommitter C <c@e> {date} +0000\ndata 0\n",
                number + 1
            )
            .unwrap();
            for (place, parent) in parents.iter().enumerate() {
                writeln!(stream, "{} :{}", if place == 0 { "from" } else { "merge" }, parent + 1).unwrap();
            }
            write!(stream, "M 100644 inline f\ndata {}\n{number}\n", number.to_string().len()).unwrap();
        }
        sandbox.git_with(&sandbox.upstream(), &["fast-import", "--quiet", "--force"], stream.as_bytes());
        let ask: String = (0..self.0.len()).map(|number| format!("refs/heads/c{number}\n")).collect();
        let ids = sandbox.git_with(&sandbox.upstream(), &["cat-file", "--batch-check=%(objectname)"], ask.as_bytes());
        let ids: Vec<CommitId> = ids.lines().map(id).collect();
        let cache = sandbox.cache();
        sandbox.bring(&cache.begin("fetch").unwrap(), &ids, &[]).unwrap();
        (cache, ids)
    }

    fn ancestors(&self, tip: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![tip];
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(&self.0[at].0);
            }
        }
        seen
    }

    /// The definition, and every merge base that is as good as another.
    fn truth(&self, local: usize, upstream: usize) -> (u64, u64, BTreeSet<usize>) {
        let (ours, theirs) = (self.ancestors(local), self.ancestors(upstream));
        let common: BTreeSet<usize> = ours.intersection(&theirs).copied().collect();
        let covered: BTreeSet<usize> =
            common.iter().flat_map(|at| self.ancestors(*at).into_iter().filter(move |other| other != at)).collect();
        let best = common.difference(&covered).copied().collect();
        (ours.difference(&theirs).count() as u64, theirs.difference(&ours).count() as u64, best)
    }
}

fn check(history: &History, has_graph: bool, pairs: &[(usize, usize)]) {
    let sandbox = Sandbox::new();
    let (cache, ids) = history.write(&sandbox);
    if has_graph {
        // Of the older half only: the walk crosses from what the graph does not know into what it does.
        let older = &ids[..ids.len().div_ceil(2)];
        let older: String = older.iter().map(|id| format!("{id}\n")).collect();
        sandbox.git_with(cache.path(), &["commit-graph", "write", "--stdin-commits"], older.as_bytes());
    }
    for (local, upstream) in pairs {
        let (local, upstream) = (local % ids.len(), upstream % ids.len());
        let (ahead, behind, best) = history.truth(local, upstream);
        let expect = |merge_base| match (ahead, behind) {
            (0, 0) => Relation::Same,
            (ahead, 0) => Relation::LocalAhead { ahead },
            (0, behind) => Relation::LocalBehind { behind },
            (ahead, behind) => Relation::Diverged { merge_base, ahead, behind },
        };
        let found = cache.relation(ids[local], ids[upstream]).unwrap();
        let base = cache.merge_base(ids[local], ids[upstream]).unwrap();
        assert_eq!(found, expect(base), "{local} against {upstream} of {history:?}");
        match base {
            None => assert!(best.is_empty(), "{local} and {upstream} meet at {best:?} in {history:?}"),
            Some(base) => {
                assert!(best.iter().any(|at| ids[*at] == base), "{local} and {upstream} of {history:?}");
            }
        }
    }
}

fn pairs() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0usize..1000, 0usize..1000), 8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn relations_are_true_whatever_the_dates_say(history in histories(0..100_000_000), has_graph: bool, pairs in pairs()) {
        check(&history, has_graph, &pairs);
    }
}

#[test]
fn git_says_the_same() {
    let sandbox = Sandbox::new();
    // Two lines from one root, one of them merged into the other half way, with equal dates.
    let parents: [&[usize]; 10] = [&[], &[0], &[0], &[1], &[2, 1], &[3], &[4], &[5], &[6], &[]];
    let history = History(
        parents.iter().enumerate().map(|(at, parents)| (parents.iter().copied().collect(), at as u32 / 3)).collect(),
    );
    let (cache, ids) = history.write(&sandbox);
    for local in 0..ids.len() {
        for upstream in 0..ids.len() {
            let range = format!("{}...{}", ids[local], ids[upstream]);
            let counts = sandbox.git(cache.path(), &["rev-list", "--left-right", "--count", &range]);
            let relation = cache.relation(ids[local], ids[upstream]).unwrap();
            let found = format!("{}\t{}", relation.ahead().unwrap(), relation.behind().unwrap());
            assert_eq!(found, counts, "{local} against {upstream}");
            let (_, base, _) = sandbox.try_git(
                cache.path(),
                &["merge-base", &ids[local].to_string(), &ids[upstream].to_string()],
                b"",
            );
            let found = cache.merge_base(ids[local], ids[upstream]).unwrap();
            assert_eq!(found.map(|base| base.to_string()).unwrap_or_default(), base.trim(), "{local} and {upstream}");
        }
    }
}

#[test]
fn what_is_not_here_needs_objects() {
    let sandbox = Sandbox::new();
    let (cache, ids) = History(vec![(BTreeSet::new(), 0)]).write(&sandbox);
    let absent = id(&"1".repeat(40));
    assert_eq!(cache.relation(ids[0], absent).unwrap(), Relation::NeedsObjects);
    assert!(cache.relation(absent, ids[0]).is_err(), "a local tip that is not here is a damaged cache");
}
