//! SSH hosts with git behind them: the upstream of the suites.
//!
//! [`EmbeddedHost`] needs only cargo and git, counts everything and injects faults. [`OpenSshHost`] is the real `sshd`, [`SshClient`] the real `ssh`.
//! Both listen on a free port of 127.0.0.1, serve repositories by their absolute paths, and end with their value.

mod address;
mod client;
pub mod embedded;
mod openssh;

pub use address::HostAddress;
pub use client::SshClient;
pub use embedded::EmbeddedHost;
pub use openssh::{GitProtocol, OpenSshHost, OpenSshSettings};
