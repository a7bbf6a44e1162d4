//! The way to upstream's SSH port: a TCP stream, or an HTTP CONNECT tunnel through the node's proxy.
//!
//! [`dial()`] is the only place of the product that opens a socket towards upstream. With a proxy configured it opens exactly one, to that
//! proxy, and hands the target's name to it unresolved; there is no fallback to a direct connection. [`open_tunnel`] is the same
//! conversation on a stream that somebody else opened.
//!
//! Never: a retry (the class of an error says whether one makes sense), a second proxy, TLS, or a byte of SSH.

mod address;
mod answer;
mod connect;
mod credentials;
mod deadlines;
mod dial;
mod error;
mod steps;

pub use address::{HostPort, ProxyAddr};
pub use connect::{Tunnel, open_tunnel};
pub use credentials::{CredentialsError, ProxyCredentials};
pub use deadlines::Deadlines;
pub use dial::{TcpTunnel, dial};
pub use error::TunnelError;
pub use steps::{NoSteps, Step, Steps};
