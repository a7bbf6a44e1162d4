//! Inflating one zlib stream after the other with one decoder.

use flate2::{Decompress, FlushDecompress, Status};

/// A decoder that is used for one stream after the other.
pub(super) struct Inflate(Decompress);

/// What one step of inflating did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the input that are used up.
    pub(super) consumed: usize,
    /// Bytes written to the output.
    pub(super) produced: usize,
    /// Whether the stream has ended.
    pub(super) ended: bool,
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// Makes ready for the next stream.
    pub(super) fn restart(&mut self) {
        self.0.reset(true);
    }

    /// Inflates some of `input` into `output`, of which neither may be empty.
    ///
    /// # Errors
    /// The bytes are no zlib stream.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, NotZlib> {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, FlushDecompress::None).map_err(|_| NotZlib)?;
        let consumed = (self.0.total_in() - read) as usize;
        let produced = (self.0.total_out() - written) as usize;
        let ended = status == Status::StreamEnd;
        if consumed == 0 && produced == 0 && !ended { Err(NotZlib) } else { Ok(Step { consumed, produced, ended }) }
    }

    /// Inflates a whole stream of known size into `output`, which is emptied first.
    ///
    /// # Errors
    /// The bytes are no zlib stream of that size.
    pub(super) fn whole(&mut self, input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), NotZlib> {
        self.restart();
        output.clear();
        output.reserve(size);
        let status = self.0.decompress_vec(input, output, FlushDecompress::Finish).map_err(|_| NotZlib)?;
        if status == Status::StreamEnd && output.len() == size { Ok(()) } else { Err(NotZlib) }
    }
}

/// The bytes are not the zlib stream they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotZlib;
