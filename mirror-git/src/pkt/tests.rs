//! The framing rules as a table, and as properties over arbitrary bytes in arbitrary pieces.

use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

use super::*;

/// A stream that hands out its bytes in pieces of given sizes, then ends.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    sizes: Vec<usize>,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let size = self.sizes.pop().unwrap_or(usize::MAX).max(1);
        let end = self.bytes.len().min(self.at.saturating_add(size)).min(self.at + into.remaining());
        into.put_slice(&self.bytes[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

/// Reads everything; packets as text, with the error that ended it.
fn read_all(bytes: &[u8], sizes: Vec<usize>) -> (Vec<String>, Option<PktError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut reader = PacketReader::new(Pieces { bytes: bytes.to_vec(), at: 0, sizes });
        let mut seen = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(Packet::Data(data))) => seen.push(format!("data {}", data.escape_ascii())),
                Ok(Some(other)) => seen.push(format!("{other:?}")),
                Ok(None) => return (seen, None),
                Err(error) => return (seen, Some(error)),
            }
        }
    })
}

fn check(bytes: &[u8], packets: &[&str], error: Option<&str>) {
    let (seen, ended) = read_all(bytes, Vec::new());
    assert_eq!(seen, packets, "packets of {}", bytes.escape_ascii());
    assert_eq!(ended.map(|error| error.to_string()).as_deref(), error, "end of {}", bytes.escape_ascii());
}

#[test]
fn packets_are_read_and_every_violation_has_its_own_error() {
    check(b"", &[], None);
    check(b"0006a\n0000", &["data a\\n", "Flush"], None);
    check(b"000100020004", &["Delimiter", "ResponseEnd", "data "], None);
    check(b"000Aabcdef", &["data abcdef"], None);
    check(b"0003", &[], Some("a pkt-line says it has 3 bytes, fewer than its own length takes"));
    check(b"0000HTTP/1.1 400", &["Flush"], Some("the length of a pkt-line is \"HTTP\", which is not hexadecimal"));
    check(b"\0\x1b\"\xff", &[], Some(r#"the length of a pkt-line is "\x00\x1b\"\xff", which is not hexadecimal"#));
    check(b"fff1", &[], Some("a pkt-line says it has 65521 bytes; the format allows 65520"));
    check(b"ffff", &[], Some("a pkt-line says it has 65535 bytes; the format allows 65520"));
    check(b"00", &[], Some("the stream ended inside a pkt-line, 2 bytes before its end"));
    check(b"0006a", &[], Some("the stream ended inside a pkt-line, 1 bytes before its end"));
}

#[test]
fn the_longest_packet_is_read() {
    let payload = vec![b'x'; MAX_PAYLOAD];
    let mut bytes = Vec::new();
    encode::data(&payload, &mut bytes);
    encode::data(&payload, &mut bytes);
    let (seen, error) = read_all(&bytes, vec![1, 7, 65519, 2]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 2);
}

#[test]
fn err_lines_and_newlines_are_told_apart_from_data() {
    assert_eq!(Packet::Data(b"ERR no such repository\n").error_words(), Some(&b"no such repository"[..]));
    assert_eq!(Packet::Data(b"ERRATIC").error_words(), None);
    assert_eq!(Packet::Data(b"line\n\n").line(), Some(&b"line\n"[..]));
    assert_eq!(Packet::Flush.line(), None);
}

#[test]
fn the_side_band_knows_three_bands() {
    assert_eq!(Band::of(b"\x01unpack ok").unwrap(), Band::Data(b"unpack ok"));
    assert_eq!(Band::of(b"\x02hello").unwrap(), Band::Progress(b"hello"));
    assert_eq!(Band::of(b"\x03").unwrap(), Band::Fatal(b""));
    assert!(matches!(Band::of(b""), Err(PktError::NoBand)));
    assert!(matches!(Band::of(b"\x04x"), Err(PktError::BadBand { band: 4 })));
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back_however_it_is_cut(
        payloads in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
        sizes in proptest::collection::vec(1usize..64, 0..40),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for payload in &payloads {
            match payload {
                Some(payload) => {
                    encode::data(payload, &mut bytes);
                    expected.push(format!("data {}", payload.escape_ascii()));
                }
                None => {
                    encode::flush(&mut bytes);
                    expected.push("Flush".to_owned());
                }
            }
        }
        let (seen, error) = read_all(&bytes, sizes);
        prop_assert!(error.is_none());
        prop_assert_eq!(seen, expected);
    }

    /// Arbitrary bytes end in packets or an error; what is asked for never exceeds the bound, whatever the length digits say.
    #[test]
    fn arbitrary_bytes_never_panic_and_never_ask_for_more_than_a_packet(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"0123456789abcdef"[..])], 0..2000),
        sizes in proptest::collection::vec(1usize..64, 0..40),
    ) {
        if let Ok(Decoded::Incomplete { needed }) = decode(&bytes) {
            prop_assert!(needed <= MAX_PACKET);
            prop_assert!(needed > bytes.len());
        }
        let (whole, whole_error) = read_all(&bytes, Vec::new());
        let (pieces, pieces_error) = read_all(&bytes, sizes);
        prop_assert_eq!(whole, pieces);
        prop_assert_eq!(whole_error.map(|e| e.to_string()), pieces_error.map(|e| e.to_string()));
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error_or_ends_between_packets(cut in 0usize..27) {
        let bytes = b"0009hello0006a\n00000008last";
        let (seen, error) = read_all(&bytes[..cut], Vec::new());
        let between = [0, 9, 15, 19].contains(&cut);
        prop_assert_eq!(error.is_none(), between, "cut at {} gave {:?} {:?}", cut, seen, error);
    }
}
