//! Where a host listens, and by which key it is known.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use russh::keys::PublicKey;

/// The address of an SSH host on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAddress {
    port: u16,
    user: String,
    host_key: PublicKey,
}

impl HostAddress {
    pub(super) fn new(port: u16, user: &str, host_key: PublicKey) -> Self {
        Self { port, user: user.to_owned(), host_key }
    }

    /// Gives the name of the host: always the loopback address.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Gives the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the user to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Gives the socket address.
    pub fn socket(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Gives the key by which the host is to be known.
    pub fn host_key(&self) -> &PublicKey {
        &self.host_key
    }

    /// Gives the host's line for a `known_hosts` file, with its line end.
    pub fn known_hosts(&self) -> String {
        let key = self.host_key.to_openssh().expect("because the key was made here");
        format!("[{}]:{} {key}\n", self.host(), self.port)
    }

    /// Gives the URL of a repository on this host.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@{}:{}{}", self.user, self.host(), self.port, repository.display())
    }
}
