//! Readers that clone without a pause, while packs arrive, are rolled up and removed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::rig::Rig;

#[test]
fn readers_never_notice_that_packs_are_replaced() {
    const READERS: usize = 3;
    let rig = Rig::new();
    rig.feed("main", 12);
    let is_over = AtomicBool::new(false);
    let rounds: [AtomicU64; READERS] = std::array::from_fn(|_| AtomicU64::new(0));
    let (url, work) = (format!("file://{}", rig.cache.path().display()), rig.sandbox.path(""));
    std::thread::scope(|scope| {
        let read = |reader: usize| {
            let mut round = 0;
            while !is_over.load(Ordering::Relaxed) {
                let into = format!("clone-{reader}-{round}");
                let (is_ok, _, err) = rig.sandbox.try_git(&work, &["clone", "--bare", "-q", &url, &into], b"");
                assert!(is_ok && err.is_empty(), "reader {reader}, round {round}: {err}");
                let folder = rig.sandbox.path(&into);
                rig.sandbox.git(&folder, &["fsck", "--connectivity-only", "--no-dangling"]);
                std::fs::remove_dir_all(folder).unwrap();
                round += 1;
                rounds[reader].store(round, Ordering::Release);
            }
        };
        let readers: Vec<_> = (0..READERS).map(|reader| scope.spawn(move || read(reader))).collect();
        let tend = || {
            for cycle in 1..6 {
                rig.feed("main", 4);
                // What this removes was replaced a cycle ago; and in a cycle, each reader has begun and ended a clone. That is what
                // the hours stand for between the replacement of a pack and its end.
                rig.maintain(cycle * 2);
                let seen: Vec<u64> = rounds.iter().map(|round| round.load(Ordering::Acquire)).collect();
                while !readers.iter().any(std::thread::ScopedJoinHandle::is_finished)
                    && rounds.iter().zip(&seen).any(|(round, seen)| round.load(Ordering::Acquire) < seen + 2)
                {
                    std::thread::yield_now();
                }
            }
        };
        tend();
        is_over.store(true, Ordering::Relaxed);
    });
    rig.fsck();
    assert!(rig.packs().len() < 12);
}
