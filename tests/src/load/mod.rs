//! Clients that push and read again and again while the server they talk to is disturbed, and what all of them have seen together.
//!
//! [`Crowd`] is what they share: where the server is, whether it is up, what was acknowledged and what was read. Each client is a loop on a
//! thread of the caller's, which ends with the crowd's [`Shift`]. A client whose request fails although nothing disturbed it
//! panics with git's words.
//!
//! Never: deciding what is disturbed, or when it is over.

mod clients;
mod pusher;
mod reader;
mod setup;

pub use clients::{Crowd, Disturbance, Seen, Shift};
pub use pusher::Promotions;
pub use reader::Reading;
pub use setup::{branches, site};
