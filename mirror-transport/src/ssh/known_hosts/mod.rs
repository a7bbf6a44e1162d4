//! Which host keys are trusted: those of a `known_hosts` file, or GitHub's published ones.
//!
//! Any key listed for a host is good, of whatever type and in whatever order. Files are read once, before a connection is opened.
//!
//! Never: learning a key, asking a person, fetching keys from the network, or writing a file.

mod entry;
mod error;
mod github;
mod pattern;
mod verdict;

pub use error::KnownHostsError;
pub use verdict::{KnownHosts, fingerprint};
