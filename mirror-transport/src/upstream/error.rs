//! What can go wrong on the road to upstream, whichever layer it happened in.

use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::fetch::FetchError;
use crate::push::PushError;
use crate::ssh::SshError;
use crate::tunnel::TunnelError;

/// A fault of the connection to upstream; each layer keeps its own words, code and help.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LinkError {
    /// On the way to upstream's SSH port.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tunnel(#[from] TunnelError),
    /// In the SSH session.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Ssh(#[from] SshError),
    /// While looking or fetching.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// While looking for a push.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Push(#[from] PushError),
}

impl Classified for LinkError {
    fn class(&self) -> FaultClass {
        self.layer().class()
    }

    fn retry(&self) -> Retry {
        self.layer().retry()
    }
}

impl LinkError {
    fn layer(&self) -> &dyn Classified {
        match self {
            Self::Tunnel(error) => error,
            Self::Ssh(error) => error,
            Self::Fetch(error) => error,
            Self::Push(error) => error,
        }
    }
}
