//! Writing packets into a buffer. A request is built whole in memory and handed to the stream in one piece.

use super::packet::MAX_PAYLOAD;

/// Appends one data packet.
///
/// # Panics
///
/// Where `payload` is above [`MAX_PAYLOAD`]: the caller builds it, and bounds it where its parts come from.
pub fn data(payload: &[u8], into: &mut Vec<u8>) {
    assert!(payload.len() <= MAX_PAYLOAD, "a pkt-line carries at most {MAX_PAYLOAD} bytes");
    into.extend_from_slice(format!("{:04x}", payload.len() + 4).as_bytes());
    into.extend_from_slice(payload);
}

/// Appends a flush packet.
pub fn flush(into: &mut Vec<u8>) {
    into.extend_from_slice(b"0000");
}

/// Appends a delimiter packet.
pub fn delimiter(into: &mut Vec<u8>) {
    into.extend_from_slice(b"0001");
}
