//! What a connection to upstream needs to know: whom to reach, by which way, and who logs in.

use mirror_core::config::UpstreamUrl;

use super::error::LinkError;
use crate::ssh::{Identity, KnownHosts, Session};
use crate::tunnel::{self, Deadlines, HostPort, ProxyAddr, ProxyCredentials, Steps};

/// The road to one upstream repository. Secrets in it cannot be formatted.
#[derive(Debug, Clone)]
pub struct Road {
    /// Whom to reach.
    pub target: HostPort,
    /// Who logs in.
    pub user: String,
    /// The repository's path there.
    pub path: String,
    /// The CONNECT proxy; without one the connection is direct.
    pub proxy: Option<ProxyAddr>,
    /// What the proxy wants to see.
    pub credentials: Option<ProxyCredentials>,
    /// The key or agent to log in with.
    pub identity: Identity,
    /// The host keys that are trusted.
    pub hosts: KnownHosts,
    /// How long each phase may take.
    pub limits: Deadlines,
}

impl Road {
    /// Gives the endpoint, the user and the path that an upstream's URL names.
    #[must_use]
    pub fn parts(url: &UpstreamUrl) -> (HostPort, String, String) {
        (HostPort::new(url.host(), url.port()), url.user().to_owned(), url.path().to_owned())
    }

    /// Opens the tunnel and the session on it.
    ///
    /// # Errors
    /// [`LinkError::Tunnel`] and [`LinkError::Ssh`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(&self, steps: &mut dyn Steps) -> Result<Session, LinkError> {
        let (proxy, credentials) = (self.proxy.as_ref(), self.credentials.as_ref());
        let tunnel = tunnel::dial(proxy, credentials, &self.target, &self.limits, steps).await?;
        Ok(Session::connect(tunnel, &self.target, &self.user, &self.identity, &self.hosts, &self.limits, steps).await?)
    }
}
