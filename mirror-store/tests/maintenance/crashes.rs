//! An upkeep that is stopped or killed at each of its points leaves a store that works, and the next one ends what it began.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use mirror_store::{Cache, Halt, Pace, UpkeepError};

use crate::rig::{EndsAt, PREFIX, Rig};
use crate::sandbox::{create, name};

/// A cache in which every step has something to do at these hours.
const HOURS: [i64; 3] = [25, 27, 16 * 24];

fn untidy() -> Rig {
    let rig = Rig::new();
    let commits = rig.feed("main", 5);
    let side = *rig.sandbox.commits("side", 5).last().unwrap();
    rig.sandbox.bring(&rig.operation("sync"), &[side], &[]).unwrap();
    rig.sandbox.git_with(rig.cache.path(), &["hash-object", "-w", "--stdin"], b"by hand");
    std::fs::write(rig.cache.path().join("objects/pack/tmp_pack_x"), "half").unwrap();
    let edits: Vec<_> =
        (0..70).map(|number| create(&format!("{PREFIX}/app/b{number}/{}", commits[0]), commits[0])).collect();
    rig.operation("sync").apply(&edits).unwrap();
    rig
}

/// Everything that readers may ask for is there, and nobody has to clean up by hand.
fn check(rig: &Rig, refs: &[String]) {
    rig.fsck();
    assert_eq!(rig.sandbox.refs(&rig.cache), refs);
    let strangers: Vec<_> = rig.files("git-mirror/op").into_iter().collect();
    assert!(strangers.len() <= 1, "{strangers:?}");
}

#[test]
fn an_upkeep_that_is_stopped_anywhere_is_taken_up_by_the_next() {
    let rig = untidy();
    let refs = rig.sandbox.refs(&rig.cache);
    for hours in HOURS {
        let mut point = 0;
        loop {
            let pace = EndsAt::new(point);
            let upkept = rig.maintain_with(&rig.rules(hours), &pace);
            check(&rig, &refs);
            match upkept.error {
                Some(UpkeepError::Stopped) => point += 1,
                None => break,
                Some(error) => panic!("{error}"),
            }
        }
        assert!(point > 7, "there are more points than steps");
    }
    let upkeep = rig.cache.plan_upkeep(&rig.rules(HOURS[2])).unwrap();
    assert_eq!((upkeep.before.packs, upkeep.before.loose_objects, upkeep.before.garbage_files), (1, 0, 0));
}

/// Kills its own process at a point.
struct Dies(AtomicU32);

impl Pace for Dies {
    fn halt(&self) -> Option<Halt> {
        None
    }

    fn reached(&self, _point: &'static str) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 0 {
            let me = rustix::process::getpid();
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        }
    }
}

const CACHE: &str = "MIRROR_UPKEEP_CACHE";
const POINT: &str = "MIRROR_UPKEEP_POINT";
const AT: &str = "MIRROR_UPKEEP_HOURS";

/// Not a test by itself: [`i7_an_upkeep_that_is_killed_anywhere_is_taken_up_by_the_next`] runs it in a process of its own.
#[test]
fn dies_where_it_is_told() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(cache), Some(point), Some(hours)) = (variable(CACHE), variable(POINT), variable(AT)) else { return };
    let cache = Cache::open(cache.as_ref()).unwrap();
    let rig = Rig::over(cache);
    let upkept = rig.maintain_with(&rig.rules(hours.parse().unwrap()), &Dies(AtomicU32::new(point.parse().unwrap())));
    assert!(upkept.error.is_none(), "{:?}", upkept.error);
}

#[test]
fn i7_an_upkeep_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let rig = untidy();
    let refs = rig.sandbox.refs(&rig.cache);
    let objects = rig.objects();
    for hours in HOURS {
        let mut kills = 0;
        for point in 0.. {
            let ended = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crashes::dies_where_it_is_told", "--quiet"])
                .env(CACHE, rig.cache.path())
                .env(POINT, point.to_string())
                .env(AT, hours.to_string())
                .output()
                .unwrap();
            check(&rig, &refs);
            if hours < HOURS[2] {
                assert_eq!(rig.objects(), objects, "killed at point {point}");
            }
            match (ended.status.signal(), ended.status.success()) {
                (Some(9), _) => kills += 1,
                (None, true) => break,
                other => panic!("{other:?}: {}", String::from_utf8_lossy(&ended.stdout)),
            }
        }
        assert!(kills > 7, "there are more points than steps");
    }
    let tip = rig.cache.find(&name("refs/heads/main")).unwrap().unwrap();
    assert!(rig.cache.has_commit(tip).unwrap());
    assert_eq!(rig.packs().len(), 1);
}
