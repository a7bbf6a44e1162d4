//! The store stays closed, whatever is dropped from it and when: the check of a push looks up what its objects refer to, and no further.

use mirror_core::name::CommitId;
use mirror_core::report::maintain::{TaskOutcome, UpkeepTask};

use crate::rig::{EndsAt, Rig, step};

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

#[test]
fn i1_of_several_that_are_due_none_goes_below_another() {
    let rig = Rig::new();
    rig.feed("main", 2);
    let chain = rig.sandbox.commits("side", 12);
    bring(&rig, &[chain[5]], &[]);
    rig.sandbox.git(rig.cache.path(), &["update-ref", "refs/heads/side", &chain[5].to_string()]);
    bring(&rig, &[chain[11]], &[chain[5]]);
    // What is set apart first builds on what a branch still has then, and no branch has a week later.
    rig.maintain(0);
    rig.sandbox.git(rig.cache.path(), &["update-ref", "-d", "refs/heads/side"]);
    rig.maintain(8 * DAY);
    let has = |id: CommitId| rig.objects().contains(&id.to_string());
    assert!(has(chain[0]) && has(chain[11]));
    let (mut points, mut between) = (0, 0);
    while has(chain[0]) {
        rig.maintain_with(&rig.rules(30 * DAY), &EndsAt::new(points));
        prove_closed(&rig, &format!("ended at {points}"));
        between += u32::from(has(chain[0]) && !has(chain[11]));
        points += 1;
    }
    assert!(!has(chain[11]) && between > 0, "{between} ends of {points} were between the two");
    rig.fsck();
}
