//! Unpacks one gzip member piece by piece, into room that the reader gives: what it costs does not depend on what is packed.

use bytes::{Buf as _, Bytes};
use flate2::{Decompress, FlushDecompress, Status};
use tokio::io::ReadBuf;

use super::BodyError;

/// A gzip member that is being unpacked.
///
/// # Source
/// RFC 1952.
pub(super) struct Gunzip {
    inflate: Decompress,
    done: bool,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new_gzip(15), done: false }
    }

    /// Whether the member ended, and its checksum was right.
    pub(super) fn done(&self) -> bool {
        self.done
    }

    /// Unpacks as much as there is, or as there is room for.
    pub(super) fn read(&mut self, raw: &mut Bytes, into: &mut ReadBuf<'_>) -> Result<(), BodyError> {
        if self.done {
            // Bytes behind the member belong to nothing.
            return if raw.is_empty() { Ok(()) } else { Err(BodyError::BadEncoding) };
        }
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(raw, into.initialize_unfilled(), FlushDecompress::None);
        let taken = usize::try_from(self.inflate.total_in() - taken).expect("because no more is taken than was given");
        let made =
            usize::try_from(self.inflate.total_out() - made).expect("because no more is made than there is room");
        raw.advance(taken);
        into.advance(made);
        match status {
            Err(_) => Err(BodyError::BadEncoding),
            Ok(Status::StreamEnd) => {
                self.done = true;
                Ok(())
            }
            // More input is needed; that nothing moved although there is some would be a loop without end.
            Ok(Status::Ok | Status::BufError) if taken == 0 && made == 0 && !raw.is_empty() => {
                Err(BodyError::BadEncoding)
            }
            Ok(Status::Ok | Status::BufError) => Ok(()),
        }
    }
}
