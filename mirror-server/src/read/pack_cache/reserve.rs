//! What cached answers leave of the disk to others: they give way before the guard of the disk refuses anybody who writes.
//!
//! The guard refuses below its lower mark, and goes on to do so until its upper one is free. So answers are written only while clearly more
//! than the lower mark is free; and once there is not, or the guard refuses, kept ones go until the upper mark is free, or until there are none.
//!
//! Decides alone; files are [`room`](super::storage)'s.

use std::sync::Arc;

use mirror_core::config::FreeSpace;
use mirror_engine::space::{SpaceGuard, Verdict};

/// How much of the disk is others'.
#[derive(Debug, Clone)]
pub(in crate::read) struct Reserve {
    marks: FreeSpace,
    guard: Arc<SpaceGuard>,
}

impl Reserve {
    /// Takes the guard, and the marks that it judges by.
    pub(in crate::read) fn of(marks: FreeSpace, guard: Arc<SpaceGuard>) -> Self {
        Self { marks, guard }
    }

    /// How many bytes cached answers have to make free, where so many are free, for so many more to be written; 0 where there is room for these.
    pub(super) fn shortage(&self, free: u64, bytes: u64) -> u64 {
        // Where the file system does not tell, writing does.
        let verdict = self.guard.look().map_or(Verdict::Enough, |space| space.verdict);
        shortage(self.marks, verdict, free, bytes)
    }
}

fn shortage(marks: FreeSpace, verdict: Verdict, free: u64, bytes: u64) -> u64 {
    let (stop, resume) = (marks.stop.get(), marks.resume.get().max(marks.stop.get()));
    let least = match verdict {
        // What others write between two looks has room beside what is cached.
        Verdict::Enough => stop + (resume - stop) / 4,
        Verdict::Low => resume,
    };
    if free >= least.saturating_add(bytes) { 0 } else { resume.saturating_add(bytes).saturating_sub(free) }
}

#[cfg(test)]
mod tests {
    use mirror_core::config::ByteSize;

    use super::*;

    #[test]
    fn kept_answers_give_way_up_to_the_upper_mark_before_the_guard_refuses() {
        let marks = FreeSpace { stop: ByteSize::bytes(200), resume: ByteSize::bytes(400) };
        let cases = [
            (Verdict::Enough, 1000, 10, 0),
            (Verdict::Enough, 260, 10, 0),
            (Verdict::Enough, 259, 10, 151),
            (Verdict::Enough, 250, 0, 0),
            (Verdict::Enough, 249, 0, 151),
            (Verdict::Enough, 0, 0, 400),
            // Once the guard refuses, only the upper mark ends that.
            (Verdict::Low, 399, 0, 1),
            (Verdict::Low, 400, 0, 0),
            (Verdict::Low, 400, 10, 10),
        ];
        for (verdict, free, bytes, expect) in cases {
            assert_eq!(shortage(marks, verdict, free, bytes), expect, "{verdict:?}, {free} free, {bytes} more");
        }
        let all = FreeSpace { stop: ByteSize::bytes(u64::MAX), resume: ByteSize::bytes(0) };
        for verdict in [Verdict::Enough, Verdict::Low] {
            assert!(shortage(all, verdict, 1 << 40, 0) > 0);
        }
    }
}
