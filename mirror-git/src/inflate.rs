//! Inflating one zlib stream after the other with one decoder.

use sirocco::Format;
use sirocco::inflate::Decoder;

/// A decoder that is used for one stream after the other.
pub(crate) struct Inflate {
    decoder: Box<Decoder>,
    /// The last of what was inflated, which what follows may refer to.
    window: Box<[u8]>,
    /// Whether the window has to be moved on before the next step.
    full: bool,
}

/// What one step of inflating did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    /// Bytes of the input that are used up.
    pub(crate) consumed: usize,
    /// What they inflate to.
    pub(crate) output: &'a [u8],
    /// Whether the stream has ended.
    pub(crate) ended: bool,
}

impl Inflate {
    /// Most objects fit whole, and larger ones are inflated in pieces of this size.
    const WINDOW: usize = 256 << 10;

    pub(crate) fn new() -> Self {
        let window = vec![0; Self::WINDOW].into_boxed_slice();
        Self { decoder: Box::new(Decoder::new(Format::Zlib)), window, full: false }
    }

    /// Makes ready for the next stream.
    pub(crate) fn restart(&mut self) {
        self.decoder.reset();
        self.full = false;
    }

    /// Inflates some of `input`.
    ///
    /// # Errors
    /// The bytes are no zlib stream.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<Step<'_>, NotZlib> {
        if self.full {
            self.decoder.make_room(&mut self.window);
        }
        let done = self.decoder.decompress(input, &mut self.window, false).map_err(|_| NotZlib)?;
        self.full = done.full;
        Ok(Step { consumed: done.consumed, output: done.output, ended: done.done })
    }

    /// Inflates a whole stream of known size into `output`, which is emptied first.
    ///
    /// # Errors
    /// The bytes are no zlib stream of that size.
    pub(crate) fn whole(&mut self, input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), NotZlib> {
        self.restart();
        output.resize(size, 0);
        let done = self.decoder.decompress(input, output, true).map_err(|_| NotZlib)?;
        if done.done && done.consumed == input.len() && done.output.len() == size { Ok(()) } else { Err(NotZlib) }
    }
}

/// The bytes are not the zlib stream they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotZlib;
