//! The answer to a push: how the pack went, then each ref, in the form and the band that the client asked for.
//!
//! # Source
//! `gitprotocol-pack(5)`, "Report Status" and "Packfile Data".

use mirror_transport::pkt::{MAX_PAYLOAD, encode};

use super::request::{Request, Wish};

/// The longest reason that is sent; git prints it in one line.
const REASON: usize = 512;
/// Band 1: the report. Band 2: talk.
const REPORT: u8 = 1;
const TALK: u8 = 2;

/// What a whole push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why the pack was not taken; `None` where it was, or where there was none.
    pub(crate) unpack: Option<String>,
    /// Each command's name and, where it was refused, the reason.
    pub(crate) refs: Vec<(Vec<u8>, Option<String>)>,
}

impl Report {
    /// Writes the answer's end: the report, where one was asked for, and what closes the bands.
    pub(crate) fn write(&self, request: &Request) -> Vec<u8> {
        let is_banded = request.wishes(Wish::SideBand64k);
        let mut answer = Vec::new();
        if request.wishes(Wish::ReportStatus) || request.wishes(Wish::ReportStatusV2) {
            let lines = self.lines();
            match is_banded {
                true => in_band(REPORT, &lines, &mut answer),
                false => answer.extend_from_slice(&lines),
            }
        }
        if is_banded {
            encode::flush(&mut answer);
        }
        answer
    }

    fn lines(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let unpack = self.unpack.as_ref().map_or_else(|| "ok".to_owned(), |reason| cleaned(reason));
        encode::data(format!("unpack {unpack}\n").as_bytes(), &mut lines);
        for (name, reason) in &self.refs {
            let mut line = Vec::with_capacity(name.len() + REASON);
            line.extend_from_slice(if reason.is_some() { b"ng " } else { b"ok " });
            line.extend_from_slice(name);
            if let Some(reason) = reason {
                line.push(b' ');
                line.extend_from_slice(cleaned(reason).as_bytes());
            }
            line.push(b'\n');
            encode::data(&line, &mut lines);
        }
        encode::flush(&mut lines);
        lines
    }
}

/// Writes words that git shows behind `remote: `.
pub(crate) fn talk(words: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    let mut text = words.to_owned();
    text.push('\n');
    in_band(TALK, text.as_bytes(), &mut packet);
    packet
}

/// Writes a packet that says nothing, so that nobody on the way takes the connection for dead.
pub(crate) fn keepalive() -> Vec<u8> {
    let mut packet = Vec::new();
    encode::data(&[TALK], &mut packet);
    packet
}

fn in_band(band: u8, bytes: &[u8], into: &mut Vec<u8>) {
    for piece in bytes.chunks(MAX_PAYLOAD - 1) {
        let mut payload = Vec::with_capacity(piece.len() + 1);
        payload.push(band);
        payload.extend_from_slice(piece);
        encode::data(&payload, into);
    }
}

/// Makes a reason fit for one line of a terminal.
fn cleaned(reason: &str) -> String {
    let text: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(REASON) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
