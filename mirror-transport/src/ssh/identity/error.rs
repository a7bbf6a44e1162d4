//! What can be wrong with a key file or its passphrase.

use std::io;
use std::path::PathBuf;

use mirror_core::fault::{Classified, FaultClass, Retry};

/// Tells why a private key cannot be used. No content of either file is in any of the texts.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum IdentityError {
    /// The key file is not there.
    #[error("private key {} does not exist", path.display())]
    #[diagnostic(
        code(mirror::ssh::key_missing),
        help("create one with ssh-keygen -t ed25519 -f {}, or correct githubTransport.identity", path.display())
    )]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The key file cannot be read.
    #[error("cannot read private key {}", path.display())]
    #[diagnostic(
        code(mirror::ssh::key_unreadable),
        help("let the user that runs git-mirror read the file: chmod 600 {}", path.display())
    )]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds a public key.
    #[error("{} is the public half of a key", path.display())]
    #[diagnostic(code(mirror::ssh::key_public), help("name the file without .pub in githubTransport.identity"))]
    PublicHalf {
        /// The key file.
        path: PathBuf,
    },
    /// The file holds no private key in a format that is known here.
    #[error("{} holds no private key: {reason}", path.display())]
    #[diagnostic(
        code(mirror::ssh::key_malformed),
        help("githubTransport.identity must name an OpenSSH, PKCS#8 or PKCS#1 private key")
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is of a kind that cannot be used here.
    #[error("private key {} cannot be used: {reason}", path.display())]
    #[diagnostic(
        code(mirror::ssh::key_unsupported),
        help("use an Ed25519, ECDSA or RSA key; ssh-keygen -p -f {} rewrites an old file format", path.display())
    )]
    Unsupported {
        /// The key file.
        path: PathBuf,
        /// What is not supported.
        reason: String,
    },
    /// The key is encrypted and no passphrase file is configured.
    #[error("private key {} is encrypted", path.display())]
    #[diagnostic(
        code(mirror::ssh::key_encrypted),
        help(
            "set githubTransport.identity.passphraseFile to a file that holds its passphrase, or use identity: {{ agent: true }}"
        )
    )]
    Encrypted {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase file cannot be read.
    #[error("cannot read the passphrase of private key {} in {}", path.display(), passphrase_file.display())]
    #[diagnostic(
        code(mirror::ssh::passphrase_unreadable),
        help("make githubTransport.identity.passphraseFile name a readable file")
    )]
    PassphraseUnreadable {
        /// The key file.
        path: PathBuf,
        /// The passphrase file.
        passphrase_file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The passphrase does not open the key.
    #[error("the passphrase in {} does not open private key {}", passphrase_file.display(), path.display())]
    #[diagnostic(
        code(mirror::ssh::passphrase_wrong),
        help("check it with ssh-keygen -y -f {}", path.display())
    )]
    WrongPassphrase {
        /// The key file.
        path: PathBuf,
        /// The passphrase file.
        passphrase_file: PathBuf,
    },
}

impl Classified for IdentityError {
    fn class(&self) -> FaultClass {
        match self {
            IdentityError::Missing { .. }
            | IdentityError::Unreadable { .. }
            | IdentityError::PublicHalf { .. }
            | IdentityError::Malformed { .. }
            | IdentityError::Unsupported { .. }
            | IdentityError::Encrypted { .. }
            | IdentityError::PassphraseUnreadable { .. }
            | IdentityError::WrongPassphrase { .. } => FaultClass::Usage,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            IdentityError::Missing { .. }
            | IdentityError::Unreadable { .. }
            | IdentityError::PublicHalf { .. }
            | IdentityError::Malformed { .. }
            | IdentityError::Unsupported { .. }
            | IdentityError::Encrypted { .. }
            | IdentityError::PassphraseUnreadable { .. }
            | IdentityError::WrongPassphrase { .. } => Retry::Never,
        }
    }
}
