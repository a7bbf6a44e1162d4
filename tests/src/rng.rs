//! Numbers from a seed.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator of numbers; the same seed gives the same numbers everywhere.
///
/// # Source
/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Starts from a seed and a path of numbers, so that every path has its own sequence.
    pub fn of(seed: u64, path: &[u64]) -> Self {
        let mut rng = Self(seed);
        for part in path {
            rng.0 = rng.draw().wrapping_add(*part);
        }
        rng
    }

    /// Starts from the seed that `GIT_MIRROR_SEED` names, else from the time of day. The seed is printed, so that a run can be done again.
    pub fn from_env() -> Self {
        let given = std::env::var("GIT_MIRROR_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("because this is not 1970").as_nanos() as u64
        });
        // A closed standard error is no failure.
        let _ = writeln!(std::io::stderr(), "GIT_MIRROR_SEED={seed}");
        Self(seed)
    }

    /// Gives the next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Gives a number below a bound that is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// Gives a number from a range that is not empty.
    pub fn within(&mut self, range: &std::ops::Range<u32>) -> u32 {
        range.start + self.below(u64::from(range.end - range.start)) as u32
    }
}
