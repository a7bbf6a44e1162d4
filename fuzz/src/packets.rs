//! Packet lines, read once more.
//!
//! # Source
//! `gitprotocol-common(5)`, "pkt-line Format".

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A payload.
    Data(&'a [u8]),
    /// One of `0000`, `0001` and `0002`, by its number.
    Special(u8),
}

/// Takes the first packet off the front; `None` where no whole one is there. The bytes are then as they were.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Line<'a>> {
    let digits = bytes.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let (line, used) = match length {
        0..3 => (Line::Special(length as u8), 4),
        3 => return None,
        length => (Line::Data(bytes.get(4..length)?), length),
    };
    *bytes = &bytes[used..];
    Some(line)
}

/// Gives the payloads in front of the first packet that is none, and what is behind that packet; `None` where the bytes end before.
pub fn until_flush(mut bytes: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let mut payloads = Vec::new();
    loop {
        match take(&mut bytes)? {
            Line::Data(payload) => payloads.push(payload),
            Line::Special(0) => return Some((payloads, bytes)),
            Line::Special(_) => return None,
        }
    }
}

/// Gives a payload without the line feed that may end it.
pub fn text(payload: &[u8]) -> &[u8] {
    payload.strip_suffix(b"\n").unwrap_or(payload)
}

/// Says whether bytes would reach a terminal as a command.
pub fn has_control(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains(char::is_control)
}
