//! What can be wrong with a `known_hosts` file.

use std::path::PathBuf;

use mirror_core::fault::{Classified, FaultClass, Retry};

/// Tells why a `known_hosts` file cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum KnownHostsError {
    /// The file is not there.
    #[error("known_hosts file {} does not exist", path.display())]
    #[diagnostic(
        code(mirror::ssh::known_hosts_missing),
        help("create it, or set githubTransport.knownHosts to github")
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read known_hosts file {}", path.display())]
    #[diagnostic(
        code(mirror::ssh::known_hosts_unreadable),
        help("make githubTransport.knownHosts name a readable text file")
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any known_hosts file has reason to be.
    #[error("known_hosts file {} is larger than {limit} bytes", path.display())]
    #[diagnostic(
        code(mirror::ssh::known_hosts_too_large),
        help("keep only the lines of the upstream host in the file that githubTransport.knownHosts names")
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// A line is not of the format.
    #[error("line {line} of known_hosts file {} is malformed: {reason}", path.display())]
    #[diagnostic(
        code(mirror::ssh::known_hosts_malformed),
        help("correct or remove line {line}; a line is [@marker] hosts type base64-key")
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Classified for KnownHostsError {
    fn class(&self) -> FaultClass {
        match self {
            KnownHostsError::Missing { .. }
            | KnownHostsError::Unreadable { .. }
            | KnownHostsError::TooLarge { .. }
            | KnownHostsError::Malformed { .. } => FaultClass::Usage,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            KnownHostsError::Missing { .. }
            | KnownHostsError::Unreadable { .. }
            | KnownHostsError::TooLarge { .. }
            | KnownHostsError::Malformed { .. } => Retry::Never,
        }
    }
}
