//! Taking a pack: from a stream of bytes to a complete pack with its index on disk, every object of it unpacked and named.
//!
//! The tree reads in the order of the work: `scan` while the bytes come in, `resolve` what is a delta, `complete` a thin pack, write the
//! `index_file`. On the way the `references` of all objects are gathered, so that connectivity needs no further look at the pack.
//! Memory does not grow with the pack but for some bytes an object; nothing that the pack merely announces is believed.
//!
//! Never: the store, other than reading bases of deltas from it.

mod complete;
mod entry;
mod error;
mod index_file;
mod kept;
mod limits;
mod pack;
mod received;
mod request;
mod resolve;
mod scan;
mod source;
mod watch;

pub use error::{Failure, ReceiveError};
pub use limits::Limits;
pub use pack::receive;
pub use received::{Outside, ReceivedPack};
pub use request::Request;
pub use source::PackSource;
pub use watch::{Progress, Watch};

#[cfg(test)]
mod tests;
