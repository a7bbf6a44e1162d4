//! Where the bytes of a pack come from.

/// A source of pack bytes, read by a thread that may block.
pub trait PackSource {
    /// Why the source could not give more.
    type Error;

    /// Replaces the content of `chunk` by the next bytes, waiting for some; leaves it empty at the end of the pack.
    ///
    /// # Errors
    /// Whatever keeps the source from giving more.
    fn next(&mut self, chunk: &mut Vec<u8>) -> Result<(), Self::Error>;
}
