//! The answer to a push: how the pack went, then each ref, in the form and the band that the client asked for.
//!
//! # Source
//! `gitprotocol-pack(5)`, "Report Status" and "Packfile Data".

use mirror_git::pkt::{MAX_PAYLOAD, encode};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let refs = vec![(b"refs/heads/a".to_vec(), None), (b"refs/heads/b".to_vec(), Some("no\nway".to_owned()))];
        Report { unpack: None, refs }
    }

    fn wishing(wishes: &[Wish]) -> Request {
        Request { wishes: wishes.iter().copied().collect(), ..Request::default() }
    }

    #[test]
    fn a_report_is_what_git_reads() {
        let lines = b"000eunpack ok\n0014ok refs/heads/a\n001bng refs/heads/b no way\n0000";
        assert_eq!(
            report().write(&wishing(&[Wish::ReportStatus])).escape_ascii().to_string(),
            lines.escape_ascii().to_string()
        );
        let banded = report().write(&wishing(&[Wish::ReportStatusV2, Wish::SideBand64k]));
        let mut expect = format!("{:04x}\x01", lines.len() + 5).into_bytes();
        expect.extend_from_slice(lines);
        expect.extend_from_slice(b"0000");
        assert_eq!(banded, expect);
        assert_eq!(report().write(&wishing(&[Wish::SideBand64k])), b"0000");
        assert_eq!(report().write(&wishing(&[])), b"");
        assert_eq!(keepalive(), b"0005\x02");
        assert_eq!(talk("hi"), b"0008\x02hi\n");
    }

    #[test]
    fn a_reason_stays_one_line_of_measure() {
        let long = Report { unpack: Some("x\ny".repeat(1000)), refs: Vec::new() };
        let written = long.write(&wishing(&[Wish::ReportStatus]));
        assert!(written.len() < REASON + 100);
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn a_report_of_many_refs_is_split_into_packets_of_measure() {
        let refs = (0..3000).map(|number| (format!("refs/heads/{number}").into_bytes(), Some("r".repeat(100))));
        let long = Report { unpack: None, refs: refs.collect() };
        let written = long.write(&wishing(&[Wish::ReportStatus, Wish::SideBand64k]));
        let mut rest = written.as_slice();
        let mut inner = Vec::new();
        while let mirror_git::pkt::Decoded::Whole { packet: mirror_git::pkt::Packet::Data(payload), used } =
            mirror_git::pkt::decode(rest).unwrap()
        {
            assert_eq!(payload[0], REPORT);
            inner.extend_from_slice(&payload[1..]);
            rest = &rest[used..];
        }
        assert_eq!(rest, b"0000");
        assert_eq!(inner, long.write(&wishing(&[Wish::ReportStatus])));
    }
}
