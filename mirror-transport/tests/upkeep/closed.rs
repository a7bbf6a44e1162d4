//! The store stays closed, whatever is dropped from it and when: the check of a push looks up what its objects refer to, and no further.

use mirror_core::name::CommitId;
use mirror_core::report::maintain::{TaskOutcome, UpkeepTask};

use crate::rig::{Rig, step};

const DAY: i64 = 24;

/// Brings commits that no ref will hold, in a pack without what `known` holds.
fn bring(rig: &Rig, tips: &[CommitId], known: &[CommitId]) {
    rig.sandbox.bring(&rig.operation("sync"), tips, known).unwrap();
}

/// Walks from every object there is, reachable or not. Git ends badly where one refers to what is not there.
fn prove_closed(rig: &Rig, when: &str) {
    let objects = rig.objects();
    let all: String = objects.iter().map(|id| format!("{id}\n")).collect();
    let args = ["rev-list", "--objects", "--no-object-names", "--stdin"];
    let (walked, found, said) = rig.sandbox.try_git(rig.cache.path(), &args, all.as_bytes());
    assert!(walked, "{when}: {said}");
    assert!(found.lines().all(|id| objects.contains(id)), "{when}");
}

#[test]
fn i1_what_is_left_after_a_drop_refers_to_nothing_that_was_dropped() {
    // Of a chain without a ref: how many commits come at once, and on which days the others come and the upkeep runs.
    let table: [(usize, &[i64]); 4] = [(5, &[8]), (3, &[1, 8]), (1, &[6, 7, 13]), (4, &[0, 14])];
    for (first, later) in table {
        let rig = Rig::new();
        rig.feed("main", 2);
        let chain = rig.sandbox.commits("side", first + 2 * later.len());
        let (begun, rest) = chain.split_at(first);
        let mut known = *begun.last().unwrap();
        bring(&rig, &[known], &[]);
        rig.maintain(0);
        prove_closed(&rig, "set apart");
        let mut parts = rest.chunks(2);
        let mut has_dropped = false;
        for day in 0..40 {
            // What comes builds on what is set apart already, as far as it is still there.
            if later.contains(&day)
                && rig.cache.has_commit(known).unwrap()
                && let Some([.., tip]) = parts.next()
            {
                bring(&rig, &[*tip], &[known]);
                known = *tip;
            }
            let upkeep = rig.maintain(day * DAY + 1);
            let unreachable = step(&upkeep, UpkeepTask::Unreachable);
            has_dropped |= unreachable.outcome == TaskOutcome::Done && unreachable.bytes_after == 0;
            prove_closed(&rig, &format!("{first} {later:?}, day {day}"));
        }
        assert!(has_dropped && !rig.cache.has_commit(known).unwrap(), "{first} {later:?}: nothing was dropped");
        rig.fsck();
    }
}
