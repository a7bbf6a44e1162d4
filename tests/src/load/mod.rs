//! Clients that push and read repeatedly while their server is disturbed, and what all of them have observed.
//!
//! [`Clients`] is their shared state: the server's URL, whether it is up, what was acknowledged and what was read. Each client is a loop on a
//! thread of the caller's, which ends with the clients's [`StopOnDrop`]. A client whose request fails although nothing disturbed it
//! panics with git's output.
//!
//! Never: deciding what is disturbed, or when it is over.

mod clients;
mod pusher;
mod reader;
mod setup;

pub use clients::{Clients, Counts, Disturbance, StopOnDrop};
pub use pusher::PushPace;
pub use reader::ReadKind;
pub use setup::{branches, serve_lanes};
