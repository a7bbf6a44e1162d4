//! The lines of a request, and the words that mean the same in both protocols.

use mirror_core::name::CommitId;
use mirror_git::pkt::{Decoded, Packet, decode};

use super::filter;
use super::{Depth, FetchRequest, MAX_HAVES, MAX_NAMED, MAX_WANTS, MAX_WORD, RequestError};

/// The packets of a request, one after the other.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without the newline that may end it.
    Text(&'a str),
    /// `0000`.
    Flush,
    /// `0001`.
    Delimiter,
    /// The request has no more bytes.
    End,
}

impl<'a> Lines<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// Whether the request has no more bytes.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next(&mut self) -> Result<Line<'a>, RequestError> {
        if self.rest.is_empty() {
            return Ok(Line::End);
        }
        match decode(self.rest)? {
            Decoded::Incomplete { .. } => Err(RequestError::Cut),
            Decoded::Whole { packet, used } => {
                self.rest = &self.rest[used..];
                match packet {
                    Packet::Flush => Ok(Line::Flush),
                    Packet::Delimiter => Ok(Line::Delimiter),
                    Packet::ResponseEnd => Err(RequestError::Line("0002".to_owned())),
                    Packet::Data(bytes) => {
                        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                        std::str::from_utf8(line)
                            .map(Line::Text)
                            .map_err(|_| unexpected(&line.escape_ascii().to_string()))
                    }
                }
            }
        }
    }
}

/// Refuses a line, quoting its beginning so that it can be shown.
pub(super) fn unexpected(line: &str) -> RequestError {
    RequestError::Line(shown(line))
}

/// The beginning of a client's words, such as can go into an error line.
pub(super) fn shown(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { '?' } else { c }).take(100).collect()
}

/// Reads the id of an object that the client names.
pub(super) fn object(text: &str) -> Result<CommitId, RequestError> {
    CommitId::from_hex(text).map_err(|_| {
        let is_id = text.len() == 40 && text.bytes().all(|c| c.is_ascii_hexdigit());
        if is_id { RequestError::NotOurRef(text.to_owned()) } else { RequestError::NotAnId(shown(text)) }
    })
}

impl FetchRequest {
    pub(super) fn want(&mut self, id: &str) -> Result<(), RequestError> {
        self.wants.insert(object(id)?);
        at_most(self.wants.len(), MAX_WANTS, "wants")
    }

    pub(super) fn have(&mut self, id: &str) -> Result<(), RequestError> {
        match object(id) {
            Ok(id) => self.haves.push(id),
            // No object has it; git passes over haves that it does not know.
            Err(RequestError::NotOurRef(_)) => {}
            Err(error) => return Err(error),
        }
        at_most(self.haves.len(), MAX_HAVES, "haves")
    }

    /// Reads a line about the history's depth or the filter; false where it is about something else.
    pub(super) fn shape(&mut self, line: &str) -> Result<bool, RequestError> {
        let Some((word, value)) = line.split_once(' ') else { return Ok(false) };
        match word {
            "shallow" => {
                match object(value) {
                    Ok(id) => _ = self.shallow.insert(id),
                    Err(RequestError::NotOurRef(_)) => {}
                    Err(error) => return Err(error),
                }
                at_most(self.shallow.len(), MAX_HAVES, "shallow commits")?;
            }
            "deepen" => match (number(value), &self.depth) {
                (_, Depth::Bounded { .. }) => return Err(RequestError::Depths),
                (Some(0) | None, _) => return Err(RequestError::Depth(shown(line))),
                // As git, which takes the last one.
                (Some(depth), Depth::Whole | Depth::Commits(_)) => self.depth = Depth::Commits(depth),
            },
            "deepen-since" => {
                let since = value.parse().ok().filter(|since| *since > 0);
                *self.bounded()?.0 = Some(since.ok_or_else(|| RequestError::Depth(shown(line)))?);
            }
            "deepen-not" => {
                let not = self.bounded()?.1;
                if value.len() > MAX_WORD || value.is_empty() {
                    return Err(RequestError::Depth(shown(line)));
                }
                not.insert(value.to_owned());
                at_most(not.len(), MAX_NAMED, "refs to leave out")?;
            }
            "filter" if self.filter.is_some() => return Err(RequestError::Filters),
            "filter" if filter::is_served(value) => self.filter = Some(value.to_owned()),
            "filter" => return Err(RequestError::Filter(shown(value))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn bounded(&mut self) -> Result<(&mut Option<u64>, &mut std::collections::BTreeSet<String>), RequestError> {
        if self.depth == Depth::Whole {
            self.depth = Depth::Bounded { since: None, not: std::collections::BTreeSet::new() };
        }
        match &mut self.depth {
            Depth::Bounded { since, not } => Ok((since, not)),
            Depth::Whole | Depth::Commits(_) => Err(RequestError::Depths),
        }
    }
}

fn at_most(count: usize, limit: usize, what: &'static str) -> Result<(), RequestError> {
    if count > limit { Err(RequestError::TooMany { what, limit }) } else { Ok(()) }
}

/// Reads a number as git does, which clamps nothing that fits; depths beyond are all "infinite".
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() < 16 && text.bytes().all(|c| c.is_ascii_digit());
    // git's own word for an infinite depth is the largest int.
    is_number
        .then(|| text.parse().ok())
        .flatten()
        .map(|depth: u64| u32::try_from(depth).unwrap_or(u32::MAX).min(0x7fff_ffff))
}
