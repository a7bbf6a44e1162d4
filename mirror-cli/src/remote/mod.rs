//! Asking a server that runs elsewhere for its status and history, over its API.
//!
//! It sends one GET and takes one bounded document, each within a deadline; it follows no redirect, and never talks to upstream.

mod address;
mod ask;
mod error;
mod tls;

pub use address::ServerUrl;
pub use ask::{Asked, ask};
pub use error::RemoteError;
