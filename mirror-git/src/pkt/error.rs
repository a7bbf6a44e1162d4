//! What can be wrong with a stream of pkt-lines; each violation is its own error.

use mirror_core::fault::{Classified, FaultClass, Retry};

use super::packet::MAX_PACKET;

/// A stream that is not pkt-lines, or that broke.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PktError {
    /// The four length digits are not hexadecimal. What speaks there is usually not Git: a login banner, a proxy's page.
    #[error("the length of a pkt-line is \"{found}\", which is not hexadecimal")]
    #[diagnostic(
        code(mirror::pkt::not_hex),
        help("something that is not Git answers there; run `git-mirror doctor` to see each step of the road")
    )]
    NotHex {
        /// The four bytes, escaped where they cannot be shown.
        found: String,
    },
    /// The length is 3, shorter than the digits that say it.
    #[error("a pkt-line says it has {length} bytes, fewer than its own length takes")]
    #[diagnostic(code(mirror::pkt::too_short), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    TooShort {
        /// What the digits say.
        length: usize,
    },
    /// The length is above the format's bound.
    #[error("a pkt-line says it has {length} bytes; the format allows {MAX_PACKET}")]
    #[diagnostic(code(mirror::pkt::too_long), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    TooLong {
        /// What the digits say.
        length: usize,
    },
    /// The stream ended inside a packet.
    #[error("the stream ended inside a pkt-line, {missing} bytes before its end")]
    #[diagnostic(code(mirror::pkt::cut), help("the connection was cut; running the same command again is safe"))]
    Cut {
        /// How many bytes were still to come, as far as the length was known.
        missing: usize,
    },
    /// The stream ended where a packet had to come.
    #[error("the stream ended where a pkt-line was expected")]
    #[diagnostic(code(mirror::pkt::ended), help("the connection was closed; running the same command again is safe"))]
    Ended,
    /// A packet of the side band has no band number.
    #[error("a side-band packet is empty")]
    #[diagnostic(code(mirror::pkt::no_band), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    NoBand,
    /// A packet of the side band has a number that is none of 1, 2, 3.
    #[error("a side-band packet is for band {band}; there are 1, 2 and 3")]
    #[diagnostic(code(mirror::pkt::bad_band), help("the server breaks the Git protocol; run `git-mirror doctor`"))]
    BadBand {
        /// The number it has.
        band: u8,
    },
    /// The stream itself failed.
    #[error("cannot read from the stream")]
    #[diagnostic(code(mirror::pkt::io), help("the connection was lost; running the same command again is safe"))]
    Io {
        /// What the stream says.
        #[source]
        source: std::io::Error,
    },
}

impl Classified for PktError {
    fn class(&self) -> FaultClass {
        FaultClass::Upstream
    }

    fn retry(&self) -> Retry {
        match self {
            PktError::Cut { .. } | PktError::Ended | PktError::Io { .. } => Retry::Backoff,
            PktError::NotHex { .. }
            | PktError::TooShort { .. }
            | PktError::TooLong { .. }
            | PktError::NoBand
            | PktError::BadBand { .. } => Retry::Never,
        }
    }
}
