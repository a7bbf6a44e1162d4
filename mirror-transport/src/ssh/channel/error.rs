//! How a channel's streams fail. The errors travel inside [`std::io::Error`].

use std::io;
use std::time::Duration;

use mirror_core::fault::{Classified, FaultClass, Retry};

use crate::tunnel::HostPort;

/// Tells why a channel's stream ended other than by its proper end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ChannelError {
    /// Nothing moved in either direction for the idle deadline.
    #[error("nothing moved between here and {service} on {target} for {after:?}, while {waiting}")]
    #[diagnostic(
        code(mirror::ssh::stalled),
        help("the server or the proxy is stuck; raise githubTransport.timeouts.idle if it is only slow")
    )]
    Stalled {
        /// The server.
        target: HostPort,
        /// The remote program.
        service: &'static str,
        /// What was waited for.
        waiting: Waiting,
        /// The deadline that passed.
        after: Duration,
    },
    /// The connection ended under the channel.
    #[error("the connection to {target} ended while {service} was running: {reason}")]
    #[diagnostic(
        code(mirror::ssh::channel_lost),
        help("run git-mirror doctor to see each step; a proxy may cut SSH connections")
    )]
    Lost {
        /// The server.
        target: HostPort,
        /// The remote program.
        service: &'static str,
        /// How it ended.
        reason: String,
    },
    /// The server refused to start the program.
    #[error("{target} refused to run {service}")]
    #[diagnostic(code(mirror::ssh::exec_refused), help("the account may not run Git commands on this server"))]
    ExecRefused {
        /// The server.
        target: HostPort,
        /// The remote program.
        service: &'static str,
    },
    /// The remote program ended while something was still being sent to it.
    #[error("{service} on {target} ended before it had read everything{stderr}")]
    #[diagnostic(
        code(mirror::ssh::remote_ended),
        help("the server's words say why; check that the repository exists and that the key may use it")
    )]
    RemoteEnded {
        /// The server.
        target: HostPort,
        /// The remote program.
        service: &'static str,
        /// What it printed on standard error, if anything.
        stderr: String,
    },
}

/// Says what a stalled stream was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The server's bytes.
    Reading,
    /// Room for ours.
    Writing,
    /// The end of the remote program.
    Ending,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Waiting::Reading => "waiting for its bytes",
            Waiting::Writing => "waiting for it to take ours",
            Waiting::Ending => "waiting for it to end",
        })
    }
}

impl ChannelError {
    /// Finds the channel's error inside an error of its stream.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            ChannelError::Stalled { .. } => io::ErrorKind::TimedOut,
            ChannelError::Lost { .. } => io::ErrorKind::ConnectionAborted,
            ChannelError::ExecRefused { .. } => io::ErrorKind::PermissionDenied,
            ChannelError::RemoteEnded { .. } => io::ErrorKind::BrokenPipe,
        }
    }
}

impl From<ChannelError> for io::Error {
    fn from(error: ChannelError) -> Self {
        io::Error::new(error.kind(), error)
    }
}

impl Classified for ChannelError {
    fn class(&self) -> FaultClass {
        match self {
            ChannelError::Stalled { .. }
            | ChannelError::Lost { .. }
            | ChannelError::ExecRefused { .. }
            | ChannelError::RemoteEnded { .. } => FaultClass::Upstream,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            ChannelError::Stalled { .. } | ChannelError::Lost { .. } => Retry::Backoff,
            ChannelError::ExecRefused { .. } | ChannelError::RemoteEnded { .. } => Retry::Never,
        }
    }
}
