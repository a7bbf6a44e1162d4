//! Packets that are written in place: what lists of refs are made of.

use mirror_core::name::CommitId;
use mirror_git::pkt::{MAX_PACKET, encode};

/// Appends a packet whose payload is written in place. One that would not fit into a packet is left out: no file system holds a ref of
/// such a name, and a file of packed refs that does was made to do harm.
pub(super) fn packet(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(b"0000");
    fill(out);
    let length = out.len() - start;
    if length > MAX_PACKET {
        out.truncate(start);
        return;
    }
    for (place, shift) in out[start..start + 4].iter_mut().zip([12, 8, 4, 0]) {
        *place = digit(length >> shift);
    }
}

/// Appends the 40 digits of an id.
pub(super) fn id(out: &mut Vec<u8>, id: CommitId) {
    out.extend(id.as_bytes().iter().flat_map(|byte| [digit(usize::from(byte >> 4)), digit(usize::from(*byte))]));
}

fn digit(value: usize) -> u8 {
    b"0123456789abcdef"[value & 15]
}

/// Gives the answer that ends a conversation with words that git shows its user.
///
/// # Source
/// `gitprotocol-pack(5)`, "pkt-line Format": `error-line = PKT-LINE("ERR" SP explanation-text)`.
pub(super) fn refusal(words: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode::data(format!("ERR {words}").as_bytes(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_say_their_length() {
        let mut out = Vec::new();
        packet(&mut out, |out| out.extend_from_slice(b"a\n"));
        packet(&mut out, |out| out.extend_from_slice(&[b'x'; 0x1230 - 4]));
        packet(&mut out, |out| out.extend_from_slice(&[b'y'; MAX_PACKET - 3]));
        assert_eq!(&out[..10], b"0006a\n1230");
        assert_eq!(out.len(), 6 + 0x1230);
    }

    #[test]
    fn ids_are_written_as_they_are_shown() {
        let id = CommitId::from_hex("0123456789abcdef0123456789abcdef01234567").unwrap();
        let mut out = Vec::new();
        super::id(&mut out, id);
        assert_eq!(out, id.to_string().as_bytes());
    }

    #[test]
    fn a_refusal_is_one_packet() {
        assert_eq!(refusal("no"), b"000aERR no");
    }
}
