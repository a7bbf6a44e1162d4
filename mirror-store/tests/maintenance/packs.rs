//! Roll-ups, and the removal of what they replaced.

use std::fs;

use mirror_core::report::maintain::{TaskOutcome, UpkeepTask};
use mirror_store::{PackCount, UpkeepError};

use crate::rig::{Rig, Unhurried, step};
use crate::sandbox::listing;

#[test]
fn many_small_packs_become_one_and_go_when_no_reader_can_have_them_open() {
    let rig = Rig::new();
    rig.feed("main", 24);
    let (objects, packs, refs) = (rig.objects(), rig.packs(), rig.sandbox.refs(&rig.cache));
    let first = rig.maintain(0);
    let rolled = step(&first, UpkeepTask::RollUp);
    assert_eq!((rolled.outcome, rolled.items), (TaskOutcome::Done, 24));
    assert!(rolled.bytes_after < rolled.bytes_before);
    let after = first.after.unwrap();
    assert_eq!((after.packs, after.superseded_packs), (1, 24));
    assert!(packs.is_subset(&rig.packs()), "readers may still read each of them");
    assert_eq!(rig.objects(), objects);
    rig.fsck();

    let early = rig.maintain(0);
    assert_eq!(step(&early, UpkeepTask::Superseded).outcome, TaskOutcome::Waiting);
    assert_eq!(step(&early, UpkeepTask::RollUp).outcome, TaskOutcome::Nothing);

    let second = rig.maintain(2);
    let removed = step(&second, UpkeepTask::Superseded);
    assert_eq!((removed.outcome, removed.items, removed.bytes_after), (TaskOutcome::Done, 24, 0));
    assert_eq!(rig.packs().len(), 1);
    assert!(
        rig.files("objects/pack")
            .iter()
            .all(|name| name.split('.').next() == rig.packs().first().unwrap().split('.').next())
    );
    assert_eq!((rig.objects(), rig.sandbox.refs(&rig.cache)), (objects, refs));
    rig.fsck();
    // And then there is nothing to do.
    let last = rig.maintain(3);
    assert!(last.steps.iter().all(|step| step.outcome == TaskOutcome::Nothing), "{:?}", last.steps);
}

#[test]
fn a_large_pack_is_not_made_anew_for_a_few_small_ones() {
    let rig = Rig::new();
    rig.feed("main", 40);
    rig.maintain(0);
    rig.maintain(2);
    let large = rig.packs();
    rig.feed("main", 3);
    let upkeep = rig.maintain(2);
    assert_eq!(step(&upkeep, UpkeepTask::RollUp).items, 3);
    assert_eq!(upkeep.after.unwrap().packs, 2);
    assert!(large.is_subset(&rig.packs()));
    rig.maintain(4);
    assert_eq!(rig.packs().len(), 2);
    rig.fsck();
}

#[test]
fn packs_are_counted_by_what_an_upkeep_may_do_with_them() {
    let rig = Rig::new();
    let count = |hours| rig.cache.count_packs(rig.rules(hours).now).unwrap();
    let counts = |used, leaving, overdue| PackCount { used, leaving, overdue };
    rig.feed("main", 5);
    assert_eq!(count(0), counts(5, 0, 0));
    let kept = rig.cache.path().join("objects/pack").join(rig.packs().first().unwrap()).with_extension("keep");
    fs::write(&kept, "").unwrap();
    assert_eq!(count(0), counts(4, 0, 0), "what stays is no reason for an upkeep");
    fs::remove_file(&kept).unwrap();
    rig.maintain(0);
    assert_eq!((rig.packs().len(), count(1)), (6, counts(1, 5, 0)));
    rig.feed("main", 2);
    assert_eq!((count(1), count(4)), (counts(3, 5, 0), counts(3, 0, 5)));
    rig.maintain(4);
    assert_eq!(count(4), counts(2, 2, 0), "what is counted as overdue is what the next upkeep takes away");
    rig.feed("main", 1);
    // Without notes nothing is known to be replaced.
    fs::remove_file(rig.cache.path().join("git-mirror/upkeep.json")).unwrap();
    assert_eq!(count(4), counts(5, 0, 0));
}

#[test]
fn i10_a_dry_run_tells_the_same_and_changes_nothing() {
    let rig = Rig::new();
    rig.feed("main", 5);
    let before = listing(rig.cache.path());
    let planned = rig.cache.plan_upkeep(&rig.rules(0)).unwrap();
    assert_eq!(listing(rig.cache.path()), before);
    assert_eq!(planned.after, None);
    let done = rig.maintain(0);
    for (planned, done) in planned.steps.iter().zip(&done.steps) {
        assert_eq!(planned.task, done.task);
        // Whether anything is out of reach is known only when it was looked for.
        if planned.task == UpkeepTask::Unreachable {
            assert_eq!((planned.outcome, done.outcome), (TaskOutcome::Planned, TaskOutcome::Nothing));
        } else {
            let is_planned = planned.outcome == TaskOutcome::Planned;
            assert_eq!(is_planned, done.outcome == TaskOutcome::Done, "{planned:?} {done:?}");
        }
    }
    assert_eq!(step(&planned, UpkeepTask::RollUp).items, 5);
}

#[test]
fn a_pack_that_is_to_be_kept_stays() {
    let rig = Rig::new();
    rig.feed("main", 6);
    let kept = rig.packs().first().unwrap().replace(".pack", ".keep");
    fs::write(rig.cache.path().join("objects/pack").join(&kept), "mine\n").unwrap();
    assert_eq!(step(&rig.maintain(0), UpkeepTask::RollUp).items, 5);
    // A wish that comes between the roll-up and the removal counts as well.
    let late = rig.packs().last().unwrap().replace(".pack", ".keep");
    fs::write(rig.cache.path().join("objects/pack").join(&late), "").unwrap();
    rig.maintain(2);
    let files = rig.files("objects/pack");
    for keep in [kept, late] {
        assert!(files.contains(&keep) && files.contains(&keep.replace(".keep", ".pack")), "{files:?}");
    }
    rig.fsck();
}

#[test]
fn a_pack_that_others_did_not_wholly_replace_is_taken_into_use_again() {
    let rig = Rig::new();
    rig.feed("main", 4);
    let objects = rig.objects();
    let before = rig.packs();
    rig.maintain(0);
    // Somebody removes the new pack by hand.
    for new in rig.packs().difference(&before) {
        for ending in ["idx", "pack", "rev"] {
            let _ = fs::remove_file(rig.cache.path().join("objects/pack").join(new).with_extension(ending));
        }
    }
    let upkeep = rig.maintain(2);
    assert_eq!(step(&upkeep, UpkeepTask::Superseded).items, 0);
    assert!(step(&upkeep, UpkeepTask::Superseded).why.is_some());
    assert_eq!((step(&upkeep, UpkeepTask::RollUp).items, rig.objects()), (4, objects));
    rig.fsck();
}

#[test]
fn packs_that_repeat_each_other_are_rolled_up_too() {
    let rig = Rig::new();
    let tip = *rig.feed("main", 3).last().unwrap();
    // A push brings once more what is there, and then only that.
    rig.sandbox.bring(&rig.operation("push"), &[tip], &[]).unwrap();
    let objects = rig.objects();
    rig.maintain(0);
    rig.maintain(2);
    assert_eq!((rig.packs().len(), rig.objects()), (1, objects));
    rig.fsck();
}

#[test]
fn no_pack_is_begun_without_room_and_what_needs_none_is_done() {
    let rig = Rig::new();
    rig.feed("main", 3);
    let stray = rig.cache.path().join("objects/pack/tmp_pack_x");
    fs::write(&stray, "half").unwrap();
    let mut rules = rig.rules(48);
    rules.spare_bytes = u64::MAX / 2;
    let upkept = rig.maintain_with(&rules, &Unhurried);
    assert!(matches!(upkept.error, Some(UpkeepError::NoRoom { .. })), "{:?}", upkept.error);
    let upkeep = upkept.upkeep.unwrap();
    assert_eq!(step(&upkeep, UpkeepTask::RollUp).outcome, TaskOutcome::Skipped);
    assert_eq!(step(&upkeep, UpkeepTask::Garbage).outcome, TaskOutcome::Done);
    assert!(!stray.exists());
    assert_eq!(rig.packs().len(), 3);
}

#[test]
fn a_damaged_pack_is_found_before_anything_replaces_it() {
    use std::io::{Read, Seek, SeekFrom, Write};
    use std::os::unix::fs::PermissionsExt;

    let rig = Rig::new();
    rig.feed("main", 4);
    let pack = rig.cache.path().join("objects/pack").join(rig.packs().first().unwrap());
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    let mut file = fs::File::options().read(true).write(true).open(&pack).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(&[byte[0] ^ 0x40]).unwrap();
    drop(file);
    let before = rig.packs();
    let upkept = rig.maintain_with(&rig.rules(0), &Unhurried);
    assert!(matches!(upkept.error, Some(UpkeepError::Git(_))), "{:?}", upkept.error);
    rig.maintain_with(&rig.rules(2), &Unhurried);
    assert_eq!(rig.packs(), before, "nothing was replaced");
}
