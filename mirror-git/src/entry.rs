//! The header of an entry of a pack: of what type the entry is, how large its content is, and for a delta where its base is.
//!
//! Owns both directions of that codec. Never: the content behind the header.
//!
//! # Source
//! gitformat-pack, "Pack Entry", "Size encoding", "offset encoding".

use gix_object::Kind;

/// The 20 bytes of an object's name.
pub(crate) type Id = [u8; 20];

/// The header of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) content: Content,
    /// How many bytes the content inflates to: the object, or the delta's instructions.
    pub(crate) size: u64,
}

/// What stands behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// An object as it is.
    Object(Kind),
    /// A delta whose base is the entry that begins `distance` bytes before this one.
    OfsDelta { distance: u64 },
    /// A delta whose base is the object of this name.
    RefDelta { base: Id },
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderFault {
    /// A size or a distance does not fit into 64 bits.
    #[error("a number in an object's header has no end")]
    Overflow,
    /// The type is none that is defined.
    #[error("there is no object type {0}")]
    UnknownType(u8),
}

impl Header {
    /// The header of an object as it is.
    pub(crate) fn object(kind: Kind, size: u64) -> Self {
        Self { content: Content::Object(kind), size }
    }

    /// Appends the bytes of the header.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut byte = self.content.type_code() << 4 | (self.size & 15) as u8;
        let mut rest = self.size >> 4;
        while rest > 0 {
            out.push(byte | 128);
            byte = (rest & 127) as u8;
            rest >>= 7;
        }
        out.push(byte);
        match self.content {
            Content::Object(_) => {}
            Content::OfsDelta { distance } => encode_distance(distance, out),
            Content::RefDelta { base } => out.extend_from_slice(&base),
        }
    }

    /// Decodes a header from what `read` fills its buffers with, and reads no byte beyond it.
    ///
    /// # Errors
    /// The outer one is that of `read`; the inner one says why the bytes are no header.
    pub(crate) fn decode<E>(mut read: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Result<Self, HeaderFault>, E> {
        let mut byte = || {
            let mut byte = [0];
            read(&mut byte).map(|()| byte[0])
        };
        let first = byte()?;
        let code = first >> 4 & 7;
        let mut size = u64::from(first & 15);
        let mut shift = 4;
        let mut more = first & 128 != 0;
        while more {
            let next = byte()?;
            let bits = u64::from(next & 127);
            match bits.checked_shl(shift).filter(|high| high >> shift == bits) {
                Some(high) => size |= high,
                None => return Ok(Err(HeaderFault::Overflow)),
            }
            shift += 7;
            more = next & 128 != 0;
        }
        let content = match code {
            1 => Content::Object(Kind::Commit),
            2 => Content::Object(Kind::Tree),
            3 => Content::Object(Kind::Blob),
            4 => Content::Object(Kind::Tag),
            6 => match decode_distance(byte)? {
                Some(distance) => Content::OfsDelta { distance },
                None => return Ok(Err(HeaderFault::Overflow)),
            },
            7 => {
                let mut base = [0; 20];
                read(&mut base)?;
                Content::RefDelta { base }
            }
            _ => return Ok(Err(HeaderFault::UnknownType(code))),
        };
        Ok(Ok(Self { content, size }))
    }
}

impl Content {
    fn type_code(self) -> u8 {
        match self {
            Self::Object(Kind::Commit) => 1,
            Self::Object(Kind::Tree) => 2,
            Self::Object(Kind::Blob) => 3,
            Self::Object(Kind::Tag) => 4,
            Self::OfsDelta { .. } => 6,
            Self::RefDelta { .. } => 7,
        }
    }
}

/// Appends a distance: the most significant seven bits first, each further byte standing for one more than its bits.
fn encode_distance(distance: u64, out: &mut Vec<u8>) {
    // Ten bytes of seven bits hold any number of 64.
    let mut bytes = [0; 10];
    let mut first = bytes.len() - 1;
    bytes[first] = (distance & 127) as u8;
    let mut rest = distance >> 7;
    while rest > 0 {
        rest -= 1;
        first -= 1;
        bytes[first] = (rest & 127) as u8 | 128;
        rest >>= 7;
    }
    out.extend_from_slice(&bytes[first..]);
}

/// Decodes a distance; `None` where it does not fit.
fn decode_distance<E>(mut byte: impl FnMut() -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut next = byte()?;
    let mut value = u64::from(next & 127);
    while next & 128 != 0 {
        next = byte()?;
        // What shifting by seven bits would lose is refused, and nothing is lost below that.
        let Some(more) = value.checked_add(1).filter(|value| value >> 57 == 0) else { return Ok(None) };
        value = more << 7 | u64::from(next & 127);
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes from the front of `bytes`, and gives what is left; `Err(())` where they end too early.
    fn decode(mut bytes: &[u8]) -> Result<(Result<Header, HeaderFault>, &[u8]), ()> {
        let header = Header::decode(|into| {
            let (head, tail) = bytes.split_at_checked(into.len()).ok_or(())?;
            into.copy_from_slice(head);
            bytes = tail;
            Ok(())
        })?;
        Ok((header, bytes))
    }

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            prop::sample::select(vec![Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag]).prop_map(Content::Object),
            any::<u64>().prop_map(|distance| Content::OfsDelta { distance }),
            any::<Id>().prop_map(|base| Content::RefDelta { base }),
        ]
    }

    proptest! {
        #[test]
        fn an_encoded_header_decodes_to_itself(size: u64, content in content(), behind: [u8; 3]) {
            let header = Header { content, size };
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), Err(()), "cut to {}", cut);
            }
            bytes.extend(behind);
            prop_assert_eq!(decode(&bytes), Ok((Ok(header), &behind[..])));
        }

        #[test]
        fn endless_numbers_overflow_instead_of_wrapping(bytes in proptest::collection::vec(128u8..=255, 12)) {
            for code in 0..8 {
                let size = [&[128 | code << 4][..], &bytes].concat();
                prop_assert_eq!(decode(&size).map(|(header, _)| header), Ok(Err(HeaderFault::Overflow)));
            }
            let distance = [&[0x60][..], &bytes].concat();
            prop_assert_eq!(decode(&distance).map(|(header, _)| header), Ok(Err(HeaderFault::Overflow)));
        }
    }

    #[test]
    fn a_distance_has_the_bytes_that_git_gives_it() {
        for (bytes, distance) in [
            (&[0x00][..], 0),
            (&[0x7f][..], 127),
            (&[0x80, 0x00][..], 128),
            (&[0x81, 0x00][..], 256),
            (&[0xff, 0x7f][..], 16511),
        ] {
            let bytes = [&[0x65], bytes].concat();
            let header = Header { content: Content::OfsDelta { distance }, size: 5 };
            assert_eq!(decode(&bytes), Ok((Ok(header), &[][..])), "{bytes:?}");
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            assert_eq!(encoded, bytes);
        }
    }

    #[test]
    fn types_that_are_not_defined_are_named() {
        for code in [0, 5] {
            assert_eq!(decode(&[code << 4 | 3]), Ok((Err(HeaderFault::UnknownType(code)), &[][..])));
        }
    }
}
