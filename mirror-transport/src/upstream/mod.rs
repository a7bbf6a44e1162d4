//! The connection to upstream as an operation uses it: looks, fetches and pushes over one tunnel and one SSH session.
//!
//! Owns which channel carries what, and when a channel or a connection is used up. A look for reading sends its question behind `exec`;
//! a look for pushing is the advertisement of `receive-pack`, with an `upload-pack` channel opened beside it for the looks that follow.
//!
//! Never: retries, deciding what to want or to push, refs of the cache.

mod error;
mod link;
mod road;

pub use error::LinkError;
pub use link::{Link, Purpose, Pushed};
pub use road::Road;
