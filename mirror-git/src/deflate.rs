//! Deflating one object after the other into zlib streams, with one compressor.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress, Status};

/// Up to this size bytes are stored as they are. They are mostly copy instructions and ids, which compress to about what they are, and
/// setting up the compressor costs more than the rest of such an entry.
const STORED: usize = 128;

/// A compressor that is used for one stream after the other.
pub(crate) struct Deflate(Compress);

impl Deflate {
    pub(crate) fn new(level: Compression) -> Self {
        Self(Compress::new(level, true))
    }

    /// Compresses `data` into `out`, holding one piece of the compressed form at a time.
    ///
    /// # Errors
    /// What `out` refuses.
    pub(crate) fn write(&mut self, mut data: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
        if data.len() <= STORED {
            return store(data, out);
        }
        let deflate = &mut self.0;
        deflate.reset();
        let mut piece = [0; 16 << 10];
        loop {
            let (taken, made) = (deflate.total_in(), deflate.total_out());
            let status = deflate.compress(data, &mut piece, FlushCompress::Finish)?;
            data = &data[(deflate.total_in() - taken) as usize..];
            out.write_all(&piece[..(deflate.total_out() - made) as usize])?;
            if status == Status::StreamEnd {
                return Ok(());
            }
        }
    }
}

/// Puts at most 64 KiB into `out` in the compressed form that compresses nothing.
///
/// # Source
///
/// RFC 1950, section 2.2 (the stream and its checksum); RFC 1951, section 3.2.4 (a block without compression).
fn store(bytes: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    let length = (bytes.len() as u16).to_le_bytes();
    out.write_all(&[0x78, 0x01, 0x01, length[0], length[1], !length[0], !length[1]])?;
    out.write_all(bytes)?;
    let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    out.write_all(&(b << 16 | a).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inflate::Inflate;

    proptest! {
        #[test]
        fn what_was_deflated_inflates_to_itself(
            objects in proptest::collection::vec(proptest::collection::vec(prop_oneof![any::<u8>(), Just(0)], 0..400), 1..4),
            repeats in 1usize..100,
        ) {
            let mut deflate = Deflate::new(Compression::new(6));
            let mut inflate = Inflate::new();
            for object in objects {
                for object in [object.repeat(repeats), object] {
                    let mut deflated = Vec::new();
                    deflate.write(&object, &mut deflated).expect("a vector takes everything");
                    let mut inflated = Vec::new();
                    prop_assert_eq!(inflate.whole(&deflated, object.len(), &mut inflated), Ok(()));
                    prop_assert_eq!(inflated, object);
                }
            }
        }
    }
}
