//! What can go wrong on the road to upstream, whichever layer it happened in.

use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::fetch::FetchError;
use crate::push::PushError;
use crate::ssh::{ChannelError, SshError};
use crate::tunnel::TunnelError;
use mirror_git::pkt::PktError;

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
    /// In a channel of the session, whatever git was saying on it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Channel(ChannelError),
    /// While looking or fetching.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(FetchError),
    /// While looking for a push.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Push(PushError),
}

/// A conversation that failed because its channel did says so in the channel's words: a stall is not a lost connection, and a program
/// that was refused is not tried again.
impl From<FetchError> for LinkError {
    fn from(error: FetchError) -> Self {
        let source = match &error {
            FetchError::Read { source, .. } | FetchError::Write { source, .. } => Some(source),
            _ => None,
        };
        match source.and_then(channel) {
            Some(channel) => Self::Channel(channel),
            None => Self::Fetch(error),
        }
    }
}

impl From<PushError> for LinkError {
    fn from(error: PushError) -> Self {
        let source = match &error {
            PushError::Broken { source: PktError::Io { source } } => Some(source),
            _ => None,
        };
        match source.and_then(channel) {
            Some(channel) => Self::Channel(channel),
            None => Self::Push(error),
        }
    }
}

/// The channel's own error below a stream's. A program that ended early is left to the conversation, which knows what it was about.
fn channel(source: &std::io::Error) -> Option<ChannelError> {
    ChannelError::of(source).filter(|error| !matches!(error, ChannelError::RemoteEnded { .. })).cloned()
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
            Self::Channel(error) => error,
            Self::Fetch(error) => error,
            Self::Push(error) => error,
        }
    }
}
