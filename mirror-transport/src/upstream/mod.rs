//! The connection to upstream as an operation uses it: looks, fetches and pushes over one tunnel and one SSH session.
//!
//! Owns which channel carries what, and when a channel or a connection is used up. A look for reading sends its question behind `exec`;
//! a look for pushing is the advertisement of `receive-pack`, with an `upload-pack` channel opened beside it for the looks that follow.
//!
//! The session may come from [`Warm`], which keeps it between operations; a look on it takes two round trips: the
//! channel is open by then, and what is left are the program's start and its answer.
//!
//! Never: retries (but for a look on a session that was kept and turns out dead), deciding what to want or to push, refs of the cache.

mod error;
mod link;
mod road;
mod warm;

pub use error::LinkError;
pub use link::{Link, Purpose, Pushed};
pub use road::Road;
pub use warm::{Change, Patience, Warm};
