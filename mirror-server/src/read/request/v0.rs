//! Requests of protocol version 0, over a stateless transport.
//!
//! # Source
//! `gitprotocol-pack(5)`, "Packfile Negotiation": `upload-request`, then `upload-haves`. A stateless server answers the first flush behind
//! haves and reads no further; one without anything behind the wants it answers with the ends of the history alone.

use super::lines::{Line, Lines, shown, unexpected};
use super::{Ending, Feature, FetchRequest, RequestError, Wire};

pub(super) fn parse(body: &[u8]) -> Result<FetchRequest, RequestError> {
    if body.is_empty() {
        return Err(RequestError::Empty);
    }
    let mut request = FetchRequest::empty(Wire::V0);
    let mut lines = Lines::of(body);
    loop {
        match lines.next()? {
            Line::Flush => break,
            Line::End => return Err(RequestError::Cut),
            Line::Delimiter => return Err(unexpected("0001")),
            Line::Text(line) => match line.strip_prefix("want ") {
                Some(want) => {
                    let (id, features) = want.split_at_checked(40).unwrap_or((want, ""));
                    request.want(id)?;
                    request.read_features(features)?;
                }
                None if request.shape(line)? => {}
                None => return Err(unexpected(line)),
            },
        }
    }
    if lines.is_at_end() {
        request.ending = Ending::Shape;
        return request.settle();
    }
    loop {
        match lines.next()? {
            Line::Flush | Line::End => break,
            Line::Delimiter => return Err(unexpected("0001")),
            Line::Text("done") => {
                request.ending = Ending::Done;
                break;
            }
            Line::Text(line) => match line.strip_prefix("have ") {
                Some(have) => request.have(have)?,
                None => return Err(unexpected(line)),
            },
        }
    }
    request.settle()
}

impl FetchRequest {
    /// Reads what stands behind the id of a want. Words that are not known mean nothing, as to git.
    fn read_features(&mut self, words: &str) -> Result<(), RequestError> {
        if !words.is_empty() && !words.starts_with(' ') {
            return Err(RequestError::NotAnId(shown(words)));
        }
        for word in words.split(' ') {
            match word.split_once('=') {
                Some(("object-format", "sha1")) => {}
                Some(("object-format", other)) => return Err(RequestError::ObjectFormat(shown(other))),
                Some(_) => {}
                None => self.features.extend(Feature::of_v0(word)),
            }
        }
        Ok(())
    }
}

impl Feature {
    fn of_v0(word: &str) -> Option<Self> {
        let features = [
            Self::MultiAckDetailed,
            Self::MultiAck,
            Self::NoDone,
            Self::ThinPack,
            Self::SideBand64k,
            Self::SideBand,
            Self::OfsDelta,
            Self::NoProgress,
            Self::IncludeTag,
            Self::DeepenRelative,
            Self::Filter,
        ];
        features.into_iter().find(|feature| feature.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::object;
    use super::*;

    #[test]
    fn an_id_must_be_one_to_the_end() {
        assert!(object("1111111111111111111111111111111111111111").is_ok());
        assert!(matches!(object("111111111111111111111111111111111111111"), Err(RequestError::NotAnId(_))));
        assert!(matches!(object("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Err(RequestError::NotOurRef(_))));
    }
}
