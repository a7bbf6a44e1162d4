//! Addresses as they stand in a configuration and in messages; never resolved here.

use std::fmt;

/// Names one TCP endpoint by host (a name or an address) and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host, without brackets even where it is an IPv6 address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl HostPort {
    /// Joins a host and a port; brackets around an IPv6 address are dropped.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: unbracketed(host.into()), port }
    }
}

/// Writes `host:port`, with brackets around an IPv6 address, as CONNECT and `Host` want it.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Names the CONNECT proxy of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProxyAddr(HostPort);

impl ProxyAddr {
    /// Joins a host and a port; brackets around an IPv6 address are dropped.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self(HostPort::new(host, port))
    }

    /// Gives the endpoint to open a socket to.
    pub fn endpoint(&self) -> &HostPort {
        &self.0
    }
}

/// Writes `http://host:port`, as the configuration spells it.
impl fmt::Display for ProxyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

fn unbracketed(host: String) -> String {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.to_owned(),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_connect_wants_them() {
        for (host, text) in [
            ("ssh.github.com", "ssh.github.com:443"),
            ("192.0.2.7", "192.0.2.7:443"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("[2001:db8::1]", "[2001:db8::1]:443"),
        ] {
            assert_eq!(HostPort::new(host, 443).to_string(), text);
            assert_eq!(ProxyAddr::new(host, 443).to_string(), format!("http://{text}"));
        }
    }
}
