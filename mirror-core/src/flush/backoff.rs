//! Pauses that grow, are bounded, and differ between machines that failed at the same moment.

use std::time::Duration;

/// The bounds of a pause between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure, before jitter.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after the `failures`-th failure in a row, cut by up to a half; the same for the same seed.
    #[must_use]
    pub fn pause(self, failures: u32, seed: u64) -> Duration {
        Jitter::new(seed ^ u64::from(failures).rotate_left(32)).pause(self, failures)
    }
}

/// A pause is never shorter, so that a policy of zero cannot make a machine spin.
const FLOOR: Duration = Duration::from_millis(1);

/// A source of jitter that gives the same pauses for the same seed.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The pause after the `failures`-th failure in a row: doubled each time, bounded, then cut by up to a half.
    pub(super) fn pause(&mut self, backoff: Backoff, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = backoff.first.saturating_mul(1 << doublings).min(backoff.max).max(FLOOR);
        let half = full / 2;
        // 16 bits of randomness are plenty for spreading pauses.
        let share = u32::try_from(self.next() >> 48).unwrap_or(0);
        (full - half + half / 0xffff * share).max(FLOOR)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1) };

    #[test]
    fn pauses_grow_within_their_bounds() {
        let mut jitter = Jitter::new(1);
        for failures in 0..100_u32 {
            let full = Duration::from_millis(100 << failures.saturating_sub(1).min(10)).min(BACKOFF.max);
            let pause = jitter.pause(BACKOFF, failures);
            assert!(pause >= full / 2 && pause <= full, "failure {failures}: {pause:?} of {full:?}");
        }
    }

    #[test]
    fn a_seed_fixes_the_pauses_and_another_changes_them() {
        let pauses = |seed| {
            let mut jitter = Jitter::new(seed);
            (1..9).map(|failures| jitter.pause(BACKOFF, failures)).collect::<Vec<_>>()
        };
        assert_eq!(pauses(5), pauses(5));
        assert_ne!(pauses(5), pauses(6));
    }

    #[test]
    fn a_policy_of_zero_still_pauses() {
        let nothing = Backoff { first: Duration::ZERO, max: Duration::ZERO };
        assert!(Jitter::new(0).pause(nothing, 1) >= FLOOR);
    }
}
