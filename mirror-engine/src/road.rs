//! Loads what the road to upstream needs from its files: the identity, the known hosts, the proxy's password.

use mirror_core::config::Repository;
use mirror_core::fault::Fault;
use mirror_transport::ssh::{Identity, KnownHosts};
use mirror_transport::tunnel::{Deadlines, ProxyAddr, ProxyCredentials};
use mirror_transport::upstream::Road;

use crate::node::{IdentitySource, LocalNode};

/// Loads the road from a node to a repository's upstream.
///
/// # Errors
/// Where a file is missing, unreadable, malformed or locked by a passphrase that is not given.
pub fn load(node: &LocalNode, repository: &Repository) -> Result<Road, Fault> {
    let files = node.endpoint_files().map_err(|error| Fault::of(&error))?;
    let transport = node.transport();
    let identity = match &files.identity {
        IdentitySource::File { key, passphrase } => {
            Identity::from_file(key, passphrase.as_deref()).map_err(|error| Fault::of(&error))?
        }
        IdentitySource::Agent(socket) => Identity::agent(socket),
    };
    let hosts = match &files.known_hosts {
        None => KnownHosts::github(),
        Some(path) => KnownHosts::from_file(path).map_err(|error| Fault::of(&error))?,
    };
    let credentials = files
        .proxy_credentials
        .as_deref()
        .map(ProxyCredentials::from_file)
        .transpose()
        .map_err(|error| Fault::of(&error))?;
    let (target, user, path) = Road::parts(&repository.upstream);
    let timeouts = transport.timeouts;
    Ok(Road {
        target,
        user,
        path,
        proxy: transport.proxy.as_ref().map(|proxy| ProxyAddr::new(proxy.host(), proxy.port())),
        credentials,
        identity,
        hosts,
        limits: Deadlines {
            connect: timeouts.connect,
            handshake: timeouts.connect * 2,
            idle: timeouts.idle,
            total: timeouts.total,
        },
    })
}
