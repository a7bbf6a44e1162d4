//! Applying a delta to its base.
//!
//! # Source
//! gitformat-pack, "Deltified representation".

/// Builds the object that `delta` makes of `base` into `target`, which is emptied first.
///
/// # Errors
/// What is wrong with the delta. Nothing beyond `limit` bytes is ever allocated.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: u64, target: &mut Vec<u8>) -> Result<(), DeltaFault> {
    let mut rest = delta;
    let base_size = varint(&mut rest)?;
    let size = varint(&mut rest)?;
    if base_size != base.len() as u64 {
        return Err(DeltaFault::Corrupt("a delta is for a base of another size"));
    }
    if size > limit {
        return Err(DeltaFault::TooLarge(size));
    }
    let size = usize::try_from(size).map_err(|_| DeltaFault::TooLarge(size))?;
    target.clear();
    // Every instruction is at least one byte and copies at most 16 MiB, so the claim is not believed beyond that.
    target.reserve(size.min(rest.len().saturating_mul(MOST_COPY)));
    while let Some((&command, tail)) = rest.split_first() {
        rest = tail;
        let piece = if command & 128 != 0 {
            let (offset, length) = copy(command, &mut rest)?;
            base.get(offset..offset + length)
                .ok_or(DeltaFault::Corrupt("a delta copies from behind the end of its base"))?
        } else if command != 0 {
            let (piece, tail) = rest.split_at_checked(usize::from(command)).ok_or(CUT)?;
            rest = tail;
            piece
        } else {
            return Err(DeltaFault::Corrupt("a delta has an instruction that is not defined"));
        };
        if target.len() + piece.len() > size {
            return Err(DeltaFault::Corrupt("a delta makes more than it announces"));
        }
        target.extend_from_slice(piece);
    }
    if target.len() == size { Ok(()) } else { Err(DeltaFault::Corrupt("a delta makes less than it announces")) }
}

/// What is wrong with a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeltaFault {
    /// It makes no sense.
    Corrupt(&'static str),
    /// It makes an object of this size.
    TooLarge(u64),
}

const CUT: DeltaFault = DeltaFault::Corrupt("a delta ends in the middle of an instruction");
const MOST_COPY: usize = 0x00ff_ffff;

/// Offset and length of a copy instruction.
fn copy(command: u8, rest: &mut &[u8]) -> Result<(usize, usize), DeltaFault> {
    let mut numbers = [0usize; 2];
    let mut flags = command;
    for (number, bytes) in numbers.iter_mut().zip([4, 3]) {
        for place in 0..bytes {
            if flags & 1 != 0 {
                let (byte, tail) = rest.split_first().ok_or(CUT)?;
                *number |= usize::from(*byte) << (8 * place);
                *rest = tail;
            }
            flags >>= 1;
        }
    }
    let [offset, length] = numbers;
    Ok((offset, if length == 0 { 0x10000 } else { length }))
}

fn varint(rest: &mut &[u8]) -> Result<u64, DeltaFault> {
    let mut value = 0u64;
    let mut shift = 0;
    loop {
        let (byte, tail) = rest.split_first().ok_or(CUT)?;
        *rest = tail;
        let bits = u64::from(byte & 127);
        let high = bits.checked_shl(shift).filter(|high| high >> shift == bits);
        value |= high.ok_or(DeltaFault::Corrupt("a delta announces a size that is not a number"))?;
        shift += 7;
        if byte & 128 == 0 {
            return Ok(value);
        }
    }
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
        check(base, &[11, 5, 0x90], CUT.into_err());
        check(base, &[11, 5, 5, 1], CUT.into_err());
        check(base, &[11, 0xff, 0x7f], Err(DeltaFault::TooLarge(16383)));
        check(base, &[0x80; 12], corrupt("a delta announces a size that is not a number"));
    }

    impl DeltaFault {
        fn into_err(self) -> Result<&'static [u8], Self> {
            Err(self)
        }
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
