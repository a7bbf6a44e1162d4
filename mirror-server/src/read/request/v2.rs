//! Requests of protocol version 2: the command `fetch`.
//!
//! # Source
//! `gitprotocol-v2(5)`, "Command Request" and "fetch".

use super::lines::{Line, Lines, shown, unexpected};
use super::{Ending, Feature, FetchRequest, RequestError, Wire};

pub(super) fn parse(body: &[u8]) -> Result<FetchRequest, RequestError> {
    if body.is_empty() {
        return Err(RequestError::Empty);
    }
    let mut lines = Lines::of(body);
    let mut request = FetchRequest::empty(Wire::V2);
    if capabilities(&mut lines)? == Line::Delimiter {
        loop {
            match lines.next()? {
                Line::Flush => break,
                Line::End => return Err(RequestError::Cut),
                Line::Delimiter => return Err(unexpected("0001")),
                Line::Text(line) => request.read_argument(line)?,
            }
        }
    }
    request.settle()
}

/// Reads the command and its capabilities, up to what ends them.
fn capabilities<'a>(lines: &mut Lines<'a>) -> Result<Line<'a>, RequestError> {
    let mut is_fetch = false;
    loop {
        let line = match lines.next()? {
            Line::Text(line) => line,
            Line::End => return Err(RequestError::Cut),
            _ if !is_fetch => return Err(RequestError::Command(String::new())),
            end @ (Line::Flush | Line::Delimiter) => return Ok(end),
        };
        match line.split_once('=').unwrap_or((line, "")) {
            ("command", "fetch") if !is_fetch => is_fetch = true,
            ("command", other) => return Err(RequestError::Command(shown(other))),
            ("object-format", "sha1") | ("agent" | "session-id" | "server-option", _) => {}
            ("object-format", other) => return Err(RequestError::ObjectFormat(shown(other))),
            _ => return Err(RequestError::Capability(shown(line))),
        }
    }
}

impl FetchRequest {
    fn read_argument(&mut self, line: &str) -> Result<(), RequestError> {
        if let Some(id) = line.strip_prefix("want ") {
            return self.want(id);
        }
        if let Some(id) = line.strip_prefix("have ") {
            return self.have(id);
        }
        if line == "done" {
            self.ending = Ending::Done;
            return Ok(());
        }
        let features = [
            Feature::ThinPack,
            Feature::OfsDelta,
            Feature::NoProgress,
            Feature::IncludeTag,
            Feature::DeepenRelative,
            Feature::WaitForDone,
        ];
        match features.into_iter().find(|feature| feature.word() == line) {
            Some(feature) => _ = self.features.insert(feature),
            None if self.shape(line)? => {}
            None => return Err(unexpected(line)),
        }
        Ok(())
    }
}
