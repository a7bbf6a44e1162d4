//! Push: our own send-pack.
//!
//! In the order of a conversation: [`Advertised`] is what the server says first, [`PushCommand`] what is asked of it, [`mirror_git::pack::make`] the objects
//! that it lacks, [`report`] its answer, and [`ReceivePack`] the conversation itself, on an injected byte stream. Every command ends
//! as one `mirror_core::flush::PushEnding`.
//!
//! Never: asking for a deletion, which no type here can say, or for force; taking a verdict from anything but report-status; deciding whether
//! to push at all.
//!
//! # Source
//!
//! `gitprotocol-pack(5)`, "Pushing Data To a Server"; `gitprotocol-capabilities(5)`.

mod advertised;
mod capabilities;
mod command;
mod error;
mod limits;
mod messages;
mod rejection;
pub mod report;
mod send;
mod session;

pub use advertised::Advertised;
pub use capabilities::{Capabilities, StatusReport};
pub use command::PushCommand;
pub use error::PushError;
pub use limits::Limits;
pub use messages::ServerMessages;
pub use rejection::classify;
pub use session::{PushAnswer, PushEvent, ReceivePack};

#[cfg(test)]
mod tests;
