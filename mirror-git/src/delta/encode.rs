//! Describing an object by a delta.
//!
//! The common beginning and end of both are found first, which is all there is to find for most edits; only for what lies between them
//! is the base indexed, by its 16-byte blocks.

use super::instruction::{Writer, encode_size};

/// The size of an indexed block, and the shortest copy found by index.
const BLOCK: usize = 16;

/// A shorter common beginning or end is left to the inserted bytes.
const SHORTEST_EDGE: usize = 8;

/// How many blocks of the same hash are compared; more are only met in bases that repeat themselves.
const MAX_CANDIDATES: usize = 32;

/// Encodes `target` as a delta against `base` into `out`, which is cleared first; false where that would not be shorter than `limit`
/// bytes, and then `out` holds nothing of use.
///
/// # Panics
///
/// Where `base` has 4 GiB or more, which no copy instruction can address.
pub fn encode(base: &[u8], target: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
    assert!(u32::try_from(base.len()).is_ok(), "a copy instruction addresses 32 bits");
    out.clear();
    encode_size(base.len() as u64, out);
    encode_size(target.len() as u64, out);
    let mut delta = Writer::new(out, limit);
    let start = edge(base.iter().zip(target));
    let end = edge(base[start..].iter().rev().zip(target[start..].iter().rev()));
    delta.copy(0, start);
    let middle = &target[start..target.len() - end];
    if middle.len() < BLOCK {
        delta.insert(middle);
    } else {
        encode_middle(base, middle, &mut delta);
    }
    delta.copy(base.len() - end, end);
    delta.fits()
}

/// How many pairs from the front on are equal; too few count as none.
fn edge<'a>(pairs: impl Iterator<Item = (&'a u8, &'a u8)>) -> usize {
    match pairs.take_while(|(a, b)| a == b).count() {
        ..SHORTEST_EDGE => 0,
        equal => equal,
    }
}

/// Encodes what lies between the common beginning and end.
fn encode_middle(base: &[u8], target: &[u8], delta: &mut Writer<'_>) {
    let index = BlockIndex::of(base);
    let (mut at, mut pending) = (0, 0);
    while at + BLOCK <= target.len() && delta.fits() {
        match index.longest(base, &target[at..]) {
            Some((from, length)) => {
                // What was taken for new just before may belong to the same run.
                let back =
                    base[..from].iter().rev().zip(target[pending..at].iter().rev()).take_while(|(a, b)| a == b).count();
                delta.insert(&target[pending..at - back]);
                delta.copy(from - back, length + back);
                at += length;
                pending = at;
            }
            None => at += 1,
        }
    }
    delta.insert(&target[pending..]);
}

/// The blocks of a base by their hash: for each hash the last block, for each block the one before it with the same hash.
struct BlockIndex {
    last: Vec<u32>,
    before: Vec<u32>,
    shift: u32,
}

/// No block.
const NONE: u32 = u32::MAX;

impl BlockIndex {
    fn of(base: &[u8]) -> Self {
        let blocks = base.len() / BLOCK;
        let bits = (blocks.max(2) * 2).next_power_of_two().ilog2();
        let mut index = BlockIndex { last: vec![NONE; 1 << bits], before: vec![NONE; blocks], shift: 64 - bits };
        // From the end on, so that the first of equal blocks is found first.
        for (at, block) in base.chunks_exact(BLOCK).enumerate().rev() {
            let slot = index.slot(block);
            index.before[at] = index.last[slot];
            index.last[slot] = at as u32;
        }
        index
    }

    fn slot(&self, block: &[u8]) -> usize {
        let half = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mixed =
            half(block).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(&block[8..]).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Finds the longest run in `base` with which `target` begins: its place and length.
    fn longest(&self, base: &[u8], target: &[u8]) -> Option<(usize, usize)> {
        let mut found: Option<(usize, usize)> = None;
        let mut candidate = self.last[self.slot(&target[..BLOCK])];
        for _ in 0..MAX_CANDIDATES {
            if candidate == NONE {
                break;
            }
            let from = candidate as usize * BLOCK;
            if base[from..from + BLOCK] == target[..BLOCK] {
                let more = base[from + BLOCK..].iter().zip(&target[BLOCK..]).take_while(|(a, b)| a == b).count();
                let length = BLOCK + more;
                if found.is_none_or(|(_, best)| length > best) {
                    found = Some((from, length));
                }
            }
            candidate = self.before[candidate as usize];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delta::instruction::{MAX_COPY, MAX_INSERT};
    use crate::delta::{DeltaFault, apply};

    fn applied(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaFault> {
        let mut target = Vec::new();
        apply(base, delta, u64::MAX, &mut target).map(|()| target)
    }

    /// The delta of a pair that must come back whole; its length.
    fn check(base: &[u8], target: &[u8]) -> usize {
        let mut delta = Vec::new();
        assert!(encode(base, target, usize::MAX, &mut delta));
        assert_eq!(applied(base, &delta).as_deref(), Ok(target));
        delta.len()
    }

    #[test]
    fn edits_cost_what_they_change() {
        let text: Vec<u8> = (0..4000u32).flat_map(|n| format!("line {n} of the file\n").into_bytes()).collect();
        assert!(text.len() > MAX_COPY, "the copies must need more than one instruction");
        assert!(check(&text, &text) <= 16);
        let mut one = text.clone();
        one[40_000] = b'X';
        assert!(check(&text, &one) <= 32);
        let moved = [&text[50_000..], &text[..50_000]].concat();
        assert!(check(&text, &moved) <= 64);
        let mut three = text.clone();
        for at in [10, 30_000, 70_000] {
            three.splice(at..at + 3, *b"something else");
        }
        assert!(check(&text, &three) <= 100);
    }

    #[test]
    fn borders_come_back_whole() {
        let long = vec![7; 3 * MAX_COPY + 5];
        for target in [&b""[..], b"a", b"abcdefg", b"abcdefgh", &[0; 15], &[0; 16], &[0; 17], &[1; 300], &long] {
            for base in [&b""[..], b"a", b"abcdefgh", &[0; 16], &[0; 33], &[1; 127], &long] {
                check(base, target);
            }
        }
    }

    #[test]
    fn a_delta_that_is_not_worth_it_is_given_up() {
        let noise = |seed: u32| -> Vec<u8> {
            (0..2000u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
        };
        let mut delta = Vec::new();
        assert!(!encode(&[], &noise(1), 1000, &mut delta));
        assert!(delta.len() < 1000 + MAX_INSERT + 8, "it stops soon after the limit");
    }

    /// A base, and a target made of its pieces and new bytes.
    fn related() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let base = proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(0u8)], 0..1500);
        let piece = prop_oneof![
            (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(Ok),
            proptest::collection::vec(any::<u8>(), 0..200).prop_map(Err),
        ];
        (base, proptest::collection::vec(piece, 0..8)).prop_map(|(base, pieces)| {
            let mut target = Vec::new();
            for piece in pieces {
                match piece {
                    Ok((from, to)) => {
                        let (from, to) = (from.index(base.len() + 1), to.index(base.len() + 1));
                        target.extend_from_slice(&base[from.min(to)..from.max(to)]);
                    }
                    Err(new) => target.extend_from_slice(&new),
                }
            }
            (base, target)
        })
    }

    proptest! {
        #[test]
        fn related_buffers_come_back_whole((base, target) in related()) {
            check(&base, &target);
        }

        #[test]
        fn arbitrary_buffers_come_back_whole(
            base in proptest::collection::vec(any::<u8>(), 0..600),
            target in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            check(&base, &target);
        }

        #[test]
        fn what_fits_the_limit_is_whole((base, target) in related(), limit in 0usize..2000) {
            let mut delta = Vec::new();
            if encode(&base, &target, limit, &mut delta) {
                prop_assert!(delta.len() < limit);
                prop_assert_eq!(applied(&base, &delta), Ok(target));
            }
        }
    }
}
