//! Applying a delta to its base.

use super::instruction::{Instruction, MOST_MADE, decode_size};

/// Makes the object that `delta` makes of `base` into `target`, which is cleared first.
///
/// # Errors
/// What is wrong with the delta. Nothing beyond `limit` bytes is ever allocated.
pub fn apply(base: &[u8], delta: &[u8], limit: u64, target: &mut Vec<u8>) -> Result<(), DeltaFault> {
    let mut rest = delta;
    let base_size = decode_size(&mut rest)?;
    let size = decode_size(&mut rest)?;
    if base_size != base.len() as u64 {
        return Err(DeltaFault::Corrupt("a delta is for a base of another size"));
    }
    if size > limit {
        return Err(DeltaFault::TooLarge(size));
    }
    let size = usize::try_from(size).map_err(|_| DeltaFault::TooLarge(size))?;
    target.clear();
    // Every instruction is at least one byte, so what the rest cannot make is not reserved.
    target.reserve(size.min(rest.len().saturating_mul(MOST_MADE)));
    while let Some(instruction) = Instruction::decode(&mut rest)? {
        let piece = match instruction {
            Instruction::Copy { offset, length } => base
                .get(offset..offset + length)
                .ok_or(DeltaFault::Corrupt("a delta copies from behind the end of its base"))?,
            Instruction::Insert(new) => new,
        };
        if target.len() + piece.len() > size {
            return Err(DeltaFault::Corrupt("a delta makes more than it announces"));
        }
        target.extend_from_slice(piece);
    }
    if target.len() == size { Ok(()) } else { Err(DeltaFault::Corrupt("a delta makes less than it announces")) }
}

/// What is wrong with a delta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeltaFault {
    /// Its bytes make no sense.
    #[error("{0}")]
    Corrupt(&'static str),
    /// It makes an object of so many bytes, which is more than the limit.
    #[error("a delta makes an object of {0} bytes")]
    TooLarge(u64),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(base: &[u8], delta: &[u8], expect: Result<&[u8], DeltaFault>) {
        let mut target = Vec::new();
        let applied = apply(base, delta, 1000, &mut target);
        assert_eq!(applied.as_ref().map(|()| target.as_slice()), expect.as_ref().copied(), "{delta:?}");
    }

    #[test]
    fn deltas_copy_and_insert_or_are_refused() {
        let base = b"hello world";
        let corrupt = |why| Err(DeltaFault::Corrupt(why));
        check(base, &[11, 5, 0x90, 5], Ok(b"hello"));
        check(base, &[11, 5, 0x91, 6, 5], Ok(b"world"));
        check(base, &[11, 7, 0x90, 5, 2, b'!', b'?'], Ok(b"hello!?"));
        check(base, &[11, 0], Ok(b""));
        check(base, &[10, 5, 0x90, 5], corrupt("a delta is for a base of another size"));
        check(base, &[11, 5, 0x91, 8, 5], corrupt("a delta copies from behind the end of its base"));
        check(base, &[11, 4, 0x90, 5], corrupt("a delta makes more than it announces"));
        check(base, &[11, 6, 0x90, 5], corrupt("a delta makes less than it announces"));
        check(base, &[11, 5, 0], corrupt("a delta has an instruction that is not defined"));
        check(base, &[11, 5, 0x90], corrupt("a delta ends in the middle of an instruction"));
        check(base, &[11, 5, 5, 1], corrupt("a delta ends in the middle of an instruction"));
        check(base, &[11, 0xff, 0x7f], Err(DeltaFault::TooLarge(16383)));
        check(base, &[0x80; 12], corrupt("a delta announces a size that is not a number"));
    }

    proptest! {
        #[test]
        fn arbitrary_deltas_neither_panic_nor_exceed_the_limit(base in proptest::collection::vec(any::<u8>(), 0..64), delta in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut target = Vec::new();
            let mut headed = vec![base.len() as u8];
            headed.extend(&delta);
            let _ = apply(&base, &delta, 5000, &mut target);
            let _ = apply(&base, &headed, 5000, &mut target);
            prop_assert!(target.len() <= 5000);
        }
    }
}
