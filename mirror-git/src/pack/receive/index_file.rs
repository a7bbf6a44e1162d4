//! The index of a pack, version 2.
//!
//! # Source
//! gitformat-pack, "Version 2 pack-*.idx files".

use std::io::{self, Write};

use sha1::{Digest, Sha1};

use crate::entry::Id;

/// One object of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Indexed {
    pub(super) id: Id,
    pub(super) offset: u64,
    pub(super) crc: u32,
}

/// Offsets from here on stand in a table of their own.
const LARGE: u64 = 0x8000_0000;

/// Writes the index of a pack whose objects are given in the order of their names.
pub(super) fn write(objects: &[Indexed], pack_checksum: &Id, out: impl Write) -> io::Result<()> {
    let mut out = Hashed { out, hash: Sha1::new() };
    out.put(b"\xfftOc\x00\x00\x00\x02")?;
    let mut fan = [0u32; 256];
    for object in objects {
        fan[usize::from(object.id[0])] += 1;
    }
    let mut below = 0;
    for count in fan {
        below += count;
        out.put(&below.to_be_bytes())?;
    }
    for object in objects {
        out.put(&object.id)?;
    }
    for object in objects {
        out.put(&object.crc.to_be_bytes())?;
    }
    let mut large = Vec::new();
    for object in objects {
        let short = if object.offset < LARGE {
            object.offset as u32
        } else {
            large.push(object.offset);
            LARGE as u32 | (large.len() - 1) as u32
        };
        out.put(&short.to_be_bytes())?;
    }
    for offset in large {
        out.put(&offset.to_be_bytes())?;
    }
    out.put(pack_checksum)?;
    let checksum: Id = out.hash.finalize().into();
    out.out.write_all(&checksum)?;
    out.out.flush()
}

struct Hashed<W> {
    out: W,
    hash: Sha1,
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.out.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_two_gigabytes_have_their_own_table() {
        let objects = [
            Indexed { id: [1; 20], offset: 12, crc: 7 },
            Indexed { id: [2; 20], offset: LARGE, crc: 8 },
            Indexed { id: [2; 20], offset: LARGE - 1, crc: 9 },
            Indexed { id: [255; 20], offset: 5 << 32, crc: 10 },
        ];
        let mut bytes = Vec::new();
        write(&objects, &[3; 20], &mut bytes).expect("a vector takes everything");
        let index = gix_pack::index::File::from_data(bytes, "test.idx".into(), gix_hash::Kind::Sha1)
            .expect("gix reads the index");
        for (place, object) in objects.iter().enumerate() {
            let place = place as u32;
            assert_eq!(index.pack_offset_at_index(place), object.offset);
            assert_eq!(index.oid_at_index(place).as_bytes(), &object.id);
            assert_eq!(index.crc32_at_index(place), Some(object.crc));
        }
        assert_eq!(index.pack_checksum().as_bytes(), &[3; 20]);
    }
}
