//! One entry of a pack: its header on the wire, and what is remembered of it.
//!
//! # Source
//! gitformat-pack, "Pack Entry", "Size encoding", "offset encoding".

use gix_object::Kind;

/// The 20 bytes of an object's name.
pub(crate) type Id = [u8; 20];

/// Where the bytes of an entry stand, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where its header begins.
    pub(crate) offset: u64,
    /// Where its deflated bytes begin, counted from `offset`.
    pub(crate) header_len: u8,
    /// CRC-32 of header and deflated bytes, for the index.
    pub(crate) crc: u32,
    /// How many bytes it inflates to: the object, or the delta's instructions.
    pub(crate) size: u64,
    pub(crate) form: Form,
}

/// In which form an entry holds its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Whole { kind: Kind, id: Id },
    /// As a delta against the entry of this place.
    OnEntry(u32),
    /// As a delta against the object of this name.
    OnObject(Id),
}

/// The header of an entry, as it stands in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Whole(Kind),
    /// A delta whose base begins this many bytes before.
    OnOffset(u64),
    OnObject(Id),
}

/// Type and size from the first bytes of an entry.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TypeAndSize {
    pub(crate) code: u8,
    pub(crate) size: u64,
    shift: u32,
}

/// Whether a number of variable length has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Varint {
    More,
    Done,
    /// It does not fit.
    Overflow,
}

impl TypeAndSize {
    /// Takes the next byte.
    pub(crate) fn push(&mut self, byte: u8) -> Varint {
        if self.shift == 0 {
            self.code = byte >> 4 & 7;
            self.size = u64::from(byte & 15);
            self.shift = 4;
        } else {
            let bits = u64::from(byte & 127);
            let Some(high) = bits.checked_shl(self.shift).filter(|high| high >> self.shift == bits) else {
                return Varint::Overflow;
            };
            self.size |= high;
            self.shift += 7;
        }
        if byte & 128 == 0 { Varint::Done } else { Varint::More }
    }
}

/// The distance of a delta to its base.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Distance {
    pub(crate) value: u64,
    begun: bool,
}

impl Distance {
    /// Takes the next byte.
    pub(crate) fn push(&mut self, byte: u8) -> Varint {
        if self.begun {
            let Some(next) = self.value.checked_add(1).filter(|value| value >> 57 == 0) else {
                return Varint::Overflow;
            };
            self.value = next << 7;
        }
        self.begun = true;
        self.value |= u64::from(byte & 127);
        if byte & 128 == 0 { Varint::Done } else { Varint::More }
    }
}

/// Gives the kind of object that a type code stands for.
pub(crate) fn kind_of(code: u8) -> Option<Kind> {
    match code {
        1 => Some(Kind::Commit),
        2 => Some(Kind::Tree),
        3 => Some(Kind::Blob),
        4 => Some(Kind::Tag),
        _ => None,
    }
}

/// Writes the header of an entry that holds its object as it is.
pub(crate) fn write_header(kind: Kind, size: u64, out: &mut Vec<u8>) {
    let code: u8 = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let mut byte = code << 4 | (size & 15) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        out.push(byte | 128);
        byte = (rest & 127) as u8;
        rest >>= 7;
    }
    out.push(byte);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_written_header_reads_back(size: u64, code in 1u8..=4) {
            let kind = kind_of(code).expect("because the code is one of the four");
            let mut bytes = Vec::new();
            write_header(kind, size, &mut bytes);
            let mut read = TypeAndSize::default();
            let (last, head) = bytes.split_last().expect("because a header has a byte");
            for byte in head {
                prop_assert_eq!(read.push(*byte), Varint::More);
            }
            prop_assert_eq!(read.push(*last), Varint::Done);
            prop_assert_eq!((read.code, read.size), (code, size));
        }

        #[test]
        fn endless_numbers_overflow_instead_of_wrapping(bytes in proptest::collection::vec(128u8..=255, 12)) {
            let mut size = TypeAndSize::default();
            prop_assert!(bytes.iter().any(|byte| size.push(*byte) == Varint::Overflow));
            let mut distance = Distance::default();
            prop_assert!(bytes.iter().any(|byte| distance.push(*byte) == Varint::Overflow));
        }
    }

    #[test]
    fn a_distance_is_read_as_git_writes_it() {
        for (bytes, expect) in [
            (&[0x00][..], 0),
            (&[0x7f][..], 127),
            (&[0x80, 0x00][..], 128),
            (&[0x81, 0x00][..], 256),
            (&[0xff, 0x7f][..], 16511),
        ] {
            let mut distance = Distance::default();
            let ended = bytes.iter().map(|byte| distance.push(*byte)).last();
            assert_eq!((ended, distance.value), (Some(Varint::Done), expect), "{bytes:?}");
        }
    }
}
