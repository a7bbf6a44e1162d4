//! Deltas: an object as copies from its base and new bytes between them.
//!
//! The common beginning and end of both are found first, which is all there is to find for most edits; only for what lies between them
//! is the base indexed, by its 16-byte blocks.
//!
//! # Source
//!
//! `gitformat-pack(5)`, "Deltified representation".

/// The size of an indexed block, and the shortest copy found by index.
const BLOCK: usize = 16;

/// A shorter common beginning or end is left to the inserted bytes.
const SHORTEST_EDGE: usize = 8;

/// The longest copy one instruction is given; the format could say more, git's own readers expect no more.
const MAX_COPY: usize = 0x10000;

/// The longest run of new bytes in one instruction.
const MAX_INSERT: usize = 0x7f;

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
    push_size(base.len(), out);
    push_size(target.len(), out);
    let mut delta = Writer { out, limit, inserted: 0 };
    let start = edge(base.iter().zip(target));
    let end = edge(base[start..].iter().rev().zip(target[start..].iter().rev()));
    delta.copy(0, start);
    let middle = &target[start..target.len() - end];
    if middle.len() < BLOCK {
        delta.insert(middle);
    } else {
        delta.middle(base, middle);
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

fn push_size(mut size: usize, out: &mut Vec<u8>) {
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    /// How many bytes at the end of `out` are new bytes of one instruction, whose length byte stands before them.
    inserted: usize,
}

impl Writer<'_> {
    fn fits(&self) -> bool {
        self.out.len() < self.limit
    }

    fn insert(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.fits() {
            if self.inserted == 0 || self.inserted == MAX_INSERT {
                self.out.push(0);
                self.inserted = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(MAX_INSERT - self.inserted));
            self.out.extend_from_slice(now);
            self.inserted += now.len();
            let length_at = self.out.len() - self.inserted - 1;
            self.out[length_at] = self.inserted as u8;
            bytes = later;
        }
    }

    fn copy(&mut self, mut from: usize, mut length: usize) {
        while length > 0 && self.fits() {
            let now = length.min(MAX_COPY);
            let at = self.out.len();
            self.out.push(0);
            let mut code = 0x80;
            for (bit, byte) in (from as u32).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    code |= 1 << bit;
                    self.out.push(byte);
                }
            }
            // A size of 0x10000 is written as none.
            for (bit, byte) in (now as u16).to_le_bytes().into_iter().enumerate() {
                if byte != 0 {
                    code |= 0x10 << bit;
                    self.out.push(byte);
                }
            }
            self.out[at] = code;
            (from, length) = (from + now, length - now);
            self.inserted = 0;
        }
    }

    /// Encodes what lies between the common beginning and end.
    fn middle(&mut self, base: &[u8], target: &[u8]) {
        let index = BlockIndex::of(base);
        let (mut at, mut pending) = (0, 0);
        while at + BLOCK <= target.len() && self.fits() {
            match index.longest(base, &target[at..]) {
                Some((from, length)) => {
                    // What was taken for new just before may belong to the same run.
                    let back = base[..from]
                        .iter()
                        .rev()
                        .zip(target[pending..at].iter().rev())
                        .take_while(|(a, b)| a == b)
                        .count();
                    self.insert(&target[pending..at - back]);
                    self.copy(from - back, length + back);
                    at += length;
                    pending = at;
                }
                None => at += 1,
            }
        }
        self.insert(&target[pending..]);
    }
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

    /// Applies a delta as the format says, refusing everything that it does not allow.
    pub(crate) fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = delta.iter().copied();
        let mut size = || {
            let (mut size, mut shift) = (0usize, 0);
            loop {
                let byte = bytes.next()?;
                size |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    return Some(size);
                }
            }
        };
        if size()? != base.len() {
            return None;
        }
        let size = size()?;
        let mut out = Vec::new();
        while let Some(code) = bytes.next() {
            if code & 0x80 != 0 {
                let mut number = |first: u32, count: u32| {
                    (0..count).try_fold(0usize, |value, i| {
                        Some(if code & (1 << (first + i)) != 0 {
                            value | usize::from(bytes.next()?) << (8 * i)
                        } else {
                            value
                        })
                    })
                };
                let from = number(0, 4)?;
                let length = match number(4, 3)? {
                    0 => MAX_COPY,
                    length => length,
                };
                out.extend_from_slice(base.get(from..from + length)?);
            } else {
                if code == 0 {
                    return None;
                }
                for _ in 0..code {
                    out.push(bytes.next()?);
                }
            }
        }
        (out.len() == size).then_some(out)
    }

    /// The delta of a pair that must come back whole; its length.
    fn check(base: &[u8], target: &[u8]) -> usize {
        let mut delta = Vec::new();
        assert!(encode(base, target, usize::MAX, &mut delta));
        assert_eq!(apply(base, &delta).as_deref(), Some(target));
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
                prop_assert_eq!(apply(&base, &delta), Some(target));
            }
        }
    }
}
