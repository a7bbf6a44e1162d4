//! Inflating entries and applying deltas, with every size checked before memory is taken.
//!
//! # Source
//! <https://git-scm.com/docs/pack-format#_deltified_representation>

use flate2::{Decompress, FlushDecompress, Status};

/// Inflates a whole zlib stream that must have exactly the size that its entry says.
pub(super) fn inflate(
    decoder: &mut Decompress,
    compressed: &[u8],
    size: usize,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    decoder.reset(true);
    out.clear();
    // One byte more: with no room at all, an empty object would never come to its end.
    out.resize(size + 1, 0);
    match decoder.decompress(compressed, out, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if decoder.total_out() == size as u64 => {
            out.truncate(size);
            Ok(())
        }
        Ok(_) => Err("an entry has another size than its header says"),
        Err(_) => Err("an entry cannot be inflated"),
    }
}

/// Reads the size of the result that a delta announces, for its base.
pub(super) fn result_size(delta: &[u8], base: usize) -> Result<u64, &'static str> {
    let mut rest = delta;
    if size(&mut rest)? != base as u64 {
        return Err("a delta was made for another base");
    }
    size(&mut rest)
}

/// Makes the object that a delta describes. The caller has checked the announced size.
pub(super) fn apply(base: &[u8], delta: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    const CUT: &str = "a delta is cut";
    let mut rest = delta;
    size(&mut rest)?;
    let wanted = usize::try_from(size(&mut rest)?).map_err(|_| "a delta announces more than memory")?;
    out.clear();
    out.reserve(wanted);
    while let Some((command, behind)) = rest.split_first() {
        rest = behind;
        let piece = if command & 0x80 != 0 {
            let mut field = |bits: std::ops::Range<u8>| {
                let mut value = 0usize;
                for (place, bit) in bits.enumerate() {
                    if command & (1 << bit) != 0 {
                        let (byte, behind) = rest.split_first().ok_or(CUT)?;
                        value |= usize::from(*byte) << (8 * place);
                        rest = behind;
                    }
                }
                Ok::<_, &'static str>(value)
            };
            let offset = field(0..4)?;
            let length = match field(4..7)? {
                0 => 0x1_0000,
                length => length,
            };
            base.get(offset..offset + length).ok_or("a delta copies from behind its base")?
        } else if *command != 0 {
            let (piece, behind) = rest.split_at_checked(usize::from(*command)).ok_or(CUT)?;
            rest = behind;
            piece
        } else {
            return Err("a delta has a reserved instruction");
        };
        if out.len() + piece.len() > wanted {
            return Err("a delta makes more than it announces");
        }
        out.extend_from_slice(piece);
    }
    if out.len() == wanted { Ok(()) } else { Err("a delta makes less than it announces") }
}

/// Reads a little-endian number of seven bits a byte.
fn size(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0u64;
    for place in 0..9 {
        let (byte, behind) = rest.split_first().ok_or("a delta is cut")?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a delta announces an endless size")
}

#[cfg(test)]
mod tests {
    use super::{apply, result_size};

    fn check(base: &[u8], delta: &[u8], expect: Result<&[u8], &str>) {
        let mut out = Vec::new();
        assert_eq!(apply(base, delta, &mut out).map(|()| out.as_slice()), expect, "{delta:?}");
    }

    #[test]
    fn deltas_copy_and_insert_and_nothing_else() {
        check(b"hello world", &[11, 7, 0x91, 6, 5, 2, b'!', b'?'], Ok(b"world!?"));
        check(b"hello", &[5, 4, 0x90, 4], Ok(b"hell"));
        check(b"hello", &[5, 4, 0x90, 5], Err("a delta makes more than it announces"));
        check(b"hello", &[5, 6, 0x90, 5], Err("a delta makes less than it announces"));
        check(b"hello", &[5, 9, 0x91, 3, 3], Err("a delta copies from behind its base"));
        check(b"hello", &[5, 1, 0], Err("a delta has a reserved instruction"));
        check(b"hello", &[5, 3, 3, b'a'], Err("a delta is cut"));
        check(b"hello", &[5, 3, 0x91], Err("a delta is cut"));
        check(b"hello", &[5], Err("a delta is cut"));
        assert_eq!(result_size(&[5, 0x80, 1], 5), Ok(128));
        assert_eq!(result_size(&[5, 1], 6), Err("a delta was made for another base"));
        assert_eq!(result_size(&[0xff; 12], 6), Err("a delta announces an endless size"));
    }
}
