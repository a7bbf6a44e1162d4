//! Taking one packet off the front of some bytes. Pure, so that the same rules hold for a stream and for what the side band carries.

use super::error::PktError;
use super::packet::{MAX_PACKET, Packet};

/// What the front of a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole packet.
    Whole {
        /// The packet.
        packet: Packet<'a>,
        /// How many bytes of the buffer it took.
        used: usize,
    },
    /// The beginning of one.
    Incomplete {
        /// How many bytes the buffer must hold before more can be said; never above [`MAX_PACKET`].
        needed: usize,
    },
}

/// Decodes the packet at the front of `bytes`.
///
/// # Errors
///
/// [`PktError::NotHex`], [`PktError::TooShort`] and [`PktError::TooLong`], as soon as the four length digits are there.
///
/// # Source
///
/// `gitprotocol-common(5)`, "pkt-line Format".
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, PktError> {
    let Some((digits, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(Decoded::Incomplete { needed: 4 });
    };
    let packet = match length(digits)? {
        0 => Packet::Flush,
        1 => Packet::Delimiter,
        2 => Packet::ResponseEnd,
        length @ 3 => return Err(PktError::TooShort { length }),
        length if length > MAX_PACKET => return Err(PktError::TooLong { length }),
        length => {
            return Ok(match rest.get(..length - 4) {
                Some(payload) => Decoded::Whole { packet: Packet::Data(payload), used: length },
                None => Decoded::Incomplete { needed: length },
            });
        }
    };
    Ok(Decoded::Whole { packet, used: 4 })
}

fn length(digits: &[u8; 4]) -> Result<usize, PktError> {
    digits.iter().try_fold(0, |length, digit| {
        let value = char::from(*digit)
            .to_digit(16)
            .ok_or_else(|| PktError::NotHex { found: digits.escape_ascii().to_string() })?;
        Ok(length << 4 | value as usize)
    })
}
