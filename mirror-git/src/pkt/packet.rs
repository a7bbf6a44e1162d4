//! One frame of the pkt-line format, and its bounds.

/// The longest packet that may be on the wire, its four length digits included.
pub const MAX_PACKET: usize = 65520;

/// The longest payload of one packet.
pub const MAX_PAYLOAD: usize = MAX_PACKET - 4;

/// One packet of a peer, borrowed from the buffer it was read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Bytes; the format says nothing about them.
    Data(&'a [u8]),
    /// `0000`: the end of a section.
    Flush,
    /// `0001`: the border inside a section (protocol version 2).
    Delimiter,
    /// `0002`: the end of an answer (protocol version 2 over a stateless transport).
    ResponseEnd,
}

impl<'a> Packet<'a> {
    /// Gives the payload as a line, without the one newline that may end it; `None` for the special packets.
    pub fn line(&self) -> Option<&'a [u8]> {
        match self {
            Packet::Data(bytes) => Some(bytes.strip_suffix(b"\n").unwrap_or(bytes)),
            Packet::Flush | Packet::Delimiter | Packet::ResponseEnd => None,
        }
    }

    /// Gives the words of an `ERR` line, by which a server ends a conversation it does not want.
    ///
    /// # Source
    ///
    /// `gitprotocol-pack(5)`, "pkt-line Format": `error-line = PKT-LINE("ERR" SP explanation-text)`.
    pub fn error_words(&self) -> Option<&'a [u8]> {
        self.line()?.strip_prefix(b"ERR ")
    }
}
