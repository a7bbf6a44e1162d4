//! Pkt-lines: the framing of every Git protocol conversation, and the side band that multiplexes inside it.
//!
//! Owns the frame ([`Packet`]), a bounded reader on any tokio stream ([`PacketReader`]), the encoding into a buffer ([`encode`]) and the
//! side-band split ([`Band`]). It holds at most one packet of the peer in memory.
//!
//! Never: knowing what a line means. The conversations are `push`'s and `fetch`'s.
//!
//! # Source
//!
//! `gitprotocol-common(5)`, "pkt-line Format"; `gitprotocol-pack(5)`, "Packfile Data" for the side band.

mod band;
mod decode;
pub mod encode;
mod error;
mod packet;
mod read;

pub use band::Band;
pub use decode::{Decoded, decode};
pub use error::PktError;
pub use packet::{MAX_PACKET, MAX_PAYLOAD, Packet};
pub use read::PacketReader;

#[cfg(test)]
mod tests;
