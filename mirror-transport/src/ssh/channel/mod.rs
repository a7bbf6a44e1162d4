//! One Git service running on the server, as a pair of byte streams.
//!
//! A task per channel takes what the server sends: output goes into a bounded inbox that [`GitReader`] drains, words on standard error
//! are kept up to a bound, and the exit is remembered. A full inbox holds back the connection. Both streams end with
//! [`ChannelError::Stalled`] where neither direction moves for the idle deadline. Dropping both streams closes the channel; this may
//! happen on any thread, inside a runtime or not.
//!
//! Never: pkt-lines. Bytes are passed as they come.

mod error;
mod inbox;
mod pump;
mod reader;
mod remote;
mod service;
mod stall;
mod start;
mod writer;

pub use error::ChannelError;
pub use reader::GitReader;
pub use remote::{Exit, Remote, Stderr};
pub use service::{Protocol, Service};
pub use start::GitChannel;
pub(super) use start::Start;
pub use writer::GitWriter;
