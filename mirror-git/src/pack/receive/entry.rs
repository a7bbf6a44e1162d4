//! What the first pass remembers of each entry of a pack.

use gix_object::Kind;

use crate::entry::Id;

/// Where the bytes of an entry stand, and what it is.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Where its header begins.
    pub(super) offset: u64,
    /// Where its deflated bytes begin, counted from `offset`.
    pub(super) header_len: u8,
    /// CRC-32 of header and deflated bytes, for the index.
    pub(super) crc: u32,
    /// How many bytes it inflates to: the object, or the delta's instructions.
    pub(super) size: u64,
    pub(super) form: Form,
}

/// In which form an entry holds its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Whole { kind: Kind, id: Id },
    /// As a delta whose base is the entry of this place.
    OfsDelta(u32),
    /// As a delta whose base is the object of this name.
    RefDelta(Id),
}
