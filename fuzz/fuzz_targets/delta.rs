//! The delta codec over arbitrary pairs: what it writes is shorter than asked, and both it and a reading of the test's own give the target back.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mirror_git::delta::{self, encode};

/// A target is put together from pieces of the base and from new bytes, as an edited file is.
#[derive(Debug, Arbitrary)]
struct Input {
    base: Vec<u8>,
    /// How often the base stands behind itself, so that it is longer than one copy.
    repeats: u8,
    pieces: Vec<Piece>,
    limit: Option<u16>,
}

#[derive(Debug, Arbitrary)]
enum Piece {
    Old { from: u16, length: u16 },
    New(Vec<u8>),
}

fuzz_target!(|input: Input| {
    let base = input.base.repeat(1 + usize::from(input.repeats));
    let mut target = Vec::new();
    for piece in input.pieces.iter().take(64) {
        match piece {
            Piece::Old { from, length } => {
                let from = usize::from(*from).min(base.len());
                let to = (from + usize::from(*length)).min(base.len());
                target.extend_from_slice(&base[from..to]);
            }
            Piece::New(bytes) => target.extend_from_slice(bytes),
        }
    }
    let limit = input.limit.map_or(usize::MAX, usize::from);
    let mut delta = Vec::new();
    if encode(&base, &target, limit, &mut delta) {
        assert!(delta.len() < limit);
        assert_eq!(apply(&base, &delta).as_ref(), Some(&target));
        let mut applied = Vec::new();
        assert_eq!(delta::apply(&base, &delta, target.len() as u64, &mut applied), Ok(()));
        assert_eq!(applied, target);
    } else {
        assert!(limit < usize::MAX, "nothing is longer than that");
    }
});

/// Applies a delta as `gitformat-pack(5)` says; nothing where it breaks the format.
fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = delta.iter().copied();
    if size(&mut bytes)? != base.len() {
        return None;
    }
    let size = size(&mut bytes)?;
    let mut target = Vec::new();
    while let Some(code) = bytes.next() {
        if code == 0 {
            return None;
        }
        if code & 0x80 == 0 {
            for _ in 0..code {
                target.push(bytes.next()?);
            }
            continue;
        }
        let (mut from, mut length) = (0, 0);
        for bit in 0..4 {
            if code & 1 << bit != 0 {
                from |= usize::from(bytes.next()?) << (8 * bit);
            }
        }
        for bit in 0..3 {
            if code & 0x10 << bit != 0 {
                length |= usize::from(bytes.next()?) << (8 * bit);
            }
        }
        let length = if length == 0 { 0x10000 } else { length };
        target.extend_from_slice(base.get(from..from + length)?);
    }
    (target.len() == size).then_some(target)
}

fn size(bytes: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut size = 0;
    for shift in (0..63).step_by(7) {
        let byte = bytes.next()?;
        size |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}
