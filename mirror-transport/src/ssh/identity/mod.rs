//! Who we are towards the server: a private key from a file, or the keys of an agent.
//!
//! Never: a password, a key from the environment, or a key's secret half in any text.

mod error;
mod load;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::PrivateKey;

pub use error::IdentityError;

use super::known_hosts::fingerprint;

/// Holds what a login signs with. Cheap to clone; shows the public half only.
#[derive(Clone)]
pub struct Identity(pub(super) Signer);

#[derive(Clone)]
pub(super) enum Signer {
    Key(Arc<PrivateKey>),
    Agent(PathBuf),
}

impl Identity {
    /// Reads a private key file: OpenSSH's own format, PKCS#8, or PKCS#1 and SEC1 (PEM); Ed25519, ECDSA or RSA.
    ///
    /// The passphrase of an encrypted key is the first line of `passphrase_file`; for a key that is not encrypted the file is not read.
    ///
    /// # Errors
    /// Each thing that can be wrong with either file is an [`IdentityError`] of its own.
    pub fn from_file(path: &Path, passphrase_file: Option<&Path>) -> Result<Self, IdentityError> {
        load::private_key(path, passphrase_file).map(|key| Self(Signer::Key(Arc::new(key))))
    }

    /// Uses the keys of the agent that listens on `socket`; it is asked at each login.
    pub fn agent(socket: &Path) -> Self {
        Self(Signer::Agent(socket.to_owned()))
    }

    /// Describes the identity by its public half: type and SHA256 fingerprint, or the agent's socket.
    pub fn describe(&self) -> String {
        match &self.0 {
            Signer::Key(key) => fingerprint(key.public_key()),
            Signer::Agent(socket) => format!("the agent at {}", socket.display()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.describe())
    }
}
