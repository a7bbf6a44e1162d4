//! One SSH session to upstream, and Git's channels on it.
//!
//! [`Session::connect`] speaks SSH on any byte stream: identification, key exchange, host key against [`KnownHosts`], login with an
//! [`Identity`]. [`Session::open_git`] and [`Session::open_git_pair`] open channels whose requests and first bytes travel behind the
//! channel's confirmation without another wait. A [`GitChannel`] gives a reader with bounded buffering, a writer, the server's words on
//! standard error, and the exit of the remote program; silence on either side ends in an error of its own.
//!
//! Never: a socket (the stream comes from [`crate::tunnel`]), a host key learned from the network, a password, a retry, or an answer
//! to anything the server asks to open towards us.

mod algorithms;
mod banner;
pub mod channel;
mod error;
mod guard;
pub mod identity;
pub mod known_hosts;
mod line;
mod login;
mod session;

pub use channel::{ChannelError, Exit, GitChannel, GitReader, GitWriter, Protocol, Remote, Service, Stderr};
pub use error::SshError;
pub use identity::{Identity, IdentityError};
pub use known_hosts::{KnownHosts, KnownHostsError};
pub use session::{Handshake, Rekey, Session};
