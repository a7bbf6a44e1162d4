//! The side band: three streams in the data packets of one.

use super::error::PktError;

/// The stream to which the payload of one data packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band<'a> {
    /// Band 1: what the conversation is about (a pack, a report).
    Data(&'a [u8]),
    /// Band 2: talk for people. Nothing is ever concluded from it.
    Progress(&'a [u8]),
    /// Band 3: the server gives up, for the reason it tells people.
    Fatal(&'a [u8]),
}

impl<'a> Band<'a> {
    /// Splits the band number off a data packet's payload.
    ///
    /// # Errors
    ///
    /// [`PktError::NoBand`] for an empty payload, [`PktError::BadBand`] for a number that does not exist.
    ///
    /// # Source
    ///
    /// `gitprotocol-pack(5)`, "Packfile Data".
    pub fn of(payload: &'a [u8]) -> Result<Self, PktError> {
        match payload.split_first() {
            Some((1, rest)) => Ok(Band::Data(rest)),
            Some((2, rest)) => Ok(Band::Progress(rest)),
            Some((3, rest)) => Ok(Band::Fatal(rest)),
            Some((band, _)) => Err(PktError::BadBand { band: *band }),
            None => Err(PktError::NoBand),
        }
    }
}
