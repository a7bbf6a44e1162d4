//! The reader of pkt-lines over arbitrary bytes in pieces: it agrees with the decoder of whole buffers, and what it takes writes back.

#![no_main]

use git_mirror_fuzz::error::assert_presentable;
use git_mirror_fuzz::peer::{Peer, run};
use libfuzzer_sys::fuzz_target;
use mirror_git::pkt::{Band, Decoded, MAX_PACKET, MAX_PAYLOAD, Packet, PacketReader, decode, encode};

fuzz_target!(|input: (u16, &[u8])| {
    let (piece, bytes) = input;
    run(async {
        let mut reader = PacketReader::new(Peer::in_pieces(bytes, piece.into()));
        let mut rest = bytes;
        loop {
            match (reader.next().await, decode(rest)) {
                (Ok(Some(read)), Ok(Decoded::Whole { packet, used })) => {
                    assert_eq!(read, packet);
                    check(packet, &rest[..used]);
                    rest = &rest[used..];
                }
                (Ok(None), Ok(Decoded::Incomplete { needed: 4 })) => {
                    assert!(rest.is_empty(), "an end inside of a packet is none");
                    break;
                }
                (Err(error), Ok(Decoded::Incomplete { needed })) => {
                    assert!(!rest.is_empty() && rest.len() < needed && needed <= MAX_PACKET);
                    assert_presentable(&error);
                    break;
                }
                (Err(error), Err(decoded)) => {
                    assert_eq!(error.to_string(), decoded.to_string());
                    assert_presentable(&error);
                    break;
                }
                (read, decoded) => panic!("read as {read:?}, decoded as {decoded:?}"),
            }
        }
    });
});

/// Writes a packet back, which gives the bytes that it came from, but for capitals in the length.
fn check(packet: Packet<'_>, bytes: &[u8]) {
    let mut written = Vec::new();
    match packet {
        Packet::Data(payload) => {
            assert!(payload.len() <= MAX_PAYLOAD);
            encode::data(payload, &mut written);
            match Band::of(payload) {
                Ok(Band::Data(rest) | Band::Progress(rest) | Band::Fatal(rest)) => assert_eq!(rest, &payload[1..]),
                Err(error) => assert_presentable(&error),
            }
        }
        Packet::Flush => encode::flush(&mut written),
        Packet::Delimiter => encode::delimiter(&mut written),
        Packet::ResponseEnd => written.extend_from_slice(b"0002"),
    }
    assert!(written[..4].eq_ignore_ascii_case(&bytes[..4]) && written[4..] == bytes[4..]);
}
